"""The leaderboard on a terminal and as a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from palmares.cli.output import console, in_per_cent, printable, short_name
from palmares.leaderboard.publishing.shown import rule_of
from rich.table import Table

from devstack.supervisor.files import write_atomically

ON_PURPOSE = "The demo's bad requests are bad on purpose: each shows how a refusal reads."

FIELDS = ("model", "revision", "status", "scores", "reason")


def write_board(board: dict[str, Any], path: Path) -> None:
    """Write the rows for programs: those with a score first, by rank."""
    rows = [{name: row[name] for name in FIELDS} for row in board["rows"]]
    write_atomically(path, json.dumps({"rows": rows}, indent=2, ensure_ascii=False) + "\n", mode=0o644)


def scored_rows(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in board["rows"] if row["scores"]]


def board_table(board: dict[str, Any]) -> Table:
    """The scored models by rank; values in per cent, as the card and `palmares results` show them."""
    rows = scored_rows(board)
    tasks = list(dict.fromkeys(task for row in rows for task in row["scores"]))
    table = Table(title="Leaderboard", title_justify="left")
    table.add_column("Rank", justify="right")
    table.add_column("Model", overflow="fold")
    for heading in ("Average", *(short_name(task) for task in tasks)):
        table.add_column(heading, justify="right")
    for row in rows:
        cells = [in_per_cent(row["scores"].get(task)) for task in tasks]
        average = "–" if row["average"] is None else f"{100 * row['average']:.1f}"
        table.add_row(str(row["rank"] or "–"), row["model"], average, *cells)
    return table


def others_table(board: dict[str, Any]) -> Table:
    """The requests without a score, each with its reason."""
    scored = {row["model"] for row in scored_rows(board)}
    table = Table(
        title="Not on the leaderboard", title_justify="left", caption=ON_PURPOSE, caption_justify="left"
    )
    table.add_column("Model", overflow="fold", max_width=48)
    table.add_column("Status")
    table.add_column("Reason", overflow="fold")
    for row in board["rows"]:
        if not row["scores"]:
            model = f"{row['model']} (second request)" if row["model"] in scored else row["model"]
            table.add_row(printable(model), row["status"], printable(row["reason"] or ""))
    return table


def show_board(board: dict[str, Any]) -> None:
    """Print both tables."""
    console.print(board_table(board), soft_wrap=False)
    for line in rule_of(board["baselines"]):
        console.print(line)
    if len(scored_rows(board)) < len(board["rows"]):
        console.print(others_table(board), soft_wrap=False)
