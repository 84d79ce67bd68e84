"""A real process is killed at the worst moments: the next one finds what was done, and does the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from palmares.hub import Hub
from palmares.store.outbox.writer import drain_outbox

from tests.fixtures.hub_server import DEMO_USER, HubServer, running_hub
from tests.palmares.store.test_outbox_on_hub import REQUEST, edit, put

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[HubServer]:
    with running_hub(tmp_path_factory.mktemp("hub")) as server:
        yield server


@pytest.fixture
def hub(server) -> Hub:
    return Hub(endpoint=server.endpoint, token=server.token)


@pytest.fixture
def repo(hub, request) -> str:
    repo_id = f"{DEMO_USER}/{request.node.originalname[:60]}"
    hub.ensure_dataset(repo_id, private=False)
    hub.commit_files(repo_id, {"org/a.json": REQUEST}, message="Requests", parent_commit=hub.head(repo_id))
    return repo_id


@pytest.fixture
def drain_and_die(server, store_url, repo):
    def drain(when: str) -> None:
        environment = {**os.environ, "HUB": server.endpoint, "HUB_TOKEN": server.token, "STORE": store_url}
        done = subprocess.run(
            [sys.executable, "-m", "tests.palmares.store.drain_once", repo],
            env={**environment, "KILL": when, "PYTHONPATH": f"{ROOT}:{ROOT / 'include'}"},
            cwd=ROOT,
            capture_output=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()

    return drain


def commits(hub, repo_id):
    from huggingface_hub import HfApi

    api = HfApi(endpoint=hub.endpoint, token=hub._token)
    return len(api.list_repo_commits(repo_id, repo_type="dataset"))


def test_what_a_killed_process_committed_is_found_and_not_committed_again(store, hub, repo, drain_and_die):
    store.outbox.add([edit(repo, "org/a.json", status="RUNNING"), put(repo, "results/x.json", b"{}")])
    before = commits(hub, repo)
    drain_and_die("after")
    made = hub.head(repo)
    assert commits(hub, repo) == before + 1
    assert len(store.outbox.pending()) == 2
    # Somebody moves on from there, before anyone of ours looks.
    theirs = REQUEST.replace(b"PENDING", b"CANCELLED")
    hub.commit_files(repo, {"org/a.json": theirs}, message="Cancel", parent_commit=made)
    report = drain_outbox(store, hub, repo)
    assert (report.committed, report.commits) == (2, [made])
    assert store.outbox.pending() == []
    assert commits(hub, repo) == before + 2
    assert hub.read_file(repo, "org/a.json", commit=hub.head(repo)) == theirs


def test_what_a_killed_process_only_announced_is_committed_by_the_next(store, hub, repo, drain_and_die):
    store.outbox.add([edit(repo, "org/a.json", status="RUNNING")])
    before = commits(hub, repo)
    drain_and_die("before")
    assert commits(hub, repo) == before
    assert store.commit_log.use(hub.endpoint).used == 1  # nobody knows yet
    assert drain_outbox(store, hub, repo).commits == [hub.head(repo)]
    store.outbox.add([edit(repo, "org/a.json", status="FINISHED")])
    drain_outbox(store, hub, repo)
    assert store.commit_log.unfinished(hub.endpoint, repo) == []
    assert store.commit_log.use(hub.endpoint).used == 2
