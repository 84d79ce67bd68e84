"""`palmares results`: what lies in folders of results, as a leaderboard with standard errors."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from palmares.cli.options import AsJson
from palmares.cli.output import console

if TYPE_CHECKING:
    from palmares.leaderboard.publishing.read_results import LeftOut, ReadResult
    from palmares.leaderboard.suites import Suite

UNUSABLE = 2


class Layout(StrEnum):
    """Which table is printed."""

    LEADERBOARD = "leaderboard"
    LM_EVAL = "lm-eval"


def register(app: typer.Typer) -> None:
    app.command("results")(results)


def results(
    folders: Annotated[
        list[Path], typer.Argument(metavar="PATH…", help="Folders of results or job artifacts, or files.")
    ],
    suite: Annotated[
        str | None, typer.Option(help="Of leaderboard.yaml.", show_default="its default")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every result, not the newest of each model and precision.")
    ] = False,
    table: Annotated[
        Layout, typer.Option(help="One line a model, or lm-eval's table of every task, filter and metric.")
    ] = Layout.LEADERBOARD,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
) -> None:
    """Read results JSON (lighteval's, lm-eval's, the leaderboard's) and job artifacts, and print the table.

    Artifacts are graded as the leaderboard does. What is left out or partial is named on standard error.
    Exit status 1: no result could be read, 2: unusable input.
    """
    from palmares.cli import results_tables
    from palmares.leaderboard.errors import SettingsError
    from palmares.leaderboard.settings import load_settings

    if sum((as_json, as_csv, as_markdown)) > 1:
        _complain("--json, --csv and --markdown exclude one another. Give one of them.")
        raise typer.Exit(UNUSABLE)
    try:
        asked = load_settings().suite(suite)
    except SettingsError as error:
        _complain(str(error))
        raise typer.Exit(UNUSABLE) from error
    if missing := [str(folder) for folder in folders if not folder.exists()]:
        _complain(
            f"{', '.join(missing)}: no such folder or file. Name results files, or folders that hold them."
        )
        raise typer.Exit(UNUSABLE)
    read, left = _read(folders, asked, everything=everything)
    rows = results_tables.ranked(read, asked)
    if table is Layout.LM_EVAL:
        results_tables.print_lm_eval(read, as_json=as_json, as_csv=as_csv, as_markdown=as_markdown)
    elif as_json:
        print(json.dumps(_document(rows, left), indent=2, ensure_ascii=False))
    elif as_csv:
        print(results_tables.csv(rows, asked), end="")
    elif as_markdown:
        print(results_tables.markdown(rows, asked), end="")
    elif rows:
        console.print(results_tables.leaderboard(rows, asked), soft_wrap=False)
        for line in results_tables.foot_lines(rows, asked):
            console.print(line, markup=False)
    if not as_json:
        _name_the_rest(read, left)
    if not rows:
        if not as_json:
            _complain(f"No result in {', '.join(map(str, folders))}. Results are JSON files with 'results'.")
        raise typer.Exit(1)


def _read(paths: list[Path], suite: Suite, *, everything: bool) -> tuple[list[ReadResult], list[LeftOut]]:
    from palmares.leaderboard.publishing.read_results import LeftOut, combined, read_results

    read: list[ReadResult] = []
    left: list[LeftOut] = []
    for path in paths:
        for one in read_results(path, suite):
            if isinstance(one, LeftOut):
                left.append(one)
            else:
                read.append(one)
    if everything:
        return read, left
    rows, superseded = combined(read)
    return rows, [*left, *superseded]


def _document(rows: list[dict[str, Any]], left: list[LeftOut]) -> dict[str, Any]:
    from palmares.leaderboard.publishing.read_results import Unreadable

    def listed(*, unreadable: bool) -> list[dict[str, str]]:
        chosen = [one for one in left if isinstance(one, Unreadable) is unreadable]
        return [{"path": one.path, "why": one.why} for one in chosen]

    return {"rows": rows, "unreadable": listed(unreadable=True), "left_out": listed(unreadable=False)}


def _name_the_rest(read: list[ReadResult], left: list[LeftOut]) -> None:
    from palmares.leaderboard.publishing.read_results import Unreadable

    for row in read:
        for note in row.notes:
            _complain(note, "Note")
    for one in left:
        if isinstance(one, Unreadable):
            _complain(f"{one.path} was not read: {one.why}", "Warning")
        else:
            _complain(f"{one.path} is in no row: {one.why}.", "Note")


def _complain(text: str, kind: str = "Error") -> None:
    from rich.console import Console

    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    errors.print(f"[bold {'yellow' if kind == 'Note' else 'red'}]{kind}:[/] ", end="")
    # Names of tasks and models come from strangers.
    errors.print("".join(char if char.isprintable() else "?" for char in text), markup=False)
