"""The outbox through the real adapter and the real client, against a Hub-compatible server."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from palmares.hub import Hub
from palmares.leaderboard.errors import (
    HubError,
    HubNotFoundError,
    HubRefusedError,
    HubUnavailableError,
    OutboxWaitError,
)
from palmares.store.outbox.pacing import OutboxLimits
from palmares.store.outbox.queue import OutboxEntry
from palmares.store.outbox.writer import Committer, drain_outbox, is_content
from palmares.store.store import Store

from devstack.servers.fault_plan import Fault
from performance.publishing.faulty_hub import COMMIT, TOKEN, FaultyHub, faulty_hub
from tests.fixtures.hub_server import DEMO_USER, HubServer, cutting_proxy, running_hub

NO_PAUSE = OutboxLimits(retry_least_s=0, retry_most_s=0, mend_s=0, asked_most_s=0)

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
    store.outbox.add([edit(repo, "org/a.json", status="RUNNING"), put(repo, "results/x.json", b"{}")])
    report = drain_outbox(store, hub, repo)
    assert report.commits == [hub.head(repo)] != [before]
    assert hub.read_file(repo, "org/a.json", commit=hub.head(repo)) == REQUEST.replace(b"PENDING", b"RUNNING")
    assert hub.read_file(repo, "results/x.json", commit=hub.head(repo)) == b"{}"


def test_writing_again_what_is_there_makes_no_commit(store, hub, repo):
    before = hub.head(repo)
    store.outbox.add([edit(repo, "org/a.json", status="PENDING"), put(repo, "org/b.json", REQUEST)])
    assert drain_outbox(store, hub, repo).committed == 2
    assert hub.head(repo) == before


def test_another_writers_change_survives_a_stale_parent(store, hub, repo, monkeypatch):
    commit_files = Hub.commit_files
    theirs = REQUEST.replace(b'"extra": 1', b'"extra": "theirs"')

    def overtaken(self, repo_id, files, *, message, parent_commit, idempotency_key):
        monkeypatch.setattr(Hub, "commit_files", commit_files)
        commit_files(hub, repo_id, {"org/a.json": theirs}, message="Theirs", parent_commit=parent_commit)
        return commit_files(
            self,
            repo_id,
            files,
            message=message,
            parent_commit=parent_commit,
            idempotency_key=idempotency_key,
        )

    store.outbox.add([edit(repo, "org/a.json", status="RUNNING")])
    monkeypatch.setattr(Hub, "commit_files", overtaken)
    drain_outbox(store, hub, repo)
    found = hub.read_file(repo, "org/a.json", commit=hub.head(repo))
    assert found == theirs.replace(b"PENDING", b"RUNNING")


def test_two_processes_that_drain_at_once_write_everything_once(store_url, server, repo):
    def work(number):
        own = Hub(endpoint=server.endpoint, token=server.token)
        with Store.connect(store_url) as store:
            store.outbox.add([put(repo, f"{number}/{i}.txt", b"x") for i in range(10)])
            return drain_outbox(store, own, repo)

    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(work, range(2)))
    hub = Hub(endpoint=server.endpoint, token=server.token)
    assert sum(report.committed for report in reports) == 20
    assert len(hub.list_paths(repo, commit=hub.head(repo))) >= 22


def test_a_commit_whose_answer_is_lost_happens_once(store, server, hub, repo):
    before = hub.head(repo)
    store.outbox.add([edit(repo, "org/a.json", status="RUNNING")])
    with cutting_proxy(server.port, cut=lambda line: b"/commit/" in line, times=1) as proxy:
        report = drain_outbox(store, Hub(endpoint=proxy.endpoint, token=server.token), repo)
    assert proxy.cuts == 1
    assert report.commits == [hub.head(repo)] != [before]
    content = hub.read_file(repo, "org/a.json", commit=hub.head(repo))
    assert content is not None
    assert json.loads(content)["status"] == "RUNNING"


def test_a_private_file_never_enters_a_public_dataset(store, hub, repo):
    before = hub.head(repo)
    store.outbox.add([put(repo, "details.parquet", b"hidden", private=True)])
    with pytest.raises(HubError, match="is public"):
        drain_outbox(store, hub, repo)
    assert hub.head(repo) == before
    assert len(store.outbox.pending()) == 1


def test_a_missing_private_dataset_is_created_private(store, hub):
    repo = f"{DEMO_USER}/details"
    store.outbox.add([put(repo, "details.parquet", b"hidden", private=True)])
    drain_outbox(store, hub, repo)
    with pytest.raises(HubError):
        Hub(endpoint=hub._endpoint, token=None).head(repo)
    assert hub.read_file(repo, "details.parquet", commit=hub.head(repo)) == b"hidden"


@pytest.fixture
def api(server):
    from huggingface_hub import HfApi

    return HfApi(endpoint=server.endpoint, token=server.token)


@pytest.fixture
def faulty(server) -> Iterator[FaultyHub]:
    """A Hub of the test's own that fails as told."""
    with faulty_hub(server.state_dir / "faulty") as hub:
        yield hub


