"""`palmares doctor`: what is wrong with this machine or install, and what to do."""

from __future__ import annotations

import json

import typer
from palmares.cli.options import AsJson, Home
from palmares.cli.output import console

from devstack.supervisor.paths import StackPaths

MARKS = {"ok": "[green]ok[/]     ", "warning": "[yellow]warning[/]", "error": "[red]error[/]  "}


def register(app: typer.Typer) -> None:
    app.command("doctor")(doctor)


def doctor(home: Home = None, as_json: AsJson = False) -> None:
    """Check Python, installs, disk, ports and what earlier runs left. Exit status 1: something is broken."""
    from devstack.supervisor.checks import examine

    findings = examine(StackPaths.locate(home))
    is_broken = any(finding.level == "error" for finding in findings)
    if as_json:
        checks = [finding.to_json() for finding in findings]
        print(json.dumps({"healthy": not is_broken, "checks": checks}, indent=2))
    else:
        for finding in findings:
            console.print(f"{MARKS[finding.level]} [bold]{finding.name:<18}[/] ", end="")
            console.print(finding.message, markup=False)
            if finding.fix:
                console.print(f"{'':27}→ {finding.fix}", markup=False)
    if is_broken:
        raise typer.Exit(1)
