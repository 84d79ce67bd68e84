"""How the commands complain: one clear line, and an exit status that tells whose fault it is."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from palmares.cli.requests.addresses import UnusableInputError
from palmares.leaderboard.errors import ModerationError, RefusedError, SettingsError

UNUSABLE = 2
LONGEST_LINE = 1_000
LONGEST_NAME = 100


@contextmanager
def unusable_input_is_told() -> Iterator[None]:
    """Turn input that cannot be used into one line and exit status 2; failures go on (exit status 1)."""
    try:
        yield
    except (UnusableInputError, RefusedError, ModerationError, SettingsError) as error:
        complain(str(error))
        raise typer.Exit(UNUSABLE) from error


def complain(message: str) -> None:
    """Write one line to the error stream."""
    from rich.console import Console

    line = " ".join(message.split())
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    errors.print("[bold red]Error:[/] ", end="")
    errors.print(line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 1] + "…", markup=False)


def who(by: str | None) -> str:
    """Who decides: the one who was named, else the user of this machine.

    Raises:
        UnusableInputError: The name cannot be printed, or is too long.
    """
    try:
        name = (by or getpass.getuser()).strip()
    except (KeyError, OSError):  # a container's user may have no name
        name = ""
    if not name or not name.isprintable() or len(name) > LONGEST_NAME:
        raise UnusableInputError(
            f"--by is {name[:40]!r}. Give the name of the person who decides, of 1 to {LONGEST_NAME} "
            "characters."
        )
    return name
