from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from palmares.leaderboard.errors import (
    HubError,
    HubNotFoundError,
    HubRefusedError,
    HubUnavailableError,
    OutboxWaitError,
    StaleCommitError,
    StoreError,
)
from palmares.store.outbox import writer
from palmares.store.outbox.commit_log import CommitBudgetError, CommitLog
from palmares.store.outbox.pacing import OutboxLimits
from palmares.store.outbox.writer import drain_outbox
from palmares.store.store import OutboxStatus, Store

from tests.palmares.store.entries import REPO, REQUEST, edit, put
from tests.palmares.store.fake_committer import FakeCommitter

AT_ONCE = OutboxLimits(retry_least_s=0, retry_most_s=0, mend_s=0)
"""No pause after a failure."""


@pytest.fixture
def hub():
    return FakeCommitter().with_files(REPO, {"a.json": REQUEST, "b.json": REQUEST})


def content(hub, path="a.json"):
    return json.loads(hub.files(REPO)[path])


def test_entries_become_one_commit(store, hub):
    store.outbox.add([put(), edit("a.json", status="RUNNING"), edit("b.json", status="FAILED")])
    report = drain_outbox(store, hub, REPO)
    assert (report.committed, report.commits, report.failed) == (3, ["c1"], {})
    assert hub.files(REPO)["new.json"] == b"{}"
    assert hub.files(REPO)["a.json"] == REQUEST.replace(b"PENDING", b"RUNNING")
    assert store.outbox.pending() == []


def test_the_message_names_every_change(store, hub):
    store.outbox.add([put("x"), put("y"), edit("a.json", status="RUNNING")])
    drain_outbox(store, hub, REPO)
    assert hub.messages == ["Write x (and 2 more)\n\n- Write x\n- Write y\n- Edit a.json"]


def test_an_empty_outbox_asks_nothing_of_the_hub(store, hub):
    hub.down = True
    assert drain_outbox(store, hub, REPO).committed == 0


def test_each_repository_has_its_own_queue(store, hub):
    hub.with_files("org/other", {})
    store.outbox.add([put(), put(key="other", repo_id="org/other")])
    drain_outbox(store, hub, REPO)
    assert [entry.key for entry in store.outbox.pending()] == ["other"]
    assert store.outbox.pending(REPO) == []


def test_edits_of_one_file_build_on_one_another(store, hub):
    store.outbox.add([edit(status="RUNNING", job_id="t"), edit(status="FINISHED")])
    assert len(drain_outbox(store, hub, REPO).commits) == 1
    assert content(hub) == {"model": "org/model", "status": "FINISHED", "extra": 1, "job_id": "t"}


def test_an_edit_may_follow_a_put_of_the_same_file(store, hub):
    store.outbox.add([put("c.json", REQUEST), edit("c.json", status="RUNNING")])
    drain_outbox(store, hub, REPO)
    assert content(hub, "c.json")["status"] == "RUNNING"


def test_what_is_there_already_is_not_committed(store, hub):
    store.outbox.add([edit(status="PENDING"), put("b.json", REQUEST)])
    report = drain_outbox(store, hub, REPO)
    assert (report.committed, report.commits) == (2, [])
    assert len(hub.history[REPO]) == 1


def test_many_files_become_several_commits(store, hub):
    store.outbox.add([put(f"f{number:03}", b"x") for number in range(250)])
    report = drain_outbox(store, hub, REPO)
    assert (report.committed, len(report.commits)) == (250, 3)
    assert len(hub.files(REPO)) == 252


def test_large_contents_become_several_commits(store, hub):
    store.outbox.add([put(f"f{number}", bytes(600)) for number in range(3)])
    report = drain_outbox(store, hub, REPO, limits=OutboxLimits(bytes_per_commit=1000))
    assert len(report.commits) == 3


def test_a_commit_asks_little_of_the_hub(store, hub):
    store.outbox.add([*(put(f"f{number}") for number in range(50)), edit(status="RUNNING")])
    drain_outbox(store, hub, REPO)
    assert hub.calls == ["head", "content_ids", "read 1", "commit 51"]


