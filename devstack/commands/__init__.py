"""What a checkout adds to the `palmares` command: the embedded stack and its demo."""

from __future__ import annotations

import typer

from devstack.commands import demo, doctor, stack


def register(app: typer.Typer) -> None:
    for module in (demo, stack, doctor):
        module.register(app)
