from __future__ import annotations

import pytest
from palmares.leaderboard.errors import StoreError
from palmares.store.outbox.writer import drain_outbox
from palmares.store.store import OutboxStatus

from tests.palmares.store.entries import REPO, REQUEST, edit, put
from tests.palmares.store.fake_committer import FakeCommitter


@pytest.fixture
def hub():
    return FakeCommitter().with_files(REPO, {"a.json": REQUEST, "b.json": REQUEST})


def test_an_entry_is_added_once_whatever_it_says_later(store, hub, caplog):
    store.outbox.add([put(content=b"first")])
    store.outbox.add([put(content=b"first")])
    assert "another payload" not in caplog.text
    store.outbox.add([put(content=b"second")])
    assert "another payload" in caplog.text
    drain_outbox(store, hub, REPO)
    store.outbox.add([put(content=b"third")])
    assert drain_outbox(store, hub, REPO).commits == []
    assert hub.files(REPO)["new.json"] == b"first"


def test_entries_are_added_all_or_none(store):
    broken = put("b", message="x")
    object.__setattr__(broken, "kind", "unknown")  # what the schema refuses
    with pytest.raises(StoreError, match="ck_outbox_kind"):
        store.outbox.add([put("a"), broken])
    assert store.outbox.pending() == []


def test_contents_leave_the_database_once_written(store, hub):
    store.outbox.add([put(content=b"x" * 1000)])
    (entry,) = store.outbox.pending()
    assert entry.content_bytes == 1000
    drain_outbox(store, hub, REPO)
    assert store.outbox.contents([entry.id]) == {}


def test_a_failed_entry_is_tried_again_when_it_is_added_again(store, hub):
    entry = edit("gone.json", key="k", status="RUNNING")
    store.outbox.add([entry])
    drain_outbox(store, hub, REPO)
    hub.write(REPO, "gone.json", REQUEST)
    store.outbox.add([entry])
    assert drain_outbox(store, hub, REPO).committed == 1
    assert store.outbox.status(["k", "unknown"]) == {"k": (OutboxStatus.DONE, None)}
