"""Decisions about models: what is usable, what contradicts what holds, and what follows for other names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from palmares.leaderboard.errors import ModerationError
from palmares.leaderboard.submissions.moderation import (
    Moderation,
    ModerationAction,
    checked,
    current_name,
    follow,
    former_names,
    standing,
)

FLAGGED, WITHDRAWN, RENAMED, LIFTED = (
    ModerationAction.FLAGGED,
    ModerationAction.WITHDRAWN,
    ModerationAction.RENAMED,
    ModerationAction.LIFTED,
)


def decision(model: str = "a", action: ModerationAction = FLAGGED, **changes: Any) -> Moderation:
    values: dict[str, Any] = {
        "model_id": model, "action": action, "reason": "Because.", "at": datetime(2026, 1, 1, tzinfo=UTC),
        "by": "amelie",
    }  # fmt: skip
    return Moderation(**{**values, **changes})


def holding(*decisions: Moderation) -> dict[str, Moderation]:
    """What holds after these decisions, one after the other."""
    known: dict[str, Moderation] = {}
    for one in decisions:
        for added in follow(known, one):
            known[added.model_id] = added
        known = {name: held for name, held in known.items() if held.action is not LIFTED}
    return known


def withdrawn(known: dict[str, Moderation]) -> set[str]:
    found = {name: standing(name, known) for name in "abcd"}
    return {name for name, held in found.items() if held is not None and held.action is WITHDRAWN}


def renamed(old: str, new: str) -> Moderation:
    return decision(old, RENAMED, new_model_id=new)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_id": "../etc"}, "not the name"),
        ({"action": RENAMED, "new_model_id": "a b"}, "not the name"),
        ({"action": RENAMED}, "Give both names"),
        ({"new_model_id": "b"}, "Give both names"),
        ({"reason": " \n "}, "0 characters"),
        ({"reason": "x" * 501}, "501 characters"),
        ({"reason": "a\x1b[31mb"}, "cannot be printed"),
        ({"link": "javascript:alert(1)"}, "no plain web address"),
        ({"link": "https://user@example.org"}, "no plain web address"),
        ({"link": "https://example.org/a) [b](https://evil.example"}, "no plain web address"),
        ({"link": "https://[::1"}, "no plain web address"),
        ({"link": "https://example.org/" + "x" * 500}, "at most 500"),
    ],
)
def test_what_is_unusable_is_told(changes, message):
    with pytest.raises(ModerationError, match=message):
        checked(decision(**changes))


def test_a_reason_is_put_on_one_line_and_an_empty_link_is_none():
    found = checked(decision(reason=" Seen\n in the  training data. ", link=" "))

    assert (found.reason, found.link) == ("Seen in the training data.", None)


def test_names_are_followed_forth_and_back():
    known = holding(renamed("a", "b"), renamed("b", "c"))

    assert [current_name(name, known) for name in "abcd"] == ["c", "c", "c", "d"]
    assert former_names("c", known) == ("a", "b")


def test_a_flag_stands_under_each_name_and_follows_a_rename():
    known = holding(decision("a", FLAGGED, reason="Copied."), renamed("a", "b"))

    for name in "ab":
        found = standing(name, known)
        assert found is not None
        assert (found.action, found.reason) == (FLAGGED, "Copied.")


def test_a_model_that_takes_its_old_name_back_has_it_and_keeps_its_flag():
    known = holding(renamed("a", "b"), decision("b", FLAGGED), renamed("b", "a"))

    assert [current_name(name, known) for name in "ab"] == ["a", "a"]
    found = standing("b", known)
    assert found is not None
    assert found.action is FLAGGED


def test_a_withdrawal_takes_the_place_of_a_flag_and_not_the_other_way_round():
    known = holding(decision("a", FLAGGED), decision("a", WITHDRAWN))
    assert known["a"].action is WITHDRAWN

    with pytest.raises(ModerationError, match="reinstate a"):
        follow(known, decision("a", FLAGGED))


@pytest.mark.parametrize("action", [FLAGGED, WITHDRAWN, LIFTED])
def test_who_names_an_old_name_is_told_the_new_one(action):
    known = holding(renamed("a", "b"), renamed("b", "c"))

    with pytest.raises(ModerationError, match="is called c now"):
        follow(known, decision("a", action))


def test_a_name_that_was_given_up_is_not_taken_by_another_model():
    with pytest.raises(ModerationError, match="old name of b"):
        follow(holding(renamed("a", "b")), renamed("x", "a"))
    with pytest.raises(ModerationError, match="has this name already"):
        follow({}, renamed("a", "a"))


def test_lifting_what_does_not_hold_changes_nothing():
    assert follow({}, decision("a", LIFTED)) == ()
    assert holding(decision("a"), decision("a", LIFTED)) == {}


decisions = st.lists(
    st.builds(
        lambda model, action, new: decision(model, action, new_model_id=new if action is RENAMED else None),
        st.sampled_from("abcd"),
        st.sampled_from(list(ModerationAction)),
        st.sampled_from("abcd"),
    ),
    max_size=12,
)


@given(decisions)
def test_after_any_decisions_every_name_leads_to_one_that_a_model_has(many):
    known: dict[str, Moderation] = {}
    for one in many:
        was_withdrawn = withdrawn(known)
        try:
            added = follow(known, one)
        except ModerationError:
            continue
        for new in added:
            known[new.model_id] = new
        known = {name: held for name, held in known.items() if held.action is not LIFTED}
        for name in "abcd":
            end = current_name(name, known)
            assert end not in known or known[end].action is not RENAMED
        if one.action is not LIFTED:
            # A rename never gets a model out of a withdrawal.
            assert was_withdrawn <= withdrawn(known)