def test_a_change_by_another_writer_is_kept(store, hub):
    def other_writer():
        hub.after_read = None
        hub.write(REPO, "a.json", REQUEST.replace(b'"extra": 1', b'"extra": "theirs"'))
        hub.write(REPO, "theirs.json", b"{}")

    hub.after_read = other_writer
    store.outbox.add([edit(status="RUNNING")])
    assert drain_outbox(store, hub, REPO).committed == 1
    assert content(hub) == {"model": "org/model", "status": "RUNNING", "extra": "theirs"}
    assert "theirs.json" in hub.files(REPO)


def test_a_writer_who_is_always_faster_makes_the_entries_wait(store, hub, monkeypatch):
    monkeypatch.setattr(writer, "MAX_TRIES", 2)
    hub.after_read = lambda: hub.write(REPO, "theirs.json", b"")
    store.outbox.add([edit(status="RUNNING")])
    with pytest.raises(StaleCommitError):
        drain_outbox(store, hub, REPO, limits=AT_ONCE)
    assert len(store.outbox.pending()) == 1
    hub.after_read = None
    drain_outbox(store, hub, REPO)
    assert content(hub)["status"] == "RUNNING"


def test_an_outage_makes_the_entries_wait_and_frees_the_lock(store, hub):
    store.outbox.add([edit(status="RUNNING")])
    hub.down = True
    with pytest.raises(HubUnavailableError):
        drain_outbox(store, hub, REPO, limits=AT_ONCE)
    hub.down = False
    assert drain_outbox(store, hub, REPO, lock_timeout_s=5).committed == 1


def test_a_lost_answer_gives_no_second_commit(store, hub):
    hub.lose_answers = 1
    store.outbox.add([put(), edit(status="RUNNING")])
    with pytest.raises(HubUnavailableError):
        drain_outbox(store, hub, REPO, limits=AT_ONCE)
    report = drain_outbox(store, hub, REPO)
    assert (report.committed, report.commits) == (2, ["c1"])
    assert len(hub.messages) == 1


def crash(*_args, **_named):
    raise KeyboardInterrupt


@pytest.fixture
def drain_and_die(store, hub, monkeypatch):
    """A drain that is killed after its commit and before noting it."""

    def drain():
        with monkeypatch.context() as patch:
            patch.setattr(CommitLog, "finish", crash)
            with pytest.raises(KeyboardInterrupt):
                drain_outbox(store, hub, REPO)

    return drain


def test_a_crash_between_commit_and_marking_gives_no_second_commit(store, hub, drain_and_die):
    store.outbox.add([put(), edit(status="RUNNING")])
    drain_and_die()
    assert len(store.outbox.pending()) == 2
    report = drain_outbox(store, hub, REPO)
    assert (report.committed, report.commits) == (2, ["c1"])
    assert len(hub.messages) == 1


def test_what_somebody_changed_after_a_lost_commit_is_not_overwritten_by_its_replay(
    store, hub, drain_and_die
):
    store.outbox.add([edit(status="FINISHED"), put("new.json", b"ours")])
    drain_and_die()
    hub.write(REPO, "a.json", hub.files(REPO)["a.json"].replace(b"FINISHED", b"RERUN"))
    hub.write(REPO, "new.json", b"theirs")
    assert drain_outbox(store, hub, REPO).committed == 2
    assert content(hub)["status"] == "RERUN"
    assert hub.files(REPO)["new.json"] == b"theirs"


def test_an_edit_that_failed_is_not_tried_again_on_top_of_a_later_file_of_ours(store, hub):
    hub.send_late = 1
    store.outbox.add([edit("new.json", key="early", status="RUNNING"), put("new.json", b"{}", key="late")])
    with pytest.raises(KeyboardInterrupt):
        drain_outbox(store, hub, REPO)
    hub.late.pop()()
    drain_outbox(store, hub, REPO)
    assert hub.files(REPO)["new.json"] == b"{}"
    status = store.outbox.status(["early", "late"])
    assert (status["early"][0], status["late"][0]) == (OutboxStatus.FAILED, OutboxStatus.DONE)


