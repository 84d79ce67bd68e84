"""The leaderboard on a terminal and as a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.table import Table

from include.cli.output import console
from include.cli.stack.files import write_atomically


def write_board(board: dict[str, Any], path: Path) -> None:
    """Write the rows as they are, for programs."""
    write_atomically(path, json.dumps(board, indent=2, ensure_ascii=False) + "\n", mode=0o644)


def scored_rows(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in board["rows"] if row["scores"]]


def board_table(board: dict[str, Any]) -> Table:
    """The scored models by rank; values in per cent, with their standard errors."""
    rows = scored_rows(board)
    tasks = list(dict.fromkeys(task for row in rows for task in row["scores"]))
    table = Table(title="Leaderboard", title_justify="left")
    table.add_column("Rank", justify="right")
    table.add_column("Model", overflow="fold")
    for heading in ("Average", *(short_name(task) for task in tasks)):
        table.add_column(heading, justify="right")
    for rank, row in enumerate(rows, start=1):
        scores = row["scores"]
        average = sum(score["value"] for score in scores.values()) / len(scores)
        cells = [in_per_cent(scores.get(task)) for task in tasks]
        table.add_row(str(rank), row["model"], f"{100 * average:.1f}", *cells)
    return table


def others_table(board: dict[str, Any]) -> Table:
    """The requests without a score, each with its reason."""
    table = Table(title="Not on the leaderboard", title_justify="left")
    table.add_column("Model", overflow="fold", max_width=48)
    table.add_column("Status")
    table.add_column("Reason", overflow="fold")
    for row in board["rows"]:
        if not row["scores"]:
            table.add_row(printable(row["model"]), row["status"], printable(row["reason"] or ""))
    return table


def show_board(board: dict[str, Any]) -> None:
    """Print both tables."""
    console.print(board_table(board), soft_wrap=False)
    if len(scored_rows(board)) < len(board["rows"]):
        console.print(others_table(board), soft_wrap=False)


def short_name(task: str) -> str:
    """``community|bac-fr|0`` is ``bac-fr`` to a reader."""
    parts = task.split("|")
    return parts[1] if len(parts) == 3 else task


def in_per_cent(score: dict[str, float | None] | None) -> str:
    """``41.2 ± 3.4``; a score without an estimator has no ±, and a task not scored is a dash."""
    if score is None or (value := score["value"]) is None:
        return "–"
    text = f"{100 * value:.1f}"
    stderr = score.get("stderr")
    return text if stderr is None else f"{text} ± {100 * stderr:.1f}"


def printable(text: str) -> str:
    """Names come from strangers: no control characters and no console markup reach the terminal."""
    clean = "".join(char if char.isprintable() else "?" for char in text)
    return clean.replace("[", r"\[")
