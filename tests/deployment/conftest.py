"""The compose file as a mapping, read the way Docker Compose does, for every deployment test."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)")


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Replace ``${NAME}``, ``${NAME:-default}`` (nested too) and ``$$`` as the Compose Specification says.

    Raises:
        ValueError: Any other form; this project uses these only.
    """
    out, rest = "", text
    while (at := rest.find("$")) >= 0:
        out, rest = out + rest[:at], rest[at:]
        if rest.startswith("$$"):
            out, rest = out + "$", rest[2:]
            continue
        end = _closing_brace(rest)
        name, dash, default = rest[2:end].partition(":-")
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise ValueError(f"cannot interpolate {rest[: end + 1]!r}")
        value = variables.get(name, "")
        out += value or (interpolate(default, variables) if dash else "")
        rest = rest[end + 1 :]
    return out + rest


def _closing_brace(text: str) -> int:
    """Index of the brace that closes the ``${`` at the start of *text*."""
    if not text.startswith("${"):
        raise ValueError(f"a bare $ at {text[:20]!r}; write $$ or ${{…}}")
    depth = 0
    for index, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0 and character == "}":
            return index
    raise ValueError(f"no closing brace in {text!r}")


def _interpolated(node: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(node, str):
        return interpolate(node, variables)
    if isinstance(node, dict):
        return {key: _interpolated(value, variables) for key, value in node.items()}
    if isinstance(node, list):
        return [_interpolated(item, variables) for item in node]
    return node


def read_env(path: Path) -> dict[str, str]:
    """The assignments of a .env file; as it stands in this project: no quotes, no spaces."""
    lines = path.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.fixture(scope="session")
def compose_text() -> str:
    """Without its comments, in which examples of interpolation may stand."""
    lines = (ROOT / "docker-compose.yaml").read_text().splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


@pytest.fixture(scope="session")
def env_example() -> dict[str, str]:
    return read_env(ROOT / ".env.example")


@pytest.fixture(scope="session")
def compose_with(compose_text: str) -> Callable[[Mapping[str, str]], dict[str, Any]]:
    """The whole file, interpolated with some variables."""
    document = yaml.safe_load(compose_text)
    return lambda variables: _interpolated(document, variables)


@pytest.fixture(scope="session")
def compose(compose_with: Callable[[Mapping[str, str]], dict[str, Any]]) -> dict[str, Any]:
    """The file as it is without any .env."""
    return compose_with({})


@pytest.fixture(scope="session")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found
