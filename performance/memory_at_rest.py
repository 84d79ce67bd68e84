"""Measures the memory of the embedded stack at rest (PSS): `python performance/memory_at_rest.py`.

Starts a stack of its own in a temporary folder, waits until it is quiet, prints one JSON object, stops it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SETTLE_S = 30
"""Start-up allocations are given back and caches are filled by then."""


def palmares(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "palmares.cli.main", *arguments],
        cwd=ROOT,
        env={**os.environ, "PALMARES_HOME": str(home)},
        capture_output=True,
        text=True,
    )


def part_of(command: str) -> str:
    """The part that a command line belongs to."""
    names = (
        *("postgres", "supervisord", "clearml-agent", "devstack.servers", "LocalExecutor"),
        *("api_server", "api-server", "scheduler", "dag-processor", "triggerer"),
    )
    return next((name for name in names if name in command), command[:40]).replace("api_server", "api-server")


def measure() -> dict[str, Any]:
    """Start, settle, measure, stop; times in seconds, memory in MB (1e6 bytes)."""
    with tempfile.TemporaryDirectory(prefix="palmares-benchmark-") as folder:
        home = Path(folder) / "state"
        try:
            times = {}
            for name in ("from_nothing_s", "restart_s"):
                begin = time.monotonic()
                started = palmares(home, "up", "--detach")
                if started.returncode != 0:
                    raise SystemExit(started.stderr)
                times[name] = round(time.monotonic() - begin, 1)
                if name == "from_nothing_s":
                    begin = time.monotonic()
                    palmares(home, "down")
                    times["stop_s"] = round(time.monotonic() - begin, 1)
            time.sleep(SETTLE_S)
            memory = json.loads(palmares(home, "status", "--json", "--memory").stdout)["memory"]
        finally:
            palmares(home, "down")
    parts: dict[str, float] = {}
    for process in memory["processes"]:
        part = part_of(process["command"])
        parts[part] = parts.get(part, 0) + process["pss_bytes"] / 1e6
    return {
        "cores": os.cpu_count(),
        **times,
        "pss_mb": round(memory["pss_bytes"] / 1e6),
        "parts_mb": {name: round(size) for name, size in sorted(parts.items(), key=lambda one: -one[1])},
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
