"""A server killed with SIGKILL in the middle of writing has lost nothing that it acknowledged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.devstack.servers.clearml.conftest import ACCESS_KEY, JWT_SECRET, SECRET_KEY, Api, log_in, wait_for

SERVER = """
import asyncio, socket, sys
from pathlib import Path
import uvicorn
from devstack.servers.clearml.app import create_api_app, create_files_app

state, access_key, secret_key, jwt_secret = sys.argv[1:]
apps = (
    create_api_app(Path(state), access_key=access_key, secret_key=secret_key, jwt_secret=jwt_secret),
    create_files_app(Path(state), jwt_secret=jwt_secret),
)
listeners = []
for app in apps:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    listeners.append(listener)
print(*(each.getsockname()[1] for each in listeners), flush=True)

async def serve():
    servers = [uvicorn.Server(uvicorn.Config(app, log_level="warning")) for app in apps]
    await asyncio.gather(*(server.serve([each]) for server, each in zip(servers, listeners)))

asyncio.run(serve())
"""


@contextmanager
def server(state: Path) -> Iterator[tuple[subprocess.Popen[str], Api, str]]:
    """The API and file servers in a process of their own; killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(state), ACCESS_KEY, SECRET_KEY, JWT_SECRET],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[4],
    )
    try:
        assert process.stdout is not None
        api_port, files_port = process.stdout.readline().split()
        with log_in(f"http://127.0.0.1:{api_port}") as http:
            yield process, Api(http), f"http://127.0.0.1:{files_port}"
    finally:
        process.kill()
        process.wait(timeout=10)


def write_until_killed(api: Api, files: str, queue: str) -> tuple[list[str], list[str]]:
    """Create, enqueue, log and upload in a loop; give the tasks and the files that were acknowledged."""
    tasks: list[str] = []
    uploads: list[str] = []
    headers = {"Authorization": api.http.headers["authorization"]}
    try:
        while True:
            task = api.new_task()
            api.call("tasks.enqueue", task=task, queue=queue)
            api.call("events.add", type="log", task=task, msg="line")
            tasks.append(task)
            upload = httpx.post(files, files={f"f/{task}": (f"f/{task}", task.encode())}, headers=headers)
            if upload.status_code == 200:
                uploads.append(task)
    except (httpx.TransportError, ValueError):
        return tasks, uploads


def test_a_killed_server_has_lost_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    with server(tmp_path) as (process, api, files), ThreadPoolExecutor(4) as pool:
        queue = api.new_queue("durable")
        writers = [pool.submit(write_until_killed, api, files, queue) for _ in range(4)]
        path = tmp_path / "files/f"
        wait_for(lambda: path.is_dir() and len(list(path.iterdir())) >= 15, "some uploads are done")
        os.kill(process.pid, signal.SIGKILL)
        done = [writer.result(timeout=30) for writer in writers]
    tasks = [task for each, _ in done for task in each]
    uploads = [task for _, each in done for task in each]
    assert len(tasks) >= 15
    with server(tmp_path) as (_, api, files):
        entries = api.call("queues.get_all", id=[queue])["queues"][0]["entries"]
        assert {entry["task"] for entry in entries} >= set(tasks)
        rows = api.call("tasks.get_all", id=tasks, only_fields=["id", "status"])["tasks"]
        assert {row["id"] for row in rows} == set(tasks)
        assert {row["status"] for row in rows} == {"queued"}
        for task in tasks:
            assert api.call("events.get_task_log", task=task)["total"] == 1
        headers = {"Authorization": api.http.headers["authorization"]}
        for task in uploads:
            assert httpx.get(f"{files}/f/{task}", headers=headers).content == task.encode()
        # And a pull goes on where the first server was stopped.
        assert api.call("queues.get_next_task", queue=queue)["entry"] == entries[0]
