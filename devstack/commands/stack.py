"""`palmares up`, `down` and `status`: the embedded stack."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from palmares.cli.interrupts import Interrupted
from palmares.cli.options import AsJson, Home
from palmares.cli.output import Progress, console
from rich.table import Table
from rich.text import Text

from devstack.supervisor.elsewhere import find_elsewhere
from devstack.supervisor.lifecycle import StartOptions, start_stack, stop_stack
from devstack.supervisor.overview import Overview, look, memory
from devstack.supervisor.paths import StackPaths
from devstack.supervisor.state import StackState, load_state
from devstack.supervisor.watch import watch

Port = Annotated[
    int | None, typer.Option(min=1024, max=65535, help="Kept for later starts.", show_default="a free one")
]


_CLEARML = "Another ClearML server; its keys: CLEARML_API_ACCESS_KEY and CLEARML_API_SECRET_KEY."


def register(app: typer.Typer) -> None:
    app.command("up")(up)
    app.command("down")(down)
    app.command("status")(status)


def up(
    foreground: Annotated[
        bool | None,
        typer.Option(
            "--foreground/--detach",
            help="Stay and tell what happens until Ctrl-C, or return once all is healthy.",
            show_default="foreground on a terminal",
        ),
    ] = None,
    agents: Annotated[int | None, typer.Option(min=1, max=16, show_default="2")] = None,
    home: Home = None,
    port_airflow: Port = None,
    port_clearml_api: Port = None,
    port_clearml_files: Port = None,
    port_clearml_web: Port = None,
    port_hub: Port = None,
    port_site: Port = None,
    port_postgres: Port = None,
    clearml_api: Annotated[str | None, typer.Option(help=_CLEARML, show_default="embedded")] = None,
    clearml_files: Annotated[
        str | None, typer.Option(help="Its file server.", show_default="embedded")
    ] = None,
    clearml_web: Annotated[str | None, typer.Option(help="Its pages.", show_default="embedded")] = None,
    hub: Annotated[
        str | None, typer.Option(help="Another Hub; its token: HF_TOKEN.", show_default="embedded")
    ] = None,
    store: Annotated[
        str | None, typer.Option(help="Another database, postgresql://…", show_default="embedded")
    ] = None,
) -> None:
    """Start the embedded stack: PostgreSQL, Airflow, ClearML, the Hub, and agents.

    With the address of another ClearML server, Hub or database, the stack uses that, for this start.
    """
    from devstack.supervisor.checks import refuse_if_broken

    paths = StackPaths.locate(home)
    options = StartOptions(
        agents=agents,
        ports={
            "airflow": port_airflow,
            "clearml_api": port_clearml_api,
            "clearml_files": port_clearml_files,
            "clearml_web": port_clearml_web,
            "hub": port_hub,
            "site": port_site,
            "postgres": port_postgres,
        },
        elsewhere=find_elsewhere(
            clearml=(clearml_api, clearml_files, clearml_web), hub=hub, store=store, environment=os.environ
        ),
    )
    stays = sys.stdout.isatty() if foreground is None else foreground
    refuse_if_broken(paths, chosen_ports=dict(options.ports))
    begin = time.monotonic()
    with Progress() as progress:
        started = start_stack(paths, options, progress.step)
    if started.was_running:
        console.print("The stack is up already.")
        show_addresses(started.state)
        return
    try:
        console.print(f"[green]The stack is healthy[/] ({time.monotonic() - begin:.0f} s).")
        show_addresses(started.state)
        console.print("Ctrl-C stops everything." if stays else "Stop it: palmares down")
        if stays:
            watch_visibly(paths, started.state)
    finally:
        if stays:
            stop_visibly(paths)


def watch_visibly(paths: StackPaths, state: StackState) -> None:
    """Tell what happens to the stack until it is stopped; Ctrl-C and SIGTERM are an orderly end."""
    try:
        watch(paths, state, lambda line: console.print(line, style="yellow", markup=False))
        console.print("The stack was stopped by another command.")
    except Interrupted:
        console.print()  # after the terminal's ^C


def down(home: Home = None) -> None:
    """Stop the embedded stack, and make sure that no process of it is left."""
    paths = StackPaths.locate(home)
    if not stop_visibly(paths):
        console.print("Nothing runs.")


def status(
    home: Home = None,
    as_json: AsJson = False,
    with_memory: Annotated[
        bool, typer.Option("--memory", help="Also each process's share of memory (PSS).")
    ] = False,
) -> None:
    """Say what runs, whether it works, where it is, and how to log in. Exit status 3: not all is healthy."""
    paths = StackPaths.locate(home)
    state = load_state(paths)
    if state is None or not state.ports:
        overview = Overview(running=False, healthy=False, home=str(paths.home), addresses={}, login={})
    else:
        overview = look(paths, state)
    used = memory(paths, state) if with_memory and state else None
    if as_json:
        print(json.dumps(overview.to_json() | ({"memory": used} if used else {}), indent=2))
    else:
        _show(overview)
        if used:
            for one in used["processes"]:
                console.print(f"{one['pss_bytes'] / 1e6:8.1f} MB  {one['command']}", markup=False)
            console.print(f"{used['pss_bytes'] / 1e6:8.1f} MB  in all")
    if not overview.healthy:
        raise typer.Exit(3)


def _show(overview: Overview) -> None:
    if not overview.parts:
        console.print("Nothing runs. Start: palmares up")
        if overview.leftovers:
            console.print(
                f"[yellow]{overview.leftovers} processes of a dead stack are left. End them: palmares down[/]"
            )
        return
    table = Table("Part", "State", "Health", "Process")
    for part in overview.parts:
        health = Text("healthy", "green") if part.healthy else Text(part.detail, "red")
        table.add_row(part.name, part.state, health, str(part.pid or ""))
    console.print(table, soft_wrap=False)
    # Not in the table: a path is cut there, and cannot be copied.
    for part in overview.parts:
        if not part.healthy:
            console.print(f"Log of {part.name}:  {part.log}", markup=False)
    console.print(f"Logs     {Path(overview.parts[0].log).parent}", markup=False)
    _addresses(overview.addresses, overview.login)


def show_addresses(state: StackState) -> None:
    """Where the pages are, and how to log in."""
    _addresses(
        {
            "site": state.url("site"),
            "airflow": state.url("airflow"),
            "clearml": state.url("clearml_web"),
            "hub": state.url("hub"),
        },
        {"user": "admin", "password": state.keys.airflow_admin_password},
    )
    console.print(f"         to submit a model on the site: token {state.keys.submission_token}")


def _addresses(addresses: dict[str, str], login: dict[str, str]) -> None:
    console.print(f"Site     {addresses['site']}")
    console.print(f"Airflow  {addresses['airflow']}", markup=False)
    console.print(f"         user {login['user']}, password {login['password']}", markup=False)
    console.print(f"ClearML  {addresses['clearml']}", markup=False)
    console.print(f"Hub      {addresses['hub']}", markup=False)


def stop_visibly(paths: StackPaths) -> bool:
    """Stop the stack and say so; False when nothing ran."""
    begin = time.monotonic()
    with Progress() as progress:
        progress.step("Stopping the stack")
        stopped = stop_stack(paths, progress.step)
    if stopped:
        console.print(f"Everything is stopped ({time.monotonic() - begin:.0f} s).")
    return stopped