def test_a_renamed_dataset_is_written_under_its_new_name(store, hub, repo, api, caplog):
    api.move_repo(repo, f"{repo}-new", repo_type="dataset")
    store.outbox.add([edit(repo, "org/a.json", status="RUNNING"), put(repo, "x.json", b"{}")])
    assert drain_outbox(store, hub, repo).committed == 2
    assert f"{repo} is called {repo}-new now" in caplog.text
    found = hub.read_file(f"{repo}-new", "org/a.json", commit=hub.head(f"{repo}-new"))
    assert found == REQUEST.replace(b"PENDING", b"RUNNING")


def test_a_deleted_dataset_loses_nothing_and_is_filled_when_it_is_back(store, hub, repo, api):
    store.outbox.add([put(repo, "first.json", b"1")])
    drain_outbox(store, hub, repo)
    api.delete_repo(repo, repo_type="dataset")
    store.outbox.add([put(repo, "second.json", b"2")])
    with pytest.raises(HubNotFoundError, match="is not there any more: deleted, renamed, or hidden"):
        drain_outbox(store, hub, repo, limits=NO_PAUSE)
    assert [one.code for one in store.blockers.find(hub.endpoint)] == ["missing"]
    api.create_repo(repo, repo_type="dataset")  # by a person, who decides so
    assert drain_outbox(store, hub, repo).committed == 1
    assert hub.read_file(repo, "second.json", commit=hub.head(repo)) == b"2"
    assert store.blockers.find(hub.endpoint) == []


def test_a_revoked_token_is_told_and_a_new_one_goes_on(store, server, hub, repo):
    store.outbox.add([edit(repo, "org/a.json", status="RUNNING")])
    revoked = Hub(endpoint=server.endpoint, token="hf_revoked")
    with pytest.raises(HubRefusedError, match="put a new one into the connection huggingface_hub"):
        drain_outbox(store, revoked, repo, limits=NO_PAUSE)
    (met,) = store.blockers.find(hub.endpoint)
    assert (met.code, met.repo_id) == ("token", "*")
    assert "hf_revoked" not in met.reason
    assert drain_outbox(store, hub, repo).committed == 1


def test_a_full_storage_is_told_and_what_waits_is_written_when_there_is_room(store, faulty):
    hub = Hub(endpoint=faulty.endpoint, token=TOKEN)
    full = "Private repository storage limit reached, please upgrade your plan"
    faulty.plan([Fault(endpoint=COMMIT, kind="status", status=403, message=full, count=None)])
    store.outbox.add([put(f"{DEMO_USER}/details", "x.parquet", b"x", private=True)])
    with pytest.raises(HubRefusedError, match=f"{full}. The storage is full: make room"):
        drain_outbox(store, hub, f"{DEMO_USER}/details", limits=NO_PAUSE)
    assert [one.code for one in store.blockers.find(hub.endpoint)] == ["quota"]
    faulty.plan([])
    assert drain_outbox(store, hub, f"{DEMO_USER}/details").committed == 1


@pytest.mark.parametrize("fault", [{"retry_after_s": 1800}, {"rate_limit_s": 1800}])
def test_a_long_wait_that_the_hub_asks_for_holds_no_worker_and_is_kept_by_all(store, faulty, fault):
    hub = Hub(endpoint=faulty.endpoint, token=TOKEN)
    faulty.plan([Fault(endpoint=COMMIT, kind="status", status=429, count=None, **fault)])
    store.outbox.add([put(f"{DEMO_USER}/a", "x", b"x"), put(f"{DEMO_USER}/b", "x", b"x")])
    started = time.monotonic()
    with pytest.raises(HubUnavailableError, match="429"):
        drain_outbox(store, hub, f"{DEMO_USER}/a")
    faulty.plan([Fault(endpoint="*", kind="status", status=500, count=None)])
    with pytest.raises(OutboxWaitError, match="429"):  # of the other repository, and nobody asked
        drain_outbox(store, hub, f"{DEMO_USER}/b")
    assert time.monotonic() - started < 15
    (met,) = store.blockers.find(hub.endpoint)
    assert (met.code, met.repo_id) == ("rate_limited", "*")
    assert 1700 < met.retry_in_s <= 1801


def test_a_path_that_the_hub_does_not_take_fails_alone(store, hub, repo):
    bad = put(repo, "org/a.json/below-a-file.json", b"{}")
    store.outbox.add([bad, *(put(repo, f"good-{number}.json", b"{}") for number in range(5))])
    report = drain_outbox(store, hub, repo)
    assert report.committed == 5
    assert "is a file, not a directory" in report.failed[bad.key]


def test_a_large_file_of_a_real_hub_is_known_by_its_sha256():
    content = b"parquet" * 1000
    large = f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert is_content(content, large)
    assert not is_content(content + b"x", large)
