from __future__ import annotations

import contextlib
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.leaderboard.errors import HubNotFoundError, HubUnavailableError, StaleCommitError, StoreError
from include.store import outbox
from include.store.outbox import drain_outbox
from include.store.store import OutboxStatus, Store
from tests.include.store.entries import REPO, REQUEST, edit, put
from tests.include.store.fake_committer import FakeCommitter


@pytest.fixture
def hub():
    return FakeCommitter().with_files(REPO, {"a.json": REQUEST, "b.json": REQUEST})


def content(hub, path="a.json"):
    return json.loads(hub.files(REPO)[path])


def test_entries_become_one_commit(store, hub):
    store.add_to_outbox([put(), edit("a.json", status="RUNNING"), edit("b.json", status="FAILED")])
    report = drain_outbox(store, hub, REPO)
    assert (report.committed, report.commits, report.failed) == (3, ["c1"], {})
    assert hub.files(REPO)["new.json"] == b"{}"
    assert hub.files(REPO)["a.json"] == REQUEST.replace(b"PENDING", b"RUNNING")
    assert store.outbox_pending() == []


def test_the_message_names_every_change(store, hub):
    store.add_to_outbox([put("x"), put("y"), edit("a.json", status="RUNNING")])
    drain_outbox(store, hub, REPO)
    assert hub.messages == ["Write x (and 2 more)\n\n- Write x\n- Write y\n- Edit a.json"]


def test_an_empty_outbox_asks_nothing_of_the_hub(store, hub):
    hub.down = True
    assert drain_outbox(store, hub, REPO).committed == 0


def test_each_repository_has_its_own_queue(store, hub):
    hub.with_files("org/other", {})
    store.add_to_outbox([put(), put(key="other", repo_id="org/other")])
    drain_outbox(store, hub, REPO)
    assert [entry.key for entry in store.outbox_pending()] == ["other"]
    assert store.outbox_pending(REPO) == []


def test_edits_of_one_file_build_on_one_another(store, hub):
    store.add_to_outbox([edit(status="RUNNING", job_id="t"), edit(status="FINISHED")])
    assert len(drain_outbox(store, hub, REPO).commits) == 1
    assert content(hub) == {"model": "org/model", "status": "FINISHED", "extra": 1, "job_id": "t"}


def test_an_edit_may_follow_a_put_of_the_same_file(store, hub):
    store.add_to_outbox([put("c.json", REQUEST), edit("c.json", status="RUNNING")])
    drain_outbox(store, hub, REPO)
    assert content(hub, "c.json")["status"] == "RUNNING"


def test_what_is_there_already_is_not_committed(store, hub):
    store.add_to_outbox([edit(status="PENDING"), put("b.json", REQUEST)])
    report = drain_outbox(store, hub, REPO)
    assert (report.committed, report.commits) == (2, [])
    assert len(hub.history[REPO]) == 1


def test_many_files_become_several_commits(store, hub):
    store.add_to_outbox([put(f"f{number:03}", b"x") for number in range(250)])
    report = drain_outbox(store, hub, REPO)
    assert (report.committed, len(report.commits)) == (250, 3)
    assert len(hub.files(REPO)) == 252


def test_large_contents_become_several_commits(store, hub, monkeypatch):
    monkeypatch.setattr(outbox, "MAX_COMMIT_BYTES", 1000)
    store.add_to_outbox([put(f"f{number}", bytes(600)) for number in range(3)])
    assert len(drain_outbox(store, hub, REPO).commits) == 3


def test_a_change_by_another_writer_is_kept(store, hub):
    def other_writer():
        hub.after_read = None
        hub.write(REPO, "a.json", REQUEST.replace(b'"extra": 1', b'"extra": "theirs"'))
        hub.write(REPO, "theirs.json", b"{}")

    hub.after_read = other_writer
    store.add_to_outbox([edit(status="RUNNING")])
    assert drain_outbox(store, hub, REPO).committed == 1
    assert content(hub) == {"model": "org/model", "status": "RUNNING", "extra": "theirs"}
    assert "theirs.json" in hub.files(REPO)


def test_a_writer_who_is_always_faster_makes_the_entries_wait(store, hub, monkeypatch):
    monkeypatch.setattr(outbox, "MAX_TRIES", 2)
    hub.after_read = lambda: hub.write(REPO, "theirs.json", b"")
    store.add_to_outbox([edit(status="RUNNING")])
    with pytest.raises(StaleCommitError):
        drain_outbox(store, hub, REPO)
    assert len(store.outbox_pending()) == 1
    hub.after_read = None
    drain_outbox(store, hub, REPO)
    assert content(hub)["status"] == "RUNNING"


def test_an_outage_makes_the_entries_wait_and_frees_the_lock(store, hub):
    store.add_to_outbox([edit(status="RUNNING")])
    hub.down = True
    with pytest.raises(HubUnavailableError):
        drain_outbox(store, hub, REPO)
    hub.down = False
    assert drain_outbox(store, hub, REPO, lock_timeout_s=5).committed == 1


def test_a_lost_answer_gives_no_second_commit(store, hub):
    hub.lose_answers = 1
    store.add_to_outbox([put(), edit(status="RUNNING")])
    with pytest.raises(HubUnavailableError):
        drain_outbox(store, hub, REPO)
    report = drain_outbox(store, hub, REPO)
    assert (report.committed, report.commits) == (2, [])
    assert len(hub.messages) == 1


