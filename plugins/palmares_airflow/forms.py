"""Fields of the run forms. Airflow marks a field with ``*`` unless it may be empty, so all of ours may."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import Param


def choice(names: Sequence[str], *, title: str, description: str) -> Param:
    """An optional choice among *names*; free text where there are none to choose from."""
    schema: dict[str, Any] = {"enum": [None, *names]} if names else {}
    return Param(None, type=["null", "string"], title=title, description=description, **schema)


def switch(*, title: str, description: str) -> Param:
    """A field that is off unless a person switches it on."""
    return Param(False, type=["null", "boolean"], title=title, description=description)


def number(default: int, *, title: str, description: str, least: int, most: int | None = None) -> Param:
    """A whole number; empty: *default*."""
    bounds: dict[str, Any] = {"minimum": least} | ({} if most is None else {"maximum": most})
    text = f"{description} Empty: {default}."
    return Param(default, type=["null", "integer"], title=title, description=text, **bounds)


def filled(params: Mapping[str, Any]) -> dict[str, Any]:
    """The form's fields that are not empty: whoever reads them has defaults of its own for the others."""
    return {name: value for name, value in params.items() if value is not None}


def suites() -> list[str]:
    """Names of the suites, as ``load_settings`` finds them: the leaderboard's block and one file each."""
    folder = _config_dir()
    own = _block(folder / "leaderboard.yaml", "suites")
    return sorted({*own, *(path.stem for path in folder.glob("suites/*.yaml"))})


def clusters(*, launcher: str | None = None) -> list[str]:
    """Names of the clusters; *launcher*: of those alone that have it."""
    found = _block(_config_dir() / "clusters.yaml", "clusters")
    return sorted(
        name
        for name, cluster in found.items()
        if launcher is None or (isinstance(cluster, dict) and cluster.get("launcher") == launcher)
    )


def _config_dir() -> Path:
    # A DAG file must not import the leaderboard: parsing it would cost more than the file itself.
    named = os.environ.get("PALMARES_CONFIG_DIR")
    return Path(named) if named else Path(__file__).resolve().parents[2] / "include" / "config"


def _block(path: Path, block: str) -> dict[str, Any]:
    """A block by its keys; empty where the file cannot be read: the first task names what is wrong."""
    import yaml

    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        data = yaml.load(path.read_bytes(), Loader=loader)  # noqa: S506 - both are safe loaders
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    found = data.get(block) if isinstance(data, dict) else None
    return {str(name): value for name, value in found.items()} if isinstance(found, dict) else {}
