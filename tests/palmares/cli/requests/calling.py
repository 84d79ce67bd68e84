"""`palmares` called in this process, on a real database and the embedded Hub with the demo in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
from palmares.cli.main import build_app
from typer.testing import CliRunner, Result

Palmares = Callable[..., Result]


def call(*arguments: str, env: dict[str, str] | None = None) -> Result:
    """Run a command; its errors are results, a traceback is a failure of the test."""
    result = CliRunner().invoke(build_app(), list(arguments), env={"COLUMNS": "200"} | (env or {}))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def answer(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    loaded: dict[str, Any] = json.loads(result.stdout)
    return loaded


def call_clearml(client: httpx.Client, endpoint: str, **body: object) -> dict[str, Any]:
    data: dict[str, Any] = client.post(f"/{endpoint}", json=body).raise_for_status().json()["data"]
    return data


def complaint(result: Result) -> str:
    """The one line of a command that could not use what it was given."""
    assert result.exit_code == 2, (result.exit_code, result.stdout, result.stderr)
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    return line
