from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from palmares.leaderboard.errors import ModerationError
from palmares.leaderboard.submissions.moderation import Moderation, ModerationAction
from palmares.store.store import OutboxEntry, Store

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def decision(**changes: Any) -> Moderation:
    values: dict[str, Any] = {
        "model_id": "org/model",
        "action": ModerationAction.FLAGGED,
        "reason": "Trained on the test set.",
        "link": "https://example.org/discussions/1",
        "at": AT,
        "by": "amelie",
    }
    return Moderation(**{**values, **changes})


def test_a_decision_comes_back_as_it_was_said(store: Store) -> None:
    assert store.moderation.decide(decision())

    assert store.moderation.current() == {"org/model": decision()}


def test_saying_it_again_adds_nothing(store: Store) -> None:
    store.moderation.decide(decision())

    assert not store.moderation.decide(decision(by="basile", at=AT.replace(day=3)))
    assert store.moderation.history("org/model") == [decision()]


def test_the_last_decision_holds_and_the_earlier_ones_are_kept(store: Store) -> None:
    lifted = decision(action=ModerationAction.LIFTED, reason="It was an error.", link=None)
    store.moderation.decide(decision())
    store.moderation.decide(lifted)

    assert store.moderation.current() == {}
    assert store.moderation.history("org/model") == [decision(), lifted]


def test_a_flag_follows_a_rename(store: Store) -> None:
    store.moderation.decide(decision())
    store.moderation.decide(
        decision(action=ModerationAction.RENAMED, new_model_id="org/new", reason="Moved.")
    )

    held = store.moderation.current()
    assert held["org/new"].action is ModerationAction.FLAGGED
    assert held["org/model"].new_model_id == "org/new"


def test_a_contradiction_writes_nothing(store: Store) -> None:
    store.moderation.decide(decision(action=ModerationAction.WITHDRAWN))

    with pytest.raises(ModerationError, match="reinstate"):
        store.moderation.decide(decision())
    assert len(store.moderation.history("org/model")) == 1


def test_what_tells_the_hub_is_added_with_a_new_decision_only(store: Store) -> None:
    def entry(key: str) -> OutboxEntry:
        return OutboxEntry(
            key=key, repo_id="org/requests", private=False, kind="edit_request", path="a.json",
            changes={"status": "CANCELLED"}, message="CANCELLED a.json",
        )  # fmt: skip

    withdrawn = decision(action=ModerationAction.WITHDRAWN)
    store.moderation.decide(withdrawn, entries=[entry("one")])
    store.moderation.decide(withdrawn, entries=[entry("two")])

    assert [one.key for one in store.outbox.pending()] == ["one"]


def test_of_two_renames_at_once_one_is_told_that_it_came_late(store: Store) -> None:
    told: list[str] = []

    def rename(new: str) -> None:
        try:
            store.moderation.decide(decision(action=ModerationAction.RENAMED, new_model_id=new))
        except ModerationError as error:
            told.append(str(error))

    threads = [threading.Thread(target=rename, args=(f"org/new-{number}",)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(told) == 1
    assert "is called org/new-" in told[0]
