"""The comparison report as JSON and as Markdown: ids and numbers, no text of any row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from palmares.rescoring.comparison.changes import (
    ComparisonReport,
    Line,
    Move,
    ScoreAt,
    TaskSummary,
    VerdictChanges,
)


def to_json(report: ComparisonReport) -> dict[str, Any]:
    """Every figure and every changed row's id, as plain JSON."""
    return {
        "schema": 1,
        "test": "McNemar, exact binomial, two-sided; p_holm is corrected for the number of lines",
        "changed": report.changed,
        "lines": [_line_json(line) for line in report.lines],
        "tasks": [_task(task) for task in report.tasks],
        "ranks": [asdict(move) | {"up": move.up} for move in report.moves],
        "rank_agreement_kendall_tau_b": report.rank_agreement,
    }


def _line_json(line: Line) -> dict[str, Any]:
    changes = line.changes
    return {
        "model": changes.model,
        "task": changes.task,
        "rows": changes.rows,
        "unknown_before": changes.unknown_before,
        "right_before": changes.right_before,
        "right_after": changes.right_after,
        "to_right": list(changes.to_right),
        "to_wrong": list(changes.to_wrong),
        "shift": changes.shift,
        "shift_stderr": changes.shift_stderr,
        "score_before": None if line.before is None else asdict(line.before),
        "score_after": None if line.after is None else asdict(line.after),
        "p_value": line.p_value,
        "p_holm": line.p_holm,
    }


def _task(task: TaskSummary) -> dict[str, Any]:
    summary = asdict(task)
    summary["most_flipped"] = list(summary.pop("most_changed"))  # the name that files in use have
    return summary


MOST_LINES = 200
"""Of a table; ``flips.json`` has the rest."""
MOST_IDS = 20
"""Of one model and one way."""
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#|~!&$])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")

_HOW = """\
Right and wrong are the scorer's verdicts. *p* is McNemar's test, exact (binomial) and two-sided, over the
rows that changed: a small one says that the change has a direction, not that the new scorer is right.
*p (Holm)* is corrected for the number of lines. A task's own *p* is a sign test over the rows of the data
set, since all models answer the same rows. Scores are in percent, ± one standard error; a change's error
pairs each row with itself. Ranks are dense: equals share one, so a place can also be won where two others
became equal."""


def markdown(report: ComparisonReport, *, chart_name: str | None = None) -> str:
    """Write the report; the same text for the same report.

    Args:
        report: What to write.
        chart_name: File of :func:`chart` in the same folder, to be shown. None: there is none.
    """
    parts = ["# What the new scorer changes", _headline(report)]
    if chart_name is not None:
        parts.append(f"![Rows whose verdict changed, scores and ranks, by model]({chart_name})")
    parts.append(_HOW)
    parts += ["## By task", _tasks(report.tasks)]
    parts += [
        "## By model",
        *_table(
            (
                "model",
                "task",
                "rows",
                "→ right",
                "→ wrong",
                "score before",
                "score after",
                "change",
                "p",
                "p (Holm)",
            ),
            [_line(line) for line in report.lines],
        ),
    ]
    parts += ["## Ranks", *_ranks(report)]
    parts += ["## Rows that change for the most models", *_rows(report.tasks)]
    parts += ["## Changed rows by model", *_ids(report.lines)]
    return "\n\n".join(parts) + "\n"


def plain_name(text: str) -> str:
    """A name that a stranger chose, safe inside a Markdown table: no markup, no control characters."""
    return _SPECIAL.sub(r"\\\1", _CONTROL.sub(" ", text))


def _headline(report: ComparisonReport) -> str:
    pairs = sum(line.changes.pairs for line in report.lines)
    unknown = sum(line.changes.unknown_before for line in report.lines)
    to_right = sum(len(line.changes.to_right) for line in report.lines)
    models = {line.changes.model for line in report.lines}
    touched = {line.changes.model for line in report.lines if line.changes.changed}
    words = (
        f"**{report.changed:,} of {pairs:,} verdicts changed**: {to_right:,} to right, "
        f"{report.changed - to_right:,} to wrong, in {len(touched):,} of {len(models):,} models."
    )
    if unknown:
        words += f" {unknown:,} rows had no old verdict; they count in the new scores only."
    return words


