from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from palmares.store.states import LIVE, STOPPED, EvaluationState, may_follow, reached_after

S = EvaluationState
WAY = [S.CLAIMED, S.PLANNED, S.ENQUEUED, S.FETCHED, S.SCORED, S.PUBLISHED]
# Long enough to get somewhere: most wishes are refused.
WISHES = st.lists(st.sampled_from(S), min_size=15, max_size=50)


def walk(wishes):
    """The states an evaluation passes when each of *wishes* is tried in turn, and how far it reached."""
    current = reached = S.CLAIMED
    passed = [current]
    for wish in wishes:
        if may_follow(wish, current, reached=reached):
            reached = reached_after(wish, reached=reached)
            current = wish
            passed.append(current)
    return passed, reached


def test_the_straight_way_is_open():
    assert walk(WAY)[0][-1] is S.PUBLISHED


@pytest.mark.parametrize("state", S)
def test_a_state_may_be_entered_again(state):
    assert may_follow(state, state, reached=S.CLAIMED)


@given(WISHES)
def test_nothing_leaves_published(wishes):
    passed, _ = walk(wishes)
    if S.PUBLISHED in passed:
        assert set(passed[passed.index(S.PUBLISHED) :]) == {S.PUBLISHED}


@given(WISHES)
def test_published_was_scored_and_every_step_before_was_taken(wishes):
    passed, _ = walk(wishes)
    if S.PUBLISHED in passed:
        positions = [passed.index(step) for step in WAY]
        assert positions == sorted(positions)


@given(WISHES)
def test_what_was_parked_is_scored_again_before_it_is_published(wishes):
    passed, _ = walk(wishes)
    if S.PUBLISHED in passed and S.QUARANTINED in passed:
        last_quarantined = max(i for i, state in enumerate(passed) if state is S.QUARANTINED)
        assert S.SCORED in passed[last_quarantined:]


@given(WISHES)
def test_a_late_failure_undoes_no_decision(wishes):
    passed, _ = walk(wishes)
    for before, after in pairwise(passed):
        if before in {S.REFUSED, S.CANCELLED} and after in STOPPED:
            assert after is before


@given(WISHES)
def test_reached_is_always_a_step_on_the_way(wishes):
    passed, reached = walk(wishes)
    assert reached in WAY
    if passed[-1] in LIVE:
        assert reached is passed[-1]


@pytest.mark.parametrize("earlier", [S.CLAIMED, S.PLANNED, S.ENQUEUED, S.FETCHED])
@pytest.mark.parametrize("stop", [None, *sorted(STOPPED)])
def test_a_cleared_task_may_take_an_earlier_step_again(earlier, stop):
    passed, _ = walk([*WAY[:5], *([stop] if stop else []), earlier])
    assert passed[-1] is earlier


@pytest.mark.parametrize("then", [[], [S.FAILED], [S.FETCHED], [S.FAILED, S.FETCHED]])
def test_what_was_parked_after_scoring_is_not_published_as_it_was(then):
    passed, _ = walk([*WAY[:5], S.QUARANTINED, *then, S.PUBLISHED])
    assert S.PUBLISHED not in passed


def test_a_failed_publication_goes_on_where_it_stopped():
    assert walk([*WAY[:5], S.FAILED, S.PUBLISHED])[0][-1] is S.PUBLISHED


@pytest.mark.parametrize(
    ("current", "new"), [(S.CLAIMED, S.ENQUEUED), (S.PLANNED, S.SCORED), (S.FETCHED, S.PUBLISHED)]
)
def test_no_step_is_skipped(current, new):
    assert not may_follow(new, current, reached=current)
