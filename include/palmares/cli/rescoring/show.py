"""Shows what a re-scoring run came to: a table of scores, then one line a problem."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from palmares.cli.output import in_per_cent
from palmares.leaderboard.publishing.shown import ShownScore
from palmares.leaderboard.results.results_file import short_name
from palmares.rescoring.outcome import Outcome
from palmares.rescoring.update import Change

MOST_LINES = 40
"""Of the table; the rest is in ``--json`` and ``--report``."""


def show(outcome: Outcome, *, dry_run: bool, console: Console) -> None:
    """Print the table and the sentences of a run."""
    lines = [(one.model, change) for one in outcome.scores for change in one.changes]
    if lines:
        console.print(_table(lines[:MOST_LINES]))
    if len(lines) > MOST_LINES:
        console.print(f"… and {len(lines) - MOST_LINES:,} more: see --report or --json.")
    for sentence in _sentences(outcome, dry_run=dry_run):
        console.print(sentence, markup=False)


def show_problems(outcome: Outcome, errors: Console) -> None:
    """Print what was left as it was, and why."""
    for note in outcome.notes[:MOST_LINES]:
        errors.print(Text.assemble(("Note: ", "yellow"), note))
    if len(outcome.notes) > MOST_LINES:
        errors.print(f"… and {len(outcome.notes) - MOST_LINES:,} more notes: see --json.")
    for problem in outcome.problems:
        errors.print(Text.assemble(("Left out: ", "bold red"), problem.message))
    if outcome.stopped:
        errors.print("Stopped there: no further file could have been written.")


def show_written(paths: Sequence[Path], console: Console) -> None:
    """Name the report's files."""
    console.print(f"Report: {', '.join(str(path) for path in paths)}", markup=False)


def _table(lines: Sequence[tuple[str, Change]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bright_black")
    for name, justify in (
        ("model", "left"), ("task", "left"), ("before", "right"), ("after", "right"), ("change", "right"),
        ("rows", "right"),
    ):  # fmt: skip
        table.add_column(name, justify=justify, overflow="fold" if name == "model" else "ellipsis")  # type: ignore[arg-type]
    for model, change in lines:
        table.add_row(
            Text(model),
            Text(short_name(change.task_key)),
            _score(change.before, change.before_stderr, change.rows),
            _score(change.after, change.after_stderr, change.rows),
            _moved(change),
            f"{change.rows:,}",
        )
    return table


def _score(value: float | None, stderr: float | None, rows: int) -> str:
    if value is None:
        return "–"
    is_share = 0 <= value <= 1
    shown = ShownScore.of(value, stderr, rows=rows if is_share else None, baseline=0.0)
    return in_per_cent(shown.to_json() | {"shown": value})


def _moved(change: Change) -> Text:
    if change.already:
        return Text("done before", style="bright_black")
    if change.before is None:
        return Text("new")
    moved = 100 * (change.after - change.before)
    return Text(f"{moved:+.1f}", style="green" if moved > 0 else "red" if moved < 0 else "")


def _sentences(outcome: Outcome, *, dry_run: bool) -> list[str]:
    kept = sum(one.kept for one in outcome.graded)
    graded = len(outcome.graded) - kept
    rows = sum(one.counts.rows for one in outcome.graded if not one.kept)
    right = sum(one.counts.to_right for one in outcome.graded)
    wrong = sum(one.counts.to_wrong for one in outcome.graded)
    states = [one.state for one in outcome.scores]
    sentences = [
        f"Graded {_count(graded, 'file')} ({_count(rows, 'row')}); "
        f"{_count(kept, 'file')} had been done before.",
        f"Verdicts: {right:,} wrong before and right now, {wrong:,} right before and wrong now.",
    ]
    if dry_run:
        would = states.count("would_update")
        sentences.append(f"Dry run: nothing was written; {_count(would, 'results file')} would change.")
    else:
        updated, same = states.count("updated"), states.count("unchanged")
        left_out = f", {states.count('left_out'):,} left out" if "left_out" in states else ""
        sentences.append(f"Results files: {updated:,} updated, {same:,} already up to date{left_out}.")
    if outcome.without_scorer:
        listed = ", ".join(f"{task} ({count:,})" for task, count in sorted(outcome.without_scorer.items()))
        sentences.append(f"Left as they are, since no scorer reads their generations: {listed}.")
    if outcome.by_likelihood:
        files = _count(outcome.by_likelihood, "file")
        sentences.append(f"Left as they are, since answers were chosen by log-likelihood: {files}.")
    if outcome.problems:
        sentences.append(f"Left out: {_count(len(outcome.problems), 'case')}, named below.")
    return sentences


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number:,} {word}s"