def test_a_crash_between_commit_and_marking_gives_no_second_commit(store, hub, monkeypatch):
    store.add_to_outbox([put(), edit(status="RUNNING")])

    def crash(*_args, **_named):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, "settle_outbox", crash)
        with pytest.raises(KeyboardInterrupt):
            drain_outbox(store, hub, REPO)
    assert len(store.outbox_pending()) == 2
    assert drain_outbox(store, hub, REPO).commits == []
    assert len(hub.messages) == 1


def test_drains_at_once_write_each_effect_once(store_url, hub):
    barrier = Barrier(4)

    def work(number):
        with Store.connect(store_url) as store:
            store.add_to_outbox([put(f"{number}-{i}", b"x", message=f"m{number}-{i}") for i in range(20)])
            barrier.wait(20)
            return drain_outbox(store, hub, REPO)

    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(work, range(4)))
    assert sum(report.committed for report in reports) == 80
    assert len(hub.files(REPO)) == 82
    written = "\n".join(hub.messages)
    assert all(written.count(f"- m{number}-{i}\n") <= 1 for number in range(4) for i in range(20))


def test_a_drain_waits_for_another_one_but_not_for_ever(store, store_url, hub):
    store.add_to_outbox([put()])
    with (
        Store.connect(store_url) as other,
        other.advisory_lock(f"outbox:{REPO}", timeout_s=1),
        pytest.raises(StoreError, match="another process has held the lock"),
    ):
        drain_outbox(store, hub, REPO, lock_timeout_s=0.1)
    assert drain_outbox(store, hub, REPO).committed == 1


def test_a_request_that_was_taken_back_blocks_nobody(store, hub):
    store.add_to_outbox([edit("gone.json", status="RUNNING"), edit("a.json", status="RUNNING")])
    report = drain_outbox(store, hub, REPO)
    assert (report.committed, len(report.commits)) == (1, 1)
    ((key, reason),) = report.failed.items()
    assert "gone.json is not in org/requests at commit c0" in reason
    assert store.outbox_status([key]) == {key: (OutboxStatus.FAILED, reason)}
    assert content(hub)["status"] == "RUNNING"


def test_a_request_that_became_unreadable_blocks_nobody(store, hub):
    hub.write(REPO, "b.json", b"{not json")
    store.add_to_outbox([edit("b.json", status="RUNNING"), edit("a.json", status="RUNNING")])
    report = drain_outbox(store, hub, REPO)
    assert "cannot be edited: invalid_json" in next(iter(report.failed.values()))
    assert hub.files(REPO)["b.json"] == b"{not json"
    assert content(hub)["status"] == "RUNNING"


def test_a_missing_dataset_is_created_for_files(store):
    hub = FakeCommitter()
    store.add_to_outbox([put()])
    drain_outbox(store, hub, REPO)
    assert hub.private == {REPO: False}


def test_a_private_dataset_is_ensured_before_anything_leaves(store):
    hub = FakeCommitter()
    store.add_to_outbox([put("open"), put("hidden", private=True)])
    drain_outbox(store, hub, REPO)
    assert hub.private == {REPO: True}


def test_a_missing_dataset_is_not_created_for_edits(store):
    hub = FakeCommitter()
    store.add_to_outbox([edit(status="RUNNING")])
    with pytest.raises(HubNotFoundError):
        drain_outbox(store, hub, REPO)
    assert (hub.history, len(store.outbox_pending())) == ({}, 1)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "drain", "other", "lose", "crash", "delete"]),
        st.sampled_from(["a.json", "b.json"]),
        st.integers(0, 3),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_happens_the_last_status_arrives_and_nobody_elses_field_is_lost(store, monkeypatch, steps):
    hub = FakeCommitter().with_files(REPO, {"a.json": REQUEST, "b.json": REQUEST})
    drain_outbox(store, hub, REPO)  # what an earlier example left
    hub.with_files(REPO, {"a.json": REQUEST, "b.json": REQUEST})
    example = uuid.uuid4()
    wanted: dict[str, int] = {}
    theirs: dict[str, int] = {}

    def attempt(crash):
        with monkeypatch.context() as patch:
            if crash:
                patch.setattr(Store, "settle_outbox", lambda *_args, **_named: 1 / 0)
            with contextlib.suppress(HubUnavailableError, ZeroDivisionError):
                drain_outbox(store, hub, REPO)

    for number, (step, path, value) in enumerate(steps):
        if step == "add":
            store.add_to_outbox([edit(path, key=f"{example}:{number}:{path}", ours=value)])
            wanted[path] = value
        elif step == "other":
            other = json.loads(hub.files(REPO).get(path, REQUEST)) | {"theirs": number}
            hub.write(REPO, path, json.dumps(other).encode())
            theirs[path] = number
        elif step == "delete" and path in hub.files(REPO):
            hub.write(REPO, path, None)
            wanted.pop(path, None)
            theirs.pop(path, None)
            drain_outbox(store, hub, REPO)  # entries for it fail, the others go on
            hub.write(REPO, path, REQUEST)
        elif step == "lose":
            hub.lose_answers = 1
            attempt(crash=False)
            hub.lose_answers = 0
        else:
            attempt(crash=step == "crash")
    drain_outbox(store, hub, REPO)
    assert store.outbox_pending() == []
    for path in ("a.json", "b.json"):
        assert content(hub, path).get("ours") == wanted.get(path)
        assert content(hub, path).get("theirs") == theirs.get(path)
