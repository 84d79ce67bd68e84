"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[
    Path | None,
    typer.Option(help="State folder. Default: the PALMARES_HOME variable, else .palmares in the checkout."),
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: one JSON object.")]
