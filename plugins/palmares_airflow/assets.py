"""What DAGs tell each other: assets."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from airflow.sdk import Asset

RESULTS = Asset("palmares://results/published", group="palmares")
"""The published results, all of them: whoever hears of a change reads the store."""


def scorer_assets() -> dict[str, Asset]:
    """One asset for each benchmark that has a scorer, by the benchmark's short name.

    A folder ``x_y`` with a file ``scorer.py`` is benchmark ``x-y`` (``palmares.benchmarks.registry`` refuses
    another name). The folders are only listed: a DAG file must not import the leaderboard.
    """
    package = find_spec("palmares")
    roots = (
        [Path(root) / "benchmarks" for root in (package.submodule_search_locations or [])] if package else []
    )
    roots += [Path(root) for root in os.environ.get("PALMARES_BENCHMARKS", "").split(os.pathsep) if root]
    names = {path.parent.name.replace("_", "-") for root in roots for path in root.glob("*/scorer.py")}
    return {name: Asset(f"palmares://scorers/{name}", group="palmares") for name in sorted(names)}
