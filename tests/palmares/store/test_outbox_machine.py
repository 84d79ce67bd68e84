"""The outbox against a model: whatever fails, whenever, each effect happens once and in order."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections import Counter
from unittest.mock import patch

import psycopg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from palmares.leaderboard.errors import HubError, HubUnavailableError, StaleCommitError
from palmares.leaderboard.submissions.request_file import edit_request
from palmares.store.outbox.commit_log import CommitLog
from palmares.store.outbox.pacing import OutboxLimits
from palmares.store.outbox.queue import OutboxEntry
from palmares.store.outbox.writer import drain_outbox
from palmares.store.schema import metadata
from palmares.store.store import Store

from tests.palmares.store.entries import REPO, edit, put
from tests.palmares.store.fake_committer import FakeCommitter

PATHS = st.sampled_from(["a.json", "b.json", "c.json"])
NUMBERS = st.integers(0, 3)
FAULTS = st.sampled_from(
    [
        "none",
        "lost",
        "killed_after",
        "killed_under_way",
        "arrives_meanwhile",
        "away",
        "busy",
        "overtaken",
        "overtaken_for_good",
    ]
)
LIMITS = OutboxLimits(
    files_per_commit=2, commits_per_hour=10_000, retry_least_s=0, retry_most_s=0, mend_s=0, asked_most_s=0
)


class Logging(FakeCommitter):
    """A Hub that keeps a log of everything that changed it, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[tuple[str, str, bytes | None]] = []
        """``("ours", idempotency_key, None)`` and ``("theirs", path, content)``."""

    def theirs(self, path: str, content: bytes | None) -> None:
        if content is not None or path in self.files(REPO):
            self.write(REPO, path, content)
            self.log.append(("theirs", path, content))

    def _apply(self, repo_id, files, *, message, parent_commit, idempotency_key):
        oid = super()._apply(
            repo_id, files, message=message, parent_commit=parent_commit, idempotency_key=idempotency_key
        )
        self.log.append(("ours", idempotency_key, None))
        return oid


class Outbox(RuleBasedStateMachine):
    """Entries are added, drained under faults, and others write meanwhile."""

    store: Store
    url: str

    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count()
        self.hub = Logging()
        self.said: dict[str, OutboxEntry] = {}
        """Entries by key, as they were added."""

    @initialize()
    def begin(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"TRUNCATE {', '.join(metadata.tables)}")
        self.hub.with_files(REPO, {"a.json": b'{"from": "a"}'})

    @rule(path=PATHS, value=NUMBERS)
    def say_a_file(self, path, value):
        self._add(put(path, json.dumps({"v": value}).encode(), key=f"put {next(self.numbers)}"))

    @rule(path=PATHS, value=NUMBERS)
    def say_an_edit(self, path, value):
        self._add(edit(path, key=f"edit {next(self.numbers)}", ours=value))

    def _add(self, entry):
        self.said[entry.key] = entry
        self.store.outbox.add([entry])

    @rule(path=PATHS, value=NUMBERS)
    def others_write(self, path, value):
        current = json.loads(self.hub.files(REPO).get(path, b"{}"))
        self.hub.theirs(path, json.dumps(current | {"theirs": value, "ours": "reset"}).encode())

    @rule(path=PATHS)
    def others_delete(self, path):
        self.hub.theirs(path, None)

    @rule()
    def what_was_under_way_arrives(self):
        while self.hub.late:
            with contextlib.suppress(StaleCommitError):
                self.hub.late.pop(0)()

    @rule()
    def drain_is_killed_and_its_commit_meets_the_next_one(self):
        self.drain("killed_under_way", 0)
        self.drain("arrives_meanwhile", 0)

    @rule(fault=FAULTS, at=st.integers(0, 2))
    def drain(self, fault, at):
        hub = self.hub
        with contextlib.ExitStack() as stack:
            stack.callback(self._all_well)
            stack.enter_context(contextlib.suppress(HubError, KeyboardInterrupt))
            match fault:
                case "lost":
                    hub.lose_answers = 1
                case "killed_after":
                    stack.enter_context(patch.object(CommitLog, "finish", _killed_at(at)))
                case "killed_under_way":
                    hub.send_late = 1
                case "away":
                    hub.down = True
                case "busy":
                    hub.error = HubUnavailableError("429", retry_after_s=30)
                case "arrives_meanwhile":
                    hub.after_read = self.what_was_under_way_arrives
                case "overtaken":
                    hub.after_read = self._once_overtaken
                case "overtaken_for_good":
                    hub.after_read = lambda: hub.theirs("theirs.json", b"%d" % next(self.numbers))
                    stack.enter_context(patch("palmares.store.outbox.writer.MAX_TRIES", 2))
            drain_outbox(self.store, hub, REPO, limits=LIMITS)

    def _once_overtaken(self):
        self.hub.after_read = None
        self.others_write("a.json", 9)

    def _all_well(self):
        self.hub.lose_answers = self.hub.send_late = 0
        self.hub.down, self.hub.error, self.hub.after_read = False, None, None

    def teardown(self):
        if not self.hub.history:
            return
        self._all_well()
        drain_outbox(self.store, self.hub, REPO, limits=LIMITS)
        self.what_was_under_way_arrives()  # too late, whatever it is
        assert self.store.outbox.pending() == []
        made, entries = self._noted()
        tree = {"a.json": b'{"from": "a"}'}
        times: Counter[int] = Counter()
        order: dict[str, list[int]] = {}
        for who, what, content in self.hub.log:
            if who == "theirs":
                tree = {path: old for path, old in tree.items() if path != what}
                tree |= {} if content is None else {what: content}
                continue
            for number in made[what]:
                key, path = entries[number][:2]
                times[number] += 1
                order.setdefault(path, []).append(number)
                entry = self.said[key]
                tree[path] = entry.content or edit_request(tree[path], entry.changes or {})
        assert tree == self.hub.files(REPO)
        assert all(number == 1 for number in times.values())
        assert all(numbers == sorted(numbers) for numbers in order.values())
        for number, (key, path, status, oid) in entries.items():
            assert status in {"done", "failed"}
            assert (oid is not None) == (number in times), (key, path, status)
            assert status == "done" or key.startswith("edit")
        assert len(entries) == len(self.said)

    def _noted(self):
        with psycopg.connect(self.url) as connection:
            marks = connection.execute("SELECT mark, entry_ids FROM hub_commits").fetchall()
            rows = connection.execute("SELECT id, key, path, status, commit_oid FROM outbox").fetchall()
        return dict(marks), {row[0]: row[1:] for row in rows}


def _killed_at(at):
    """`CommitLog.finish`, of a process that is killed when it comes there for the *at*-th time."""
    calls = itertools.count()
    real = CommitLog.finish

    def finish(self, *args, **options):
        if next(calls) == at:
            raise KeyboardInterrupt
        real(self, *args, **options)

    return finish


def test_whatever_fails_each_effect_happens_once_and_in_order(store, store_url):
    class WithStore(Outbox):
        pass

    WithStore.store, WithStore.url = store, store_url
    run_state_machine_as_test(
        WithStore,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
