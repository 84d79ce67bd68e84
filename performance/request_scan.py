"""How long a requests dataset of thousands takes to read: first, again, and after a few changes.

Beside it, the client's own ``snapshot_download`` of the same files. Starts the embedded Hub and a PostgreSQL
server of its own in a temporary folder. Each figure is of a fresh process, as a task of Airflow is; imports
are not counted. Usage: python -m performance.request_scan [--files 5000]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from palmares.hub import Hub
from palmares.leaderboard.submissions.request_file import parse_request
from palmares.store.migrate import migrate
from palmares.store.store import Store

from tests.fixtures.hub_server import running_hub
from tests.fixtures.postgres import temporary_postgres

REPO = "palmares-demo/requests"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--files", type=int, default=5000)
    options.add_argument("--scan", nargs=3, metavar=("ENDPOINT", "TOKEN", "STORE"), help=argparse.SUPPRESS)
    options.add_argument("--snapshot", nargs=3, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.snapshot:
        print(json.dumps(snapshot(*given.snapshot)))
        return
    if given.scan:
        print(json.dumps(scan(*given.scan)))
        return
    with tempfile.TemporaryDirectory() as folder, temporary_postgres() as store_url:
        migrate(store_url)
        with running_hub(Path(folder) / "hub") as hub:
            writer = Hub(endpoint=hub.endpoint, token=hub.token)
            writer.ensure_dataset(REPO, private=False)
            write(writer, {path(number): request(number) for number in range(given.files)})
            found = {"snapshot_download": again(hub.endpoint, hub.token, f"{folder}/cache", way="--snapshot")}
            found["first"] = again(hub.endpoint, hub.token, store_url)
            found["nothing changed"] = again(hub.endpoint, hub.token, store_url)
            write(writer, {path(number): request(number) for number in range(given.files, given.files + 5)})
            found["five new"] = again(hub.endpoint, hub.token, store_url)
            write(writer, {path(number): request(number, status="RUNNING") for number in range(5)})
            found["five changed"] = again(hub.endpoint, hub.token, store_url)
    report = {"cores": os.cpu_count(), "load_1min": os.getloadavg()[0], "files": given.files, "scans": found}
    print(json.dumps(report, indent=2))


def scan(endpoint: str, token: str, store_url: str) -> dict[str, float]:
    """Read and parse everything at the head."""
    with Store.connect(store_url) as store:
        hub = Hub(endpoint=endpoint, token=token, blobs=store.request_files)
        hub.head(REPO)  # the client's modules are loaded
        started, processor = time.monotonic(), time.process_time()
        files = hub.read_json_files(REPO, commit=hub.head(REPO))
        read_s = time.monotonic() - started
        for file in files:
            parse_request(file.path, file.content)
        return {
            "files": len(files),
            "read_s": round(read_s, 3),
            "parse_s": round(time.monotonic() - started - read_s, 3),
            "processor_s": round(time.process_time() - processor, 3),
        }


def snapshot(endpoint: str, token: str, cache: str) -> dict[str, float]:
    """Download everything at the head as the client does it."""
    from huggingface_hub import snapshot_download

    commit = Hub(endpoint=endpoint, token=token).head(REPO)
    started, processor = time.monotonic(), time.process_time()
    snapshot_download(
        REPO, repo_type="dataset", revision=commit, cache_dir=cache, endpoint=endpoint, token=token
    )
    return {
        "read_s": round(time.monotonic() - started, 3),
        "processor_s": round(time.process_time() - processor, 3),
    }


def again(endpoint: str, token: str, place: str, *, way: str = "--scan") -> dict[str, float]:
    """Scan in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.request_scan", way, endpoint, token, place]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def write(hub: Hub, files: dict[str, bytes]) -> None:
    hub.commit_files(REPO, files, message="Write requests", parent_commit=hub.head(REPO))


def path(number: int) -> str:
    return f"org-{number % 400}/model-{number}_eval_request_False_bfloat16_Original.json"


def request(number: int, *, status: str = "FINISHED") -> bytes:
    """About 1.4 kB, as real ones are."""
    return json.dumps(
        {
            "model": f"org-{number % 400}/model-{number}",
            "base_model": "",
            "revision": f"{number:040x}",
            "private": False,
            "precision": "bfloat16",
            "params": 7.2,
            "architectures": "LlamaForCausalLM",
            "weight_type": "Original",
            "status": status,
            "submitted_time": "2025-07-31T01:52:02Z",
            "model_type": "🟢 : pretrained",
            "job_id": str(number),
            "job_start_time": "2025-08-01T19-50-50.123",
            "likes": number % 97,
            "license": "apache-2.0",
            "tags": [f"tag-{one}" for one in range(60)],
        },
        indent=2,
        ensure_ascii=False,
    ).encode()


if __name__ == "__main__":
    main()