def test_a_commit_that_arrives_after_its_sender_died_is_found_by_the_next_one(store, hub):
    hub.send_late = 1
    store.outbox.add([edit(status="FINISHED")])
    with pytest.raises(KeyboardInterrupt):
        drain_outbox(store, hub, REPO)

    def it_arrives():
        hub.after_read = None
        hub.late.pop()()

    hub.after_read = it_arrives  # while the next drain is at work
    store.outbox.add([put("b.txt")])
    report = drain_outbox(store, hub, REPO)
    assert (report.committed, report.commits) == (2, ["c1", "c2"])
    assert hub.messages == ["Edit a.json", "Write b.txt"]


def test_a_commit_that_never_arrived_is_sent_again(store, hub):
    hub.send_late = 1
    store.outbox.add([edit(status="FINISHED")])
    with pytest.raises(KeyboardInterrupt):
        drain_outbox(store, hub, REPO)
    assert drain_outbox(store, hub, REPO).commits == ["c1"]
    with pytest.raises(StaleCommitError):
        hub.late.pop()()
    assert hub.messages == ["Edit a.json"]


def test_drains_at_once_write_each_effect_once(store_url, hub):
    barrier = Barrier(4)

    def work(number):
        with Store.connect(store_url) as store:
            store.outbox.add([put(f"{number}-{i}", b"x", message=f"m{number}-{i}") for i in range(20)])
            barrier.wait(20)
            return drain_outbox(store, hub, REPO)

    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(work, range(4)))
    assert sum(report.committed for report in reports) == 80
    assert len(hub.files(REPO)) == 82
    written = "\n".join(hub.messages)
    assert all(written.count(f"- m{number}-{i}\n") <= 1 for number in range(4) for i in range(20))


def test_a_drain_waits_for_another_one_but_not_for_ever(store, store_url, hub):
    store.outbox.add([put()])
    with (
        Store.connect(store_url) as other,
        other.database.advisory_lock(f"outbox:{REPO}", timeout_s=1),
        pytest.raises(StoreError, match="another process has held the lock"),
    ):
        drain_outbox(store, hub, REPO, lock_timeout_s=0.1)
    assert drain_outbox(store, hub, REPO).committed == 1


def test_a_request_that_was_taken_back_blocks_nobody(store, hub):
    store.outbox.add([edit("gone.json", status="RUNNING"), edit("a.json", status="RUNNING")])
    report = drain_outbox(store, hub, REPO)
    assert (report.committed, len(report.commits)) == (1, 1)
    ((key, reason),) = report.failed.items()
    assert "gone.json is not in org/requests at commit c0" in reason
    assert store.outbox.status([key]) == {key: (OutboxStatus.FAILED, reason)}
    assert content(hub)["status"] == "RUNNING"


def test_a_request_that_became_unreadable_blocks_nobody(store, hub):
    hub.write(REPO, "b.json", b"{not json")
    store.outbox.add([edit("b.json", status="RUNNING"), edit("a.json", status="RUNNING")])
    report = drain_outbox(store, hub, REPO)
    assert "cannot be edited: invalid_json" in next(iter(report.failed.values()))
    assert hub.files(REPO)["b.json"] == b"{not json"
    assert content(hub)["status"] == "RUNNING"


def test_a_missing_dataset_is_created_for_files(store):
    hub = FakeCommitter()
    store.outbox.add([put()])
    drain_outbox(store, hub, REPO)
    assert hub.private == {REPO: False}


def test_a_private_dataset_is_ensured_before_anything_leaves(store):
    hub = FakeCommitter()
    store.outbox.add([put("open"), put("hidden", private=True)])
    drain_outbox(store, hub, REPO)
    assert hub.private == {REPO: True}


