"""Requests on a terminal: the queue as a table, and one model with its whole history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from palmares.cli.output import console, printable
from palmares.cli.requests.jobs import Job
from palmares.steps.requests.overview import Overview, Row

NARROW = 120
"""Columns below which a table leaves the reasons no room: each request has lines of its own."""
PIPED = 10_000
"""Columns where there is no terminal: no name is cut."""
NO_JOBS: Mapping[str, Job] = MappingProxyType({})


def show_requests(rows: Sequence[Row], seen: Overview, jobs: Mapping[str, Job] = NO_JOBS) -> None:
    """Print the rows, and what they were read from: a table where it fits, else a few lines a request.

    Nothing is cut: what is piped is as wide as it has to be.

    Args:
        rows: The requests.
        seen: What they were read from.
        jobs: What ClearML says of their jobs, by path.
    """
    if console.is_terminal and console.width < NARROW:
        for row in rows:
            _show_lines(row, jobs.get(row.path))
    elif console.is_terminal:
        console.print(_table(rows, jobs), soft_wrap=False)
    else:
        Console(file=console.file, width=PIPED, highlight=False).print(_table(rows, jobs))
    console.print(
        f"{len(rows)} requests at commit {seen.commit[:10]}. The next sweep begins {_when(seen.next_sweep)}; "
        "one that is started by hand takes the same queue. Times are estimates, in this machine's time zone."
    )


def _table(rows: Sequence[Row], jobs: Mapping[str, Job]) -> Table:
    table = Table(title="Requests", title_justify="left")
    table.add_column("#", justify="right")
    table.add_column("Model", overflow="fold")
    table.add_column("Precision")
    table.add_column("Status")
    table.add_column("Submitted")
    table.add_column("Estimated start")
    table.add_column("Why", overflow="fold")
    for row in rows:
        table.add_row(
            str(row.position or ""),
            printable(row.model),
            printable(row.precision or ""),
            _status(row),
            _when(row.submitted),
            estimated(row),
            printable(_why(row, jobs.get(row.path))),
        )
    return table


def _show_lines(row: Row, job: Job | None) -> None:
    place = f"{row.position}. " if row.position else ""
    precision = f" ({printable(row.precision)})" if row.precision else ""
    console.print(f"[bold]{place}{printable(row.model)}{precision}[/]")
    start = estimated(row)
    if row.starts is not None:
        start = f"starts {start}"
    console.print(f"   {', '.join(part for part in (_status(row), start) if part)}", markup=False)
    if why := _why(row, job):
        console.print(Padding(Text.from_markup(printable(why)), (0, 0, 0, 3)), soft_wrap=False)


def _why(row: Row, job: Job | None) -> str:
    if job is not None:
        return f"{job.text(datetime.now(UTC))}."
    return " ".join(row.why)


def estimated(row: Row) -> str:
    """When a waiting request should start; ``unknown`` where nobody knows."""
    if row.status not in {"PENDING", "RERUN", "PENDING_NEW_EVAL"} and row.position is None:
        return ""
    if row.starts is None:
        return "unknown" if row.refusal is None else "will be refused"
    return f"{'not before ' if row.starts_at_the_earliest else ''}{_when(row.starts)}"


def show_request(found: dict[str, Any]) -> None:
    """Print one request as `requests show --json` gives it, without the raw file."""
    row = found["request"]
    console.print(f"{row['model']}  ({row['path']})", markup=False, style="bold")
    for name in ("status", "state", "precision", "weight_type", "sender", "submitted", "position", "starts"):
        if row[name] is not None:
            console.print(f"  {name.replace('_', ' ')}: {row[name]}", markup=False)
    for sentence in row["why"]:
        console.print(f"  {sentence}", markup=False)
    for one in found["evaluations"]:
        console.print(
            f"  evaluation {one['job_key']}: {one['state']}, run number {one['run_number']}, commit "
            f"{one['revision'][:10]}, by {one['dag_run_id']}, {one['attempts']} attempts",
            markup=False,
        )
        if one["reason"]:
            console.print(
                f"    {one['failure_class'] or one['reason_code'] or ''}: {one['reason']}", markup=False
            )
    for one in found["moderation"]:
        more = f" → {one['new_model_id']}" if one["new_model_id"] else ""
        console.print(f"  {one['action']}{more} by {one['by']}, {one['at']}: {one['reason']}", markup=False)


def _status(row: Row) -> str:
    if row.state is None or row.status != "RUNNING":
        return row.status
    return f"{row.status} ({row.state})"


def _when(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M}"
