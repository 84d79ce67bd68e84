"""`palmares results`: what lies in folders of results, as a leaderboard with standard errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from devstack.commands.stack import AsJson
from palmares.cli.output import console

if TYPE_CHECKING:
    from rich.table import Table

    from palmares.leaderboard.publishing.read_results import ReadResult
    from palmares.leaderboard.suites import Suite

UNUSABLE = 2


def register(app: typer.Typer) -> None:
    app.command("results")(results)


def results(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR…", help="Folders of results, or job artifacts.")
    ],
    suite: Annotated[
        str | None, typer.Option(help="Of leaderboard.yaml.", show_default="its default")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every result, not the newest of each model and precision.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read results JSON (the leaderboard's or lm-eval's schema) and job artifacts, and print the table.

    Artifacts are graded as the leaderboard does. Exit status 1: no result could be read, 2: unusable input.
    """
    from palmares.leaderboard.errors import SettingsError
    from palmares.leaderboard.publishing.read_results import Unreadable, newest, read_results
    from palmares.leaderboard.settings import load_settings

    try:
        asked = load_settings().suite(suite)
    except SettingsError as error:
        _complain(str(error))
        raise typer.Exit(UNUSABLE) from error
    if missing := [str(folder) for folder in folders if not folder.is_dir()]:
        _complain(f"{', '.join(missing)}: no such folder. Name folders that hold results_*.json files.")
        raise typer.Exit(UNUSABLE)
    read: list[ReadResult] = []
    unread: list[Unreadable] = []
    for folder in folders:
        for one in read_results(folder, asked):
            if isinstance(one, Unreadable):
                unread.append(one)
            else:
                read.append(one)
    rows = _rows(read if everything else newest(read), asked)
    if as_json:
        unreadable = [{"path": one.path, "why": one.why} for one in unread]
        print(json.dumps({"rows": rows, "unreadable": unreadable}, indent=2, ensure_ascii=False))
    else:
        if rows:
            console.print(_table(rows, asked), soft_wrap=False)
        for one in unread:
            _complain(f"{one.path} was not read: {one.why}", "Warning")
    if not rows:
        if not as_json:
            _complain(f"No result in {', '.join(map(str, folders))}. Results are results_*.json files.")
        raise typer.Exit(1)


def _rows(read: list[ReadResult], suite: Suite) -> list[dict[str, Any]]:
    from dataclasses import asdict

    from palmares.leaderboard.publishing.ranking import rank
    from palmares.leaderboard.scoring import average

    rows = [asdict(one) for one in read]
    return rank(rows, average=lambda row: None if row["is_preliminary"] else average(row["scores"], suite))


def _table(rows: list[dict[str, Any]], suite: Suite) -> Table:
    from rich.table import Table

    from palmares.cli.output import in_per_cent, printable

    table = Table(
        title=f"Results, suite {suite.name}: per cent ± one standard error, guessing counts as 0",
        title_justify="left",
    )
    table.add_column("Rank", justify="right")
    table.add_column("Model", overflow="fold")
    table.add_column("Precision")
    for heading in ("Average", *(task.title for task in suite.tasks)):
        table.add_column(heading, justify="right")
    for row in rows:
        cells = []
        for task in suite.tasks:
            score = row["scores"].get(task.name)
            shown = None
            if score is not None:
                stderr = score["stderr"]
                scaled = None if stderr is None else stderr / (1 - task.metric.baseline)
                shown = {"value": score["shown"], "stderr": scaled}
            cells.append(in_per_cent(shown))
        note = " (preliminary)" if row["is_preliminary"] else ""
        mean = "–" if row["average"] is None else f"{100 * row['average']:.1f}"
        table.add_row(
            str(row["rank"] or "–"), printable(row["model"]) + note, printable(row["precision"]), mean, *cells
        )
    return table


def _complain(text: str, kind: str = "Error") -> None:
    from rich.console import Console

    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    errors.print(f"[bold red]{kind}:[/] ", end="")
    errors.print(text, markup=False)