def test_a_missing_dataset_is_not_created_for_edits(store):
    hub = FakeCommitter()
    store.outbox.add([edit(status="RUNNING")])
    with pytest.raises(HubNotFoundError):
        drain_outbox(store, hub, REPO)
    assert (hub.history, len(store.outbox.pending())) == ({}, 1)


def test_a_dataset_that_we_have_written_to_is_not_made_anew_when_it_is_gone(store, hub):
    store.outbox.add([put("x")])
    drain_outbox(store, hub, REPO)
    gone = hub.history.pop(REPO)
    store.outbox.add([put("y"), put("z", private=True)])
    with pytest.raises(HubNotFoundError, match="which we have written to, is not there any more"):
        drain_outbox(store, hub, REPO, limits=AT_ONCE)
    assert (hub.history, len(store.outbox.pending())) == ({}, 2)
    hub.history[REPO] = gone
    drain_outbox(store, hub, REPO)
    assert {"x", "y", "z"} <= hub.files(REPO).keys()


def test_the_hours_commits_are_shared_and_never_exceeded(store, store_url, hub):
    hub.with_files("org/other", {})
    limits = OutboxLimits(files_per_commit=1, commits_per_hour=3)
    store.outbox.add([put(f"f{number}") for number in range(2)])
    store.outbox.add([put(f"g{number}", repo_id="org/other") for number in range(2)])
    assert len(drain_outbox(store, hub, REPO, limits=limits).commits) == 2
    with Store.connect(store_url) as other, pytest.raises(CommitBudgetError, match="all 3 commits") as spent:
        drain_outbox(other, hub, "org/other", limits=limits)
    assert 3500 < (spent.value.retry_after_s or 0) <= 3600
    assert len(hub.messages) == 3
    assert [entry.path for entry in store.outbox.pending()] == ["g1"]
    with pytest.raises(OutboxWaitError, match="all 3 commits"):
        drain_outbox(store, hub, "org/other", limits=limits)  # not even asked
    elsewhere = FakeCommitter(endpoint="https://other.test").with_files("org/other", {})
    assert len(drain_outbox(store, elsewhere, "org/other", limits=limits).commits) == 1


def test_a_commit_of_an_hour_ago_counts_no_longer(store, hub, age_commits, forget_pauses):
    limits = OutboxLimits(files_per_commit=1, commits_per_hour=1)
    store.outbox.add([put("x"), put("y")])
    with pytest.raises(CommitBudgetError):
        drain_outbox(store, hub, REPO, limits=limits)
    age_commits(3601)
    forget_pauses()
    assert len(drain_outbox(store, hub, REPO, limits=limits).commits) == 1


def test_what_the_hub_does_not_take_fails_alone(store, hub):
    hub.poison = "f5"
    store.outbox.add([put(f"f{number}") for number in range(9)])
    report = drain_outbox(store, hub, REPO)
    assert report.committed == 8
    assert report.failed == {"put:f5": "400: f5 is not taken"}
    assert len(hub.files(REPO)) == 10
    assert store.outbox.failed() == [("put:f5", REPO, "400: f5 is not taken")]


def test_when_the_hub_takes_nothing_the_fault_may_be_elsewhere_and_all_wait(store, hub):
    hub.error = HubRefusedError("400: read-only", code="content")
    store.outbox.add([put("x"), put("y")])
    with pytest.raises(HubRefusedError, match="read-only"):
        drain_outbox(store, hub, REPO, limits=AT_ONCE)
    assert len(store.outbox.pending()) == 2
    hub.error = None
    assert drain_outbox(store, hub, REPO).committed == 2


