"""`palmares compare` and `palmares gate`: what the rows of two or more evaluations allow to be said."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from palmares.cli.options import AsJson
from palmares.cli.output import console, printable
from palmares.leaderboard.errors import LeaderboardError

if TYPE_CHECKING:
    from palmares.leaderboard.statistics.ranks import Rank
    from palmares.leaderboard.suites import Suite
    from palmares.rescoring.row_comparison import Comparison
    from palmares.rescoring.row_scores import ModelRows

UNUSABLE = 2
INCONCLUSIVE = 3
EVALUATION = "A job's artifact, or a folder or file of details or samples of one model."
SuiteName = Annotated[str | None, typer.Option(help="Of leaderboard.yaml.", show_default="its default")]
Seed = Annotated[int, typer.Option(help="Of the bootstrap.")]


def register(app: typer.Typer) -> None:
    app.command("compare")(compare)
    app.command("gate")(gate)


def compare(
    evaluations: Annotated[list[Path], typer.Argument(metavar="A B…", help=EVALUATION)],
    suite: SuiteName = None,
    rows: Annotated[bool, typer.Option("--rows", help="Name the rows that differ, by id.")] = False,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Compare evaluations row by row: differences with 95 % intervals, and ranks that the rows can hold.

    Every evaluation is compared with the first one. Exit status 2: unusable input, or not comparable.
    """
    if len(evaluations) < 2:
        _refuse("Name two evaluations or more.")
    from palmares.rescoring import row_comparison

    read, chosen = _read(evaluations, suite)
    try:
        found = [row_comparison.compare(read[0], other, chosen, seed=seed) for other in read[1:]]
        ranked = row_comparison.rank_models(read, chosen, seed=seed)
    except LeaderboardError as error:
        _refuse(str(error))
    if as_json:
        document = {
            "comparisons": [_document(one, rows=rows) for one in found],
            "ranks": [{"model": name, **asdict(rank)} for name, rank in ranked.items()],
        }
        print(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for one in found:
        console.print(_table(one), soft_wrap=False)
        for note in one.notes:
            console.print(note, markup=False)
        if rows:
            _print_rows(one)
    if len(read) > 2:
        console.print(_ranking(ranked), soft_wrap=False)
    console.print(
        "Differences in points, the second less the first, with 95 % intervals of a paired bootstrap. "
        "p: exact test of the rows that differ (McNemar).",
        markup=False,
    )


def gate(
    candidate: Annotated[Path, typer.Argument(help=EVALUATION)],
    baseline: Annotated[Path, typer.Argument(help="The same, of what the candidate would replace.")],
    margin: Annotated[float, typer.Option(min=0, help="Loss in points that would be accepted.")] = 0.0,
    task: Annotated[
        str | None, typer.Option(help="Judge this task's score.", show_default="the suite's average")
    ] = None,
    suite: SuiteName = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Say GO, NO-GO or INCONCLUSIVE for a candidate against a baseline, by the interval of their difference.

    Exit status 0: GO, 1: NO-GO, 2: unusable input or not comparable, 3: INCONCLUSIVE.
    """
    from palmares.rescoring import row_comparison
    from palmares.rescoring.row_comparison import Decision

    (first, second), chosen = _read([baseline, candidate], suite)
    try:
        found = row_comparison.compare(first, second, chosen, seed=seed)
    except LeaderboardError as error:
        _refuse(str(error))
    low, difference, high = _judged(found, task)
    decision = row_comparison.decide(low, high, margin=margin / 100)
    report = {
        "verdict": decision.value,
        "of": task or "average",
        "difference": 100 * difference,
        "interval": [100 * low, 100 * high],
        "margin": margin,
        "notes": list(found.notes),
    }
    if as_json:
        print(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        console.print(
            f"{decision.value}: {task or 'average'} {100 * difference:+.1f} points "
            f"[{100 * low:+.1f}, {100 * high:+.1f}], margin {margin:g}.",
            markup=False,
        )
        for note in found.notes:
            console.print(note, markup=False)
    raise typer.Exit({Decision.GO: 0, Decision.NO_GO: 1, Decision.INCONCLUSIVE: INCONCLUSIVE}[decision])


def _read(paths: list[Path], suite: str | None) -> tuple[list[ModelRows], Suite]:
    from palmares.benchmarks import registry
    from palmares.leaderboard.settings import load_settings
    from palmares.rescoring.row_scores import read_rows

    if missing := [str(path) for path in paths if not path.exists()]:
        _refuse(f"{', '.join(missing)}: no such folder or file.")
    try:
        settings = load_settings()
        chosen = settings.suite(suite)
        scorers = registry.text_scorers(settings.grading)
        with Console(stderr=True).status("Reading and grading …"):  # shown on a terminal only
            return [read_rows(path, chosen, scorers) for path in paths], chosen
    except LeaderboardError as error:
        _refuse(str(error))


def _judged(found: Comparison, task: str | None) -> tuple[float, float, float]:
    """Low end, difference and high end of what the gate judges; fractions."""
    if task is not None:
        for one in found.tasks:
            if one.task == task:
                return one.paired.low, one.paired.difference, one.paired.high
        _refuse(f"{task} is not compared. Compared are {', '.join(one.task for one in found.tasks)}.")
    if found.average is None:
        _refuse(
            "There is no average: " + "; ".join(found.notes) + ". Name one of "
            f"{', '.join(one.task for one in found.tasks)} with --task, or evaluate the rest."
        )
    return found.average.low, found.average.difference, found.average.high


def _document(found: Comparison, *, rows: bool) -> dict[str, Any]:
    tasks = []
    for one in found.tasks:
        entry = {"task": one.task, **asdict(one.paired), "unpaired": one.unpaired}
        if rows:
            entry |= {"first_better_rows": one.first_better, "second_better_rows": one.second_better}
        tasks.append(entry)
    return {
        "first": found.first.model,
        "second": found.second.model,
        "tasks": tasks,
        "average": None if found.average is None else asdict(found.average),
        "notes": list(found.notes),
    }


def _table(found: Comparison) -> Table:
    table = Table(title=f"{printable(found.first.model)} and {printable(found.second.model)}")
    table.add_column("Task")
    for name in ("Rows", "First", "Second", "Difference", "Only first", "Only second", "p"):
        table.add_column(name, justify="right")
    for one in found.tasks:
        paired = one.paired
        table.add_row(
            one.task,
            str(paired.rows),
            f"{100 * paired.first:.1f}",
            f"{100 * paired.second:.1f}",
            _points(paired.difference, paired.low, paired.high),
            str(paired.first_better),
            str(paired.second_better),
            "< 0.001" if paired.p_value < 0.001 else f"{paired.p_value:.3f}",
        )
    if found.average is not None:
        average = found.average
        table.add_row(
            "Average", "", f"{100 * average.first:.1f}", f"{100 * average.second:.1f}",
            _points(average.difference, average.low, average.high), "", "", "",
        )  # fmt: skip
    return table


def _points(difference: float, low: float, high: float) -> str:
    return rf"{100 * difference:+.1f} \[{100 * low:+.1f}, {100 * high:+.1f}]"


def _ranking(ranked: dict[str, Rank]) -> Table:
    table = Table(title="Ranks that the rows can hold")
    for name in ("Rank", "Model", "Average", "Tie group"):
        table.add_column(name, justify="left" if name == "Model" else "right")
    for name, rank in ranked.items():
        place = str(rank.best) if rank.best == rank.worst else f"{rank.best}–{rank.worst}"
        span = rf"{100 * rank.average:.1f} \[{100 * rank.low:.1f}, {100 * rank.high:.1f}]"
        table.add_row(place, printable(name), span, str(rank.tie_group))
    return table


def _print_rows(found: Comparison) -> None:
    for one in found.tasks:
        for name, ids in ((found.first.model, one.first_better), (found.second.model, one.second_better)):
            if ids:
                console.print(f"{one.task}, {name} scored more: {', '.join(ids)}", markup=False)


def _refuse(text: str) -> NoReturn:
    typer.echo(f"Error: {text}", err=True)
    raise typer.Exit(UNUSABLE)
