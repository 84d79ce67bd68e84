"""The `palmares` command: a thin registry; each module of `include.cli.commands` adds its own."""

from __future__ import annotations

import importlib
import os
import sys

import typer
from rich.console import Console

from include.cli.stack.interrupts import Interrupted, interruptible
from include.leaderboard.errors import LeaderboardError

COMMANDS = (
    "include.cli.commands.demo",
    "include.cli.commands.stack",
    "include.cli.commands.doctor",
    "include.cli.commands.plan",
    "include.cli.commands.results",
    "include.cli.commands.requests",
    "include.cli.commands.models",
    "include.cli.commands.rescore",
    "include.cli.commands.grade",
)
"""Modules with a ``register(app)``, in the order of the help page."""


def build_app() -> typer.Typer:
    """The application with every command."""
    app = typer.Typer(
        name="palmares",
        help="The back end of an LLM leaderboard.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name in COMMANDS:
        importlib.import_module(name).register(app)
    return app


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