@pytest.mark.parametrize(
    ("error", "code", "where"),
    [
        (HubRefusedError("403: storage limit reached", code="quota"), "quota", REPO),
        (HubRefusedError("401", code="token"), "token", "*"),
        (HubRefusedError("403", code="forbidden"), "forbidden", REPO),
        (HubUnavailableError("429", retry_after_s=1800), "rate_limited", "*"),
        (HubUnavailableError("503"), "unavailable", REPO),
        (HubNotFoundError("404", what="repository"), "missing", REPO),
        (HubError("HTTP 418"), "refused", REPO),
    ],
)
def test_what_stands_in_the_way_is_noted_and_forgotten_when_it_is_gone(
    store, hub, error, code, where, forget_pauses
):
    hub.error = error
    store.outbox.add([edit(status="FINISHED")])
    with pytest.raises(type(error)):
        drain_outbox(store, hub, REPO)
    (met,) = store.blockers.find(hub.endpoint)
    assert (met.code, met.repo_id, met.reason) == (code, where, str(error))
    hub.error = None
    with pytest.raises(OutboxWaitError) as waits:
        drain_outbox(store, hub, REPO)  # nobody asks the Hub before the pause is over
    assert 0 < (waits.value.retry_after_s or 0) <= 1800
    forget_pauses()
    assert drain_outbox(store, hub, REPO).committed == 1
    assert store.blockers.find(hub.endpoint) == []


def test_an_outage_is_looked_at_more_and_more_rarely(store, hub, forget_pauses):
    hub.down = True
    store.outbox.add([put()])
    pauses = []
    for _ in range(2):
        with pytest.raises(HubUnavailableError):
            drain_outbox(store, hub, REPO)
        pauses.append(store.blockers.find(hub.endpoint)[0].retry_in_s)
        forget_pauses(began_ago_s=120)
    assert 14 < pauses[0] <= 15
    assert 119 < pauses[1] < 125


def files_of(job_key, *, finished=True):
    given = {"job_key": job_key, "private": False}
    entries = [put(f"{job_key}.json", repo_id="org/results", **given)]
    done = edit(f"{job_key}.req", key=f"done:{job_key}", status="FINISHED")
    object.__setattr__(done, "job_key", job_key)
    return [*entries, done] if finished else entries


def test_finished_is_said_when_every_file_of_the_model_is_there(store, hub):
    hub.with_files("org/results", {}).history[REPO][0] |= {"m.req": REQUEST, "n.req": REQUEST}
    store.outbox.add([*files_of("m"), edit("m.req", status="RERUN"), edit("n.req", status="FAILED")])
    assert drain_outbox(store, hub, REPO).committed == 1
    assert content(hub, "m.req")["status"] == "PENDING"
    assert content(hub, "n.req")["status"] == "FAILED"
    drain_outbox(store, hub, "org/results")
    assert drain_outbox(store, hub, REPO).committed == 2  # in their order: the later one has the last word
    assert content(hub, "m.req")["status"] == "RERUN"


def test_finished_is_never_said_of_a_model_whose_file_cannot_be_written(store, hub):
    hub.with_files("org/results", {}).history[REPO][0] |= {"m.req": REQUEST}
    hub.poison = "m.json"
    store.outbox.add([*files_of("m"), *files_of("n", finished=False)])
    drain_outbox(store, hub, "org/results")
    report = drain_outbox(store, hub, REPO)
    assert "m.req: the model's files cannot be written (m.json: 400" in report.failed["done:m"]
    assert content(hub, "m.req")["status"] == "PENDING"
    hub.poison = None
    store.outbox.add(files_of("m"))  # the task is cleared
    drain_outbox(store, hub, "org/results")
    drain_outbox(store, hub, REPO)
    assert content(hub, "m.req")["status"] == "FINISHED"


def test_what_is_said_again_comes_after_what_was_said_meanwhile(store, hub):
    first = edit("late.json", key="first", status="RUNNING")
    store.outbox.add([first])
    assert drain_outbox(store, hub, REPO).failed
    hub.write(REPO, "late.json", REQUEST)
    store.outbox.add([edit("late.json", status="FAILED"), first])
    drain_outbox(store, hub, REPO)
    assert content(hub, "late.json")["status"] == "RUNNING"
