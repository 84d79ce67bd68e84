"""The embedded Hub, with faults on request, and a second writer who edits the same datasets."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from palmares.hub import Hub
from palmares.leaderboard.errors import HubError, StaleCommitError

from devstack.servers.fault_plan import Fault
from devstack.servers.faults import FaultInjector
from devstack.servers.hub.app import create_app
from devstack.servers.serve import bound_socket, server_of

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

USER, TOKEN = "palmares-demo", "hf_of_the_load"
THEIRS = "hf_of_somebody_else"


class FaultyHub:
    """A Hub on a port of its own that can be stopped, started again, and made to fail."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._port = 0
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._injector: FaultInjector | None = None
        self.injected: dict[str, int] = {}
        """How often each kind of fault hit."""

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Serve, on the same port as before."""
        app = create_app(self._state_dir, tokens={TOKEN: USER, THEIRS: "somebody-else"})
        self._injector = FaultInjector(app, service="hub", token="unused-in-process")
        listener = bound_socket(self._port, what="hub")
        self._port = int(listener.getsockname()[1])
        self._server = server_of(self._injector)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 30
        while not self._server.started:
            if time.monotonic() > deadline:
                raise RuntimeError("the embedded Hub did not start")
            time.sleep(0.01)

    def stop(self) -> None:
        """Serve no more; what was committed stays."""
        assert self._server is not None
        assert self._thread is not None
        self._count()
        self._server.should_exit = True
        self._thread.join(timeout=20)

    def plan(self, faults: Sequence[Fault]) -> None:
        """Replace the faults."""
        assert self._injector is not None
        self._injector.replace(faults)

    def _count(self) -> None:
        assert self._injector is not None
        for one in self._injector.report()["injected"]:
            self.injected[one["kind"]] = self.injected.get(one["kind"], 0) + 1


@contextmanager
def faulty_hub(state_dir: Path) -> Iterator[FaultyHub]:
    """Run a Hub until the block ends."""
    hub = FaultyHub(state_dir)
    hub.start()
    try:
        yield hub
    finally:
        hub.stop()


COMMIT = "POST /api/datasets/*/commit/*"
FAULTS = (
    Fault(endpoint=COMMIT, kind="drop_after", skip=1, count=2),
    Fault(endpoint=COMMIT, kind="status", status=429, retry_after_s=1, skip=2, count=2),
    Fault(endpoint=COMMIT, kind="status", status=502, after=True, skip=3, count=2),
    Fault(endpoint=COMMIT, kind="drop_before", skip=4, count=1),
    Fault(endpoint=COMMIT, kind="status", status=503, skip=5, count=3),
    Fault(endpoint=COMMIT, kind="latency", seconds=1.0, skip=6, count=4),
    Fault(endpoint="POST /api/datasets/*/paths-info/*", kind="status", status=429, rate_limit_s=1, count=2),
    Fault(endpoint="POST /api/datasets/*/paths-info/*", kind="truncate", skip=3, count=2),
    Fault(endpoint="POST /api/datasets/*/preupload/*", kind="status", status=500, skip=2, count=2),
    Fault(endpoint="GET /datasets/*/resolve/*", kind="drop_before", skip=5, count=4),
    Fault(endpoint="GET /datasets/*/resolve/*", kind="latency", seconds=0.5, skip=3, count=5),
    Fault(endpoint="GET /api/datasets/*", kind="status", status=504, skip=6, count=3),
)
"""Everything the Hub does to its clients, but to be away."""


class SecondWriter:
    """Somebody who likes models and submits others, with commits of his own, as front ends do."""

    def __init__(self, endpoint: str, repo_id: str, paths: Sequence[str], *, every_s: float) -> None:
        self._hub = Hub(endpoint=endpoint, token=THEIRS, timeout_s=5)
        self._repo_id = repo_id
        self._paths = paths
        self._every_s = every_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.liked: dict[str, set[int]] = {}
        """Likes by request file, which must survive: one of these, for an answer of his may be lost too."""
        self.submitted: list[str] = []
        self.overtaken = 0
        """How often our commits were faster than his."""

    def __enter__(self) -> SecondWriter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(timeout=60)

    def _run(self) -> None:
        number = 0
        while not self._stopped.wait(self._every_s):
            number += 1
            path, new = self._paths[number * 7 % len(self._paths)], f"new/model-{number}_eval_request_x.json"
            try:
                if self._write(path, number, new):
                    self.liked[path] = {number}
                    self.submitted.append(new)
            except StaleCommitError:
                self.overtaken += 1
            except HubError:  # the faults are for all; 0: none
                self.liked[path] = self.liked.get(path, {0}) | {number}

    def _write(self, path: str, likes: int, new: str) -> bool:
        head = self._hub.head(self._repo_id)
        content = self._hub.read_file(self._repo_id, path, commit=head)
        if content is None:
            return False
        liked = json.dumps(json.loads(content) | {"likes": likes}, ensure_ascii=False, indent=2).encode()
        files = {path: liked, new: b'{"status": "PENDING"}'}
        self._hub.commit_files(self._repo_id, files, message=f"Like {path}", parent_commit=head)
        return True
