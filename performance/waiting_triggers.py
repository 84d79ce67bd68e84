"""Measures 1,500 tasks that wait for ClearML in one triggerer: `python performance/waiting_triggers.py`.

A real triggerer with PostgreSQL and the embedded ClearML server in processes of their own, all in a temporary
folder. Three times, each with a fresh triggerer: without triggers, with 1,500 that only sleep (Airflow's own
`DateTimeTrigger`: what any 1,500 triggers cost), and with 1,500 that wait for ClearML. The deferred task
instances are written as the execution API writes them, 50 to a DAG run: to run 1,500 tasks first takes the
scheduler minutes and shows nothing of the triggerer. Prints one JSON object and exits 1 if an aim is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "include"), str(ROOT / "plugins")]

from performance.waiting.deferred import (  # noqa: E402 - needs the path
    TASKS_A_RUN,
    configure_airflow,
    create_runs,
    defer_all,
    fired_at,
    resumed_at,
)
from performance.waiting.server import Server, wait_until  # noqa: E402 - needs the path
from tests.fixtures.postgres import temporary_postgres  # noqa: E402 - needs the path

POLL_INTERVAL_S = 15.0
ENDED = 60
MEASURED_INTERVALS = 4
SETTLE_S = 45.0
AIMS = {
    "requests_per_interval": 4.0,
    "cpu_percent_of_a_core": 5.0,  # of the triggerer in all
    "memory_mb_added": 200.0,  # to a triggerer without triggers, which alone takes nearly as much
    "median_delay_s": 8.5,  # half an interval and one second
}


@contextmanager
def triggerer(home: Path, name: str) -> Iterator[psutil.Process]:
    """A triggerer with everything it starts; its own log goes to a file."""
    with (home / f"triggerer-{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", "triggerer", "--skip-serve-logs"],
            env={**os.environ, "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def waiting_for(
    home: Path, name: str, count: int, make_trigger: Callable[[int], Any]
) -> Iterator[psutil.Process]:
    """A triggerer whose triggers have all started, and have settled."""
    shutil.rmtree(home / "logs", ignore_errors=True)
    defer_all(make_trigger)
    with triggerer(home, name) as process:
        wait_until(lambda: started(home) >= count, what=f"{count} {name} triggers")
        time.sleep(SETTLE_S)
        yield process


def sleeping_trigger(number: int) -> Any:
    from airflow.providers.standard.triggers.temporal import DateTimeTrigger

    del number
    return DateTimeTrigger(datetime.now(UTC) + timedelta(days=30))


def clearml_trigger(task_id: str, number: int) -> Any:
    from clearml_provider.triggers import ClearMLTaskTrigger

    return ClearMLTaskTrigger(
        clearml_task_id=task_id,
        attempt=1,
        waiter=f"waiter-{number}",
        poll_interval=POLL_INTERVAL_S,
        deadline=time.time() + 86_400,
        run_limit_s=86_400,
        lost_after_s=86_400,
    )


def measure(process: psutil.Process) -> dict[str, Any]:
    """Processor time of the whole tree over some intervals, and its memory then (1 MB is 1e6 bytes)."""
    tree = [process, *process.children(recursive=True)]
    before = [sum(each.cpu_times()[:2]) for each in tree]
    begin = time.monotonic()
    time.sleep(MEASURED_INTERVALS * POLL_INTERVAL_S)
    elapsed = time.monotonic() - begin
    used = [sum(each.cpu_times()[:2]) - was for each, was in zip(tree, before, strict=True)]
    memory = [each.memory_full_info() for each in tree]
    return {
        "cpu_percent_of_a_core": round(100 * sum(used) / elapsed, 2),
        "cpu_percent_by_process": [round(100 * each / elapsed, 2) for each in used],
        "pss_mb": round(sum(each.pss for each in memory) / 1e6, 1),
        "rss_mb_by_process": [round(each.rss / 1e6, 1) for each in memory],
    }


def started(home: Path) -> int:
    """How many triggers have said that they start."""
    return sum(1 for _ in (home / "logs").rglob("*.trigger.*.log"))


def end_some(server: Server, task_ids: list[str]) -> dict[str, datetime]:
    """Complete tasks at random moments; when each was."""
    ended = {}
    span_s = MEASURED_INTERVALS * POLL_INTERVAL_S
    begin = time.monotonic()
    for task_id, at in zip(task_ids, sorted(random.uniform(0, span_s) for _ in task_ids), strict=True):
        time.sleep(max(0.0, begin + at - time.monotonic()))
        server.call("tasks.completed", task=task_id, status_reason="done")
        ended[task_id] = datetime.now(UTC)
    return ended


def benchmark(folder: Path, postgres: str, count: int) -> dict[str, Any]:
    """The three measurements, in order."""
    home = folder / "airflow"
    (folder / "server").mkdir()
    server = Server(folder / "server")
    try:
        configure_airflow(home, postgres, server.connection, count)
        with ThreadPoolExecutor(4) as threads:
            task_ids = list(threads.map(server.start_task, range(count)))
        create_runs(count)
        results: dict[str, Any] = {}
        with triggerer(home, "none") as process:
            time.sleep(SETTLE_S)
            results["no_triggers"] = measure(process)
        with waiting_for(home, "sleeping", count, sleeping_trigger) as process:
            results["sleeping_triggers"] = measure(process)
        with waiting_for(home, "clearml", count, lambda n: clearml_trigger(task_ids[n], n)) as process:
            before = server.seen()
            results["clearml_triggers"] = measure(process)
            requests = {endpoint: n - before.get(endpoint, 0) for endpoint, n in server.seen().items()}
            ended = end_some(server, random.sample(task_ids, ENDED))
            wait_until(lambda: len(resumed_at()) >= ENDED, what="the ended tasks")
            fired, resumed = fired_at(home), resumed_at()
    finally:
        server.close()
    delays = sorted((fired[task_id] - at).total_seconds() for task_id, at in ended.items())
    until_resumed = [(resumed[task_id] - at).total_seconds() for task_id, at in ended.items()]
    return results | {
        "requests": {endpoint: n for endpoint, n in requests.items() if n},
        "requests_per_interval": round(sum(requests.values()) / MEASURED_INTERVALS, 2),
        "delay_s": {
            "median": round(statistics.median(delays), 2),
            "smallest": round(delays[0], 2),
            "largest": round(delays[-1], 2),
            "median_until_resumed": round(statistics.median(until_resumed), 2),
        },
    }


def verdict(results: dict[str, Any]) -> dict[str, Any]:
    """The figures beside their aims, and what of them is not Airflow's own."""
    ours, idle, none = (results[f"{name}_triggers"] for name in ("clearml", "sleeping", "no"))
    figures = {
        "requests_per_interval": results["requests_per_interval"],
        "cpu_percent_of_a_core": ours["cpu_percent_of_a_core"],
        "memory_mb_added": round(ours["pss_mb"] - none["pss_mb"], 1),
        "median_delay_s": results["delay_s"]["median"],
    }
    return {
        "figures": figures,
        "beyond_sleeping_triggers": {
            "cpu_percent_of_a_core": round(ours["cpu_percent_of_a_core"] - idle["cpu_percent_of_a_core"], 2),
            "memory_mb": round(ours["pss_mb"] - idle["pss_mb"], 1),
        },
        "aims": AIMS,
        "met": {name: figures[name] <= aim for name, aim in AIMS.items()},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--triggers", type=int, default=1500, help=f"a multiple of {TASKS_A_RUN}")
    parser.add_argument("--keep", type=Path, help="copy the logs there")
    options = parser.parse_args()
    with temporary_postgres() as postgres, tempfile.TemporaryDirectory(prefix="palmares-wait-") as folder:
        try:
            results = benchmark(Path(folder), postgres, options.triggers)
        finally:
            if options.keep:
                shutil.copytree(folder, options.keep, dirs_exist_ok=True)
    judged = verdict(results)
    size = {"cores": os.cpu_count(), "triggers": options.triggers, "poll_interval_s": POLL_INTERVAL_S}
    print(json.dumps(size | results | judged, indent=2))
    return 0 if all(judged["met"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
