"""Measures publishing: ``python -m performance.publishing [--models N] [--workers N] [--only WHAT]``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from palmares.store.migrate import migrate

from performance.publishing.faulty_hub import faulty_hub
from performance.publishing.load import Load, Outcome, run
from tests.fixtures.postgres import temporary_postgres

DATABASE = "publishing_benchmark"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure one model alone, the load without faults, and the load with them; print JSON and Markdown."""
    parser = argparse.ArgumentParser(prog="python -m performance.publishing", description=__doc__)
    parser.add_argument("--models", type=int, default=500)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--only", choices=["alone", "load", "faults"], action="append")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.CRITICAL)
    loads = {
        "alone": Load(models=1, workers=1, faults=False),
        "load": Load(models=options.models, workers=options.workers, faults=False),
        "faults": Load(models=options.models, workers=options.workers),
    }
    wanted = options.only or list(loads)
    with temporary_postgres() as server:
        outcomes = {name: measure(loads[name], server) for name in wanted}
    machine = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "python": platform.python_version()}
    print(
        json.dumps({"machine": machine} | {name: one.to_json() for name, one in outcomes.items()}, indent=2)
    )
    print()
    print(markdown(outcomes))
    return 1 if any(one.wrong for one in outcomes.values()) else 0


def measure(load: Load, server: str) -> Outcome:
    """Run one load on a Hub and a database of its own."""
    with database(server) as store_url, tempfile.TemporaryDirectory() as folder:
        migrate(store_url)
        with faulty_hub(Path(folder) / "hub") as hub:
            return run(load, hub=hub, store_url=store_url, scratch=Path(folder) / "raw")


@contextmanager
def database(server: str) -> Iterator[str]:
    """An empty database on *server*."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}")
        try:
            yield f"{server.rpartition('/')[0]}/{DATABASE}"
        finally:
            connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def markdown(outcomes: dict[str, Outcome]) -> str:
    """The outcomes as a table."""
    lines = [
        "| | models | workers | s | commits (details + results + requests) | a model | files | wrong |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, one in outcomes.items():
        parts = " + ".join(str(number) for number in one.commits.values())
        lines.append(
            f"| {name} | {one.models} | {one.workers} | {one.duration_s:g} | {one.all_commits} ({parts}) "
            f"| {one.all_commits / one.models:.3g} | {one.files_committed:,} of {one.files_wanted:,} "
            f"| {len(one.wrong)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