def _tasks(tasks: Sequence[TaskSummary]) -> str:
    head = (
        "task",
        "models",
        "changed",
        "verdicts",
        "→ right",
        "→ wrong",
        "rows → right",
        "rows → wrong",
        "p",
    )
    rows = [
        (
            plain_name(task.task),
            f"{task.models:,}",
            f"{task.models_changed:,}",
            f"{task.rows - task.unknown_before:,}",
            f"{task.to_right:,}",
            f"{task.to_wrong:,}",
            f"{task.rows_leaning_right:,}",
            f"{task.rows_leaning_wrong:,}",
            p_text(task.p_value),
        )
        for task in tasks
    ]
    return "\n\n".join(_table(head, rows))


def _line(line: Line) -> tuple[str, ...]:
    changes = line.changes
    return (
        plain_name(changes.model),
        plain_name(changes.task),
        f"{changes.rows:,}" + (f" ({changes.unknown_before:,} new)" if changes.unknown_before else ""),
        f"{len(changes.to_right):,}",
        f"{len(changes.to_wrong):,}",
        _score(line.before),
        _score(line.after),
        _shift(changes),
        p_text(line.p_value),
        p_text(line.p_holm),
    )


def _ranks(report: ComparisonReport) -> list[str]:
    ranked = [move for move in report.moves if move.up is not None]
    if not ranked:
        return ["No model has every score both before and after, so none is ranked."]
    moved = sorted(
        (move for move in ranked if move.up), key=lambda move: (-abs(move.up or 0), move.after or 0)
    )
    words = f"{len(moved):,} of {len(ranked):,} ranked models moved."
    if report.rank_agreement is not None:
        words += f" Kendall's τ-b of the two orders: {report.rank_agreement:.3f}."
    unranked = len(report.moves) - len(ranked)
    if unranked:
        words += f" {unranked:,} models lack a score, and have no rank."
    if not moved:
        return [words]
    head = ("model", "rank before", "rank after", "places", "average before", "average after")
    return [words, *_table(head, [_move(move) for move in moved])]


def _move(move: Move) -> tuple[str, ...]:
    return (
        plain_name(move.model),
        _or_dash(move.before),
        _or_dash(move.after),
        f"{move.up:+d}".replace("-", "−") if move.up is not None else "–",
        _percent(move.average_before),
        _percent(move.average_after),
    )


def _rows(tasks: Sequence[TaskSummary]) -> list[str]:
    found = [
        (plain_name(task.task), f"`{_id(row.row_id)}`", f"{row.to_right:,}", f"{row.to_wrong:,}")
        for task in tasks
        for row in task.most_changed
    ]
    if not found:
        return ["None."]
    return _table(("task", "row", "models → right", "models → wrong"), found)


def _ids(lines: Iterable[Line]) -> list[str]:
    changed = [line.changes for line in lines if line.changes.changed]
    if not changed:
        return ["None."]
    found = []
    for changes in changed[:MOST_LINES]:
        ways = [
            f"- → {way}: {_some(ids)}"
            for way, ids in (("right", changes.to_right), ("wrong", changes.to_wrong))
            if ids
        ]
        found.append("\n".join([f"**{plain_name(changes.model)}**, {plain_name(changes.task)}", "", *ways]))
    return [*found, *_left_out(len(changed))]


def _some(ids: Sequence[str]) -> str:
    shown = ", ".join(f"`{_id(row_id)}`" for row_id in ids[:MOST_IDS])
    return shown + (f" and {len(ids) - MOST_IDS:,} more" if len(ids) > MOST_IDS else "")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    marks = ["---" if index == 0 else "---:" for index in range(len(head))]
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, marks, *rows[:MOST_LINES])]
    return ["\n".join(lines), *_left_out(len(rows))]


def _left_out(count: int) -> list[str]:
    return [f"… and {count - MOST_LINES:,} more, in `flips.json`."] if count > MOST_LINES else []


def _id(row_id: str) -> str:
    return _CONTROL.sub(" ", row_id).replace("`", "'").replace("|", "¦")


def _score(score: ScoreAt | None) -> str:
    if score is None:
        return "–"
    return _percent(score.value) + ("" if score.stderr is None else f" ± {100 * score.stderr:.2f}")


def _shift(changes: VerdictChanges) -> str:
    if changes.shift is None:
        return "–"
    change = f"{100 * changes.shift:+.2f}".replace("-", "−")
    return change + ("" if changes.shift_stderr is None else f" ± {100 * changes.shift_stderr:.2f}")


def p_text(value: float) -> str:
    """A p-value to two digits, never as a bare 0."""
    return f"{value:.2g}" if value >= 1e-4 else "< 0.0001"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f}"


def _or_dash(value: int | None) -> str:
    return "–" if value is None else str(value)
