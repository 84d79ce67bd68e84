"""`palmares ledger`: what all attempts cost, added up by month, organisation, model, cluster or outcome."""

from __future__ import annotations

import json
import re
import sys
from typing import Annotated, Any

import typer

from palmares.cli.options import AsJson, Home
from palmares.cli.output import console
from palmares.cli.requests.addresses import (
    WHERE,
    StoreOption,
    UnusableInputError,
    find_addresses,
    open_services,
)
from palmares.cli.requests.complaints import unusable_input_is_told
from palmares.leaderboard.ledger import GROUPINGS

By = Annotated[str, typer.Option(help=f"One of {', '.join(GROUPINGS)}.")]
Since = Annotated[str | None, typer.Option(metavar="YYYY-MM", help="First month.", show_default="all")]
Until = Annotated[str | None, typer.Option(metavar="YYYY-MM", help="Last month.", show_default="all")]
AsCsv = Annotated[bool, typer.Option("--csv", help="One line an attempt, as CSV.")]
HEADINGS = {
    "attempts": "Attempts",
    "node_hours": "Node-hours",
    "gpu_hours": "GPU-hours",
    "used_gpu_hours": "of which used",
    "energy_kwh": "kWh",
    "carbon_kg": "kg CO₂",
    "cost": "Cost",
}


def register(app: typer.Typer) -> None:
    app.command("ledger", epilog=WHERE)(ledger)


def ledger(
    by: By = "month",
    since: Since = None,
    until: Until = None,
    store: StoreOption = None,
    home: Home = None,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """Add up what attempts cost that a run saw end, failed ones included: hours, energy, carbon, money.

    GPU-hours are of reserved GPUs; prices, power and carbon are those of clusters.yaml.
    """
    from palmares.steps.costs import ledger_report, read_ledger

    with unusable_input_is_told():
        if by not in GROUPINGS:
            raise UnusableInputError(f"--by {by}: take one of {', '.join(GROUPINGS)}.")
        for name, month in (("--since", since), ("--until", until)):
            if month is not None and not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month):
                raise UnusableInputError(f"{name} {month}: give a month as 2026-11.")
        addresses = find_addresses(hub=None, store=store, home=home)
        with open_services(addresses) as services:
            frame = read_ledger(services, since=since, until=until)
    if as_csv:
        frame.to_csv(sys.stdout, index=False)
        return
    report = ledger_report(frame, by=(by,))
    if as_json:
        print(json.dumps({"total": report["total"], "by": by, "rows": report[f"by_{by}"]}, indent=2))
        return
    _print(report[f"by_{by}"], report["total"], by)


def _print(rows: list[dict[str, Any]], total: dict[str, Any], by: str) -> None:
    from rich.table import Table

    from palmares.cli.output import printable

    shown = [name for name in HEADINGS if name == "attempts" or total[name]]
    table = Table(title="Ledger", title_justify="left", show_footer=bool(rows))
    table.add_column(by.capitalize(), overflow="fold", footer="In all")
    for name in shown:
        table.add_column(HEADINGS[name], justify="right", footer=_number(total[name]))
    for row in rows:
        table.add_row(printable(row[by] or "–"), *(_number(row[name]) for name in shown))
    console.print(table, soft_wrap=False)
    if total["at_most"]:
        console.print(
            f"The time of {total['at_most']} attempts is not known: it is counted from the queue to the end, "
            "an upper bound.",
            markup=False,
        )


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:,.2f}"
