"""Fields of the run forms whose choices are the names in the configuration's YAML files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import Param


def choice(names: Sequence[str], *, title: str, description: str) -> Param:
    """An optional choice among *names*; free text where there are none to choose from."""
    schema: dict[str, Any] = {"enum": [None, *names]} if names else {}
    return Param(None, type=["null", "string"], title=title, description=description, **schema)


def suites() -> list[str]:
    """Names of the suites, as ``load_settings`` finds them: the leaderboard's block and one file each."""
    folder = _config_dir()
    own = _keys(folder / "leaderboard.yaml", "suites")
    return sorted({*own, *(path.stem for path in folder.glob("suites/*.yaml"))})


def clusters() -> list[str]:
    """Names of the clusters."""
    return sorted(_keys(_config_dir() / "clusters.yaml", "clusters"))


def _config_dir() -> Path:
    # A DAG file must not import the leaderboard: parsing it would cost more than the file itself.
    named = os.environ.get("PALMARES_CONFIG_DIR")
    return Path(named) if named else Path(__file__).resolve().parents[2] / "include" / "config"


def _keys(path: Path, block: str) -> list[str]:
    """Keys of a block; none where the file cannot be read: the first task names what is wrong with it."""
    import yaml

    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        data = yaml.load(path.read_bytes(), Loader=loader)  # noqa: S506 - both are safe loaders
    except (OSError, ValueError, yaml.YAMLError):
        return []
    found = data.get(block) if isinstance(data, dict) else None
    return [str(name) for name in found] if isinstance(found, dict) else []
