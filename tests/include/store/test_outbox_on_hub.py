"""The outbox through the real adapter and the real client, against a Hub-compatible server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from include.hub import Hub
from include.leaderboard.errors import HubError
from include.store.outbox import Committer, OutboxEntry, drain_outbox
from include.store.store import Store
from tests.fixtures.hub_server import DEMO_USER, HubServer, cutting_proxy, running_hub

REQUEST = b'{\n  "model": "org/model",\n  "status": "PENDING",\n  "extra": 1\n}\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[HubServer]:
    with running_hub(tmp_path_factory.mktemp("hub")) as server:
        yield server


@pytest.fixture
def repo(server, hub, request) -> str:
    """A dataset of the test's own, with two requests."""
    repo_id = f"{DEMO_USER}/{request.node.name[:60]}"
    hub.ensure_dataset(repo_id, private=False)
    files = {"org/a.json": REQUEST, "org/b.json": REQUEST}
    hub.commit_files(repo_id, files, message="Requests", parent_commit=hub.head(repo_id))
    return repo_id


@pytest.fixture
def hub(server) -> Hub:
    return Hub(endpoint=server.endpoint, token=server.token)


def edit(repo, path, **changes):
    return OutboxEntry(
        key=f"{repo}:{path}:{sorted(changes.items())}", repo_id=repo, private=False, kind="edit_request",
        path=path, changes=changes, message=f"Edit {path}",
    )  # fmt: skip


def put(repo, path, content, *, private=False):
    return OutboxEntry(
        key=f"{repo}:{path}", repo_id=repo, private=private, kind="put", path=path, content=content,
        message=f"Write {path}",
    )  # fmt: skip


def test_the_adapter_is_what_the_outbox_needs(hub):
    committer: Committer = hub  # checked by mypy
    assert callable(committer.commit_files)


def test_entries_become_one_commit_on_the_hub(store, hub, repo):
    before = hub.head(repo)
    store.add_to_outbox([edit(repo, "org/a.json", status="RUNNING"), put(repo, "results/x.json", b"{}")])
    report = drain_outbox(store, hub, repo)
    assert report.commits == [hub.head(repo)] != [before]
    assert hub.read_file(repo, "org/a.json", commit=hub.head(repo)) == REQUEST.replace(b"PENDING", b"RUNNING")
    assert hub.read_file(repo, "results/x.json", commit=hub.head(repo)) == b"{}"


def test_writing_again_what_is_there_makes_no_commit(store, hub, repo):
    before = hub.head(repo)
    store.add_to_outbox([edit(repo, "org/a.json", status="PENDING"), put(repo, "org/b.json", REQUEST)])
    assert drain_outbox(store, hub, repo).committed == 2
    assert hub.head(repo) == before


def test_another_writers_change_survives_a_stale_parent(store, hub, repo, monkeypatch):
    commit_files = Hub.commit_files
    theirs = REQUEST.replace(b'"extra": 1', b'"extra": "theirs"')

    def overtaken(self, repo_id, files, *, message, parent_commit, mark):
        monkeypatch.setattr(Hub, "commit_files", commit_files)
        commit_files(hub, repo_id, {"org/a.json": theirs}, message="Theirs", parent_commit=parent_commit)
        return commit_files(self, repo_id, files, message=message, parent_commit=parent_commit, mark=mark)

    store.add_to_outbox([edit(repo, "org/a.json", status="RUNNING")])
    monkeypatch.setattr(Hub, "commit_files", overtaken)
    drain_outbox(store, hub, repo)
    found = hub.read_file(repo, "org/a.json", commit=hub.head(repo))
    assert found == theirs.replace(b"PENDING", b"RUNNING")


def test_two_processes_that_drain_at_once_write_everything_once(store_url, server, repo):
    def work(number):
        own = Hub(endpoint=server.endpoint, token=server.token)
        with Store.connect(store_url) as store:
            store.add_to_outbox([put(repo, f"{number}/{i}.txt", b"x") for i in range(10)])
            return drain_outbox(store, own, repo)

    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(work, range(2)))
    hub = Hub(endpoint=server.endpoint, token=server.token)
    assert sum(report.committed for report in reports) == 20
    assert len(hub.list_paths(repo, commit=hub.head(repo))) >= 22


def test_a_commit_whose_answer_is_lost_happens_once(store, server, hub, repo):
    before = hub.head(repo)
    store.add_to_outbox([edit(repo, "org/a.json", status="RUNNING")])
    with cutting_proxy(server.port, cut=lambda line: b"/commit/" in line, times=1) as proxy:
        report = drain_outbox(store, Hub(endpoint=proxy.endpoint, token=server.token), repo)
    assert proxy.cuts == 1
    assert report.commits == [hub.head(repo)] != [before]
    content = hub.read_file(repo, "org/a.json", commit=hub.head(repo))
    assert content is not None
    assert json.loads(content)["status"] == "RUNNING"


def test_a_private_file_never_enters_a_public_dataset(store, hub, repo):
    before = hub.head(repo)
    store.add_to_outbox([put(repo, "details.parquet", b"hidden", private=True)])
    with pytest.raises(HubError, match="is public"):
        drain_outbox(store, hub, repo)
    assert hub.head(repo) == before
    assert len(store.outbox_pending()) == 1


def test_a_missing_private_dataset_is_created_private(store, hub):
    repo = f"{DEMO_USER}/details"
    store.add_to_outbox([put(repo, "details.parquet", b"hidden", private=True)])
    drain_outbox(store, hub, repo)
    with pytest.raises(HubError):
        Hub(endpoint=hub._endpoint, token=None).head(repo)
    assert hub.read_file(repo, "details.parquet", commit=hub.head(repo)) == b"hidden"
