"""The `palmares` command: a thin registry; each module of `palmares.cli.commands` adds its own."""

from __future__ import annotations

import importlib
import os
import sys
from importlib.metadata import entry_points, version
from typing import Annotated

import typer
from rich.console import Console

from palmares.cli.interrupts import Interrupted, interruptible
from palmares.leaderboard.errors import LeaderboardError

COMMANDS = (
    "palmares.cli.commands.evaluate",
    "palmares.cli.commands.plan",
    "palmares.cli.commands.results",
    "palmares.cli.commands.compare",
    "palmares.cli.commands.requests",
    "palmares.cli.commands.models",
    "palmares.cli.commands.ledger",
    "palmares.cli.commands.rescore",
    "palmares.cli.commands.grade",
    "palmares.cli.commands.classify",
    "palmares.cli.commands.site",
)
"""Modules with a ``register(app)``, in the order of the help page."""

EXTENSIONS = "palmares.commands"
"""Entry-point group of further modules with a ``register(app)``: a checkout's embedded stack adds its own."""


def build_app() -> typer.Typer:
    """The application with every command."""
    app = typer.Typer(
        name="palmares",
        help="The back end of an LLM leaderboard.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for extension in sorted(entry_points(group=EXTENSIONS), key=lambda each: each.name):
        extension.load().register(app)
    for name in COMMANDS:
        importlib.import_module(name).register(app)
    return app


def _show_version(is_asked: bool) -> None:
    if is_asked:
        print(f"palmares {version('palmares')}")
        raise typer.Exit


def _options(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version, and exit."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line: one clear line on a failure that we foresaw, a traceback on others."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        with interruptible():
            build_app()(standalone_mode=True)
    except LeaderboardError as error:
        errors.print("[bold red]Error:[/] ", end="")
        errors.print(str(error), markup=False)
        sys.exit(1)
    except Interrupted as interrupted:
        sys.exit(interrupted.exit_status)
    except BrokenPipeError:  # `palmares status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
