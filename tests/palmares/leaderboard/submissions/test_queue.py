"""The queue: fair, deterministic, within quotas, explained, and nobody waits for ever."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from palmares.leaderboard.submissions.policy import QueuePolicy
from palmares.leaderboard.submissions.queue import Hold, Taken, Waiting, order
from palmares.leaderboard.submissions.queue_words import explain
from palmares.leaderboard.submissions.submission import Submission
from pydantic import ValidationError

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
POLICY = QueuePolicy()
DAY = timedelta(days=1)


def waiting(
    model: str = "org/model", *, days: float | None = 0, path: str | None = None, likes: int = 0,
    sender: str | None = None, gpu_hours: float | None = 1.0, votes: int = 0, again: bool = False,
) -> Waiting:  # fmt: skip
    submission = Submission(
        request_path=path or f"{model}.json", blob_oid="oid", model_id=model, revision="a" * 40,
        requested_revision="main", precision="bfloat16", weight_type="Original", use_chat_template=False,
        submitted_time=None if days is None else (NOW - days * DAY).isoformat(), sender=sender, likes=likes,
        suite="fr", suite_hash="hash", seed=42, evaluator_version="1",
    )  # fmt: skip
    return Waiting(submission=submission, gpu_hours=gpu_hours, votes=votes, is_tried_again=again)


def names(queued) -> list[str]:
    return [one.submission.model_id for one in queued]


def test_organisations_alternate_however_many_models_one_of_them_submits():
    flood = [waiting(f"flood/{number}") for number in range(10)]
    others = [waiting("a/1", gpu_hours=5), waiting("b/1", gpu_hours=6)]

    assert names(order([*flood, *others], NOW, POLICY))[:3] == ["flood/0", "a/1", "b/1"]


def test_what_an_organisation_has_under_way_counts():
    running = [Taken(organisation="busy", sender="x", at=NOW - DAY, is_live=True)]

    assert names(order([waiting("busy/1"), waiting("idle/1", gpu_hours=9)], NOW, POLICY, running)) == [
        "idle/1",
        "busy/1",
    ]


def test_a_larger_share_has_more_turns():
    policy = QueuePolicy(shares={"Ministry": 2})
    of_ministry = [waiting(f"ministry/{number}", gpu_hours=9) for number in range(4)]
    of_other = [waiting(f"other/{number}") for number in range(4)]

    first = Counter(name.split("/")[0] for name in names(order([*of_ministry, *of_other], NOW, policy))[:6])
    assert first == {"ministry": 4, "other": 2}


def test_waiting_likes_and_votes_bring_forward_and_popularity_has_its_bounds():
    behind = [waiting("many/1", gpu_hours=0.1), waiting("many/2", gpu_hours=0.2)]
    assert names(order([*behind, waiting("new/1", days=3, gpu_hours=9)], NOW, POLICY))[0] == "new/1"
    assert names(order([*behind, waiting("new/1", likes=100, gpu_hours=9)], NOW, POLICY))[0] == "new/1"
    assert names(order([*behind, waiting("new/1", votes=100, gpu_hours=9)], NOW, POLICY))[0] == "new/1"

    famous = order([waiting("famous/1", likes=10**18, votes=10**9)], NOW, POLICY)[0]
    assert famous.popularity_boost == POLICY.max_popularity_boost


def test_of_equal_ones_the_smaller_goes_first_then_the_earlier_then_the_path():
    small, large = waiting("a/1", gpu_hours=1, days=0.1), waiting("b/1", gpu_hours=2, days=0.9)
    unknown = waiting("c/1", gpu_hours=None, days=0.9)
    assert names(order([unknown, large, small], NOW, POLICY)) == ["a/1", "b/1", "c/1"]
    late, early = waiting("a/1", days=0.1), waiting("b/1", days=0.2)
    assert names(order([late, early], NOW, POLICY)) == ["b/1", "a/1"]
    assert names(order([waiting("z/1"), waiting("y/1")], NOW, POLICY)) == ["y/1", "z/1"]


def test_what_failed_through_no_fault_of_its_own_is_tried_again_first_the_oldest_first():
    queued = order(
        [waiting("old/1", days=300), waiting("a/1", again=True), waiting("b/1", days=1, again=True)],
        NOW,
        POLICY,
    )

    assert names(queued) == ["b/1", "a/1", "old/1"]
    assert "the machines failed" in explain(queued[0])[0].en


def test_a_time_that_nobody_can_read_or_that_is_yet_to_come_gains_nothing():
    queued = order([waiting("x/1", days=None), waiting("y/1", days=-400), waiting("z/1")], NOW, POLICY)

    assert names(queued) == ["z/1", "y/1", "x/1"]
    assert [one.waiting_bonus for one in queued] == [0, 0, 0]


def test_who_is_over_a_quota_waits_behind_all_others_and_is_told():
    policy = QueuePolicy.model_validate({"quota": {"at_once": 2, "per_day": 3}})
    running = [
        Taken(organisation="o", sender="amelie", at=NOW - 0.5 * DAY, is_live=True),
        Taken(organisation="o", sender="basile", at=NOW - 0.5 * DAY, is_live=False),
        Taken(organisation="o", sender="basile", at=NOW - 0.5 * DAY, is_live=False),
        Taken(organisation="o", sender="basile", at=NOW - 2 * DAY, is_live=False),
    ]
    submissions = [
        waiting(f"{sender}/{number}", sender=sender, days=9, gpu_hours=number)
        for sender in ("amelie", "basile")
        for number in (1, 2)
    ]

    queued = order([*submissions, waiting("chloe/1", gpu_hours=99)], NOW, policy, running)

    assert names(queued) == ["amelie/1", "basile/1", "chloe/1", "amelie/2", "basile/2"]
    assert [one.hold for one in queued] == [None, None, None, Hold.AT_ONCE, Hold.PER_DAY]
    assert [one.held_by for one in queued[3:]] == [(2, 2), (3, 3)]
    assert "2 of 2 evaluations under way at once" in explain(queued[3])[-1].en


def test_what_is_tried_again_is_not_charged_to_the_day():
    policy = QueuePolicy.model_validate({"quota": {"per_day": 1}})
    running = [Taken(organisation="o", sender="amelie", at=NOW, is_live=False)]

    queued = order([waiting(sender="amelie", again=True)], NOW, policy, running)

    assert queued[0].hold is None


def test_a_request_without_a_sender_is_charged_to_its_organisation():
    policy = QueuePolicy.model_validate({"quota": {"at_once": 1}})

    assert [one.hold for one in order([waiting("o/1"), waiting("O/2")], NOW, policy)] == [None, Hold.AT_ONCE]


def test_the_reasons_hold_the_numbers_that_decided_in_both_languages():
    running = [Taken(organisation="org", sender="x", at=NOW - DAY, is_live=True)]
    reasons = explain(order([waiting(days=4, likes=3, votes=1)], NOW, POLICY, running)[0])

    assert tuple(one.en for one in reasons) == (
        "1 of org under way and 0 in line before it: 1 point.",
        "4 days of waiting: 2 points less.",
        "3 likes and 1 vote: 0.45 points less.",
        "In all -1.45 points, and a job of 1 GPU-hours: fewest points first, then the smaller job.",
    )
    assert "4 jours d'attente : 2 points de moins." in [one.fr for one in reasons]


@pytest.mark.parametrize(
    "wrong",
    [
        {"score_per_day": 0},
        {"shares": {"o": 0}},
        {"quota": {"at_once": 0}},
        {"nightly": "25:00"},
        {"time_zone": "Europe/Atlantis"},
        {"unknown": 1},
    ],
)
def test_a_policy_that_would_starve_somebody_or_says_nothing_is_refused(wrong):
    with pytest.raises(ValueError):
        QueuePolicy.model_validate(wrong)


submissions = st.lists(
    st.builds(
        waiting,
        model=st.tuples(st.sampled_from("abc"), st.integers(0, 3)).map(lambda pair: f"{pair[0]}/{pair[1]}"),
        days=st.none() | st.floats(-2, 60),
        likes=st.integers(0, 1000),
        sender=st.none() | st.sampled_from(["amelie", "basile"]),
        gpu_hours=st.none() | st.sampled_from([0.5, 1, 40]),
        votes=st.integers(0, 50),
        again=st.booleans(),
    ),
    max_size=12,
).map(
    lambda many: [
        dataclasses.replace(
            one, submission=dataclasses.replace(one.submission, request_path=f"{number}.json")
        )
        for number, one in enumerate(many)
    ]
)
taken = st.lists(
    st.builds(
        Taken,
        organisation=st.sampled_from("abc"),
        sender=st.sampled_from(["amelie", "basile", "a", "b"]),
        at=st.floats(0, 3).map(lambda days: NOW - days * DAY),
        is_live=st.booleans(),
    ),
    max_size=8,
)
policies = st.builds(
    lambda at_once, per_day, share: QueuePolicy.model_validate(
        {"quota": {"at_once": at_once, "per_day": per_day}, "shares": {"a": share}}
    ),
    st.none() | st.integers(1, 4),
    st.none() | st.integers(1, 4),
    st.sampled_from([0.5, 1, 3]),
)


@given(submissions, taken, policies, st.randoms())
def test_the_order_does_not_depend_on_the_order_of_reading(many, running, policy, chance: random.Random):
    mixed = many.copy()
    chance.shuffle(mixed)

    assert order(mixed, NOW, policy, running[::-1]) == order(many, NOW, policy, running)


@given(submissions, taken, policies)
def test_everybody_is_in_the_queue_once_and_has_a_reason(many, running, policy):
    queued = order(many, NOW, policy, running)

    assert sorted(one.submission.request_path for one in queued) == sorted(
        one.submission.request_path for one in many
    )
    assert [one.position for one in queued] == list(range(1, len(many) + 1))
    assert all(explain(one) for one in queued)


@given(submissions, taken, policies)
def test_nobody_starts_more_than_the_quota_and_nobody_is_held_back_below_it(many, running, policy):
    queued = order(many, NOW, policy, running)
    live = Counter(one.sender for one in running if one.is_live)
    today = Counter(one.sender for one in running if NOW - one.at < DAY)
    started = Counter(one.waiting.sender for one in queued if one.hold is None)
    charged = Counter(
        one.waiting.sender for one in queued if one.hold is None and not one.waiting.is_tried_again
    )
    may_at_once, may_per_day = policy.quota.at_once, policy.quota.per_day

    for sender, count in started.items():
        assert may_at_once is None or live[sender] + count <= may_at_once
        assert may_per_day is None or not charged[sender] or today[sender] + charged[sender] <= may_per_day
    for one in queued:
        sender = one.waiting.sender
        if one.hold is Hold.AT_ONCE:
            assert may_at_once is not None
            assert live[sender] + started[sender] >= may_at_once
        if one.hold is Hold.PER_DAY:
            assert may_per_day is not None
            assert today[sender] + charged[sender] >= may_per_day


@given(
    behind=st.integers(0, 4),
    newcomers=st.integers(1, 4),
    hours=st.sampled_from([1.0, 500.0, None]),
    per_day=st.sampled_from([0.25, 0.5, 2.0]),
)
def test_nobody_waits_for_ever_behind_newcomers_that_are_smaller_and_more_famous(
    behind, newcomers, hours, per_day
):
    policy = QueuePolicy(score_per_day=per_day)
    ours = [waiting(f"ours/{n}", path=f"ours-{n}", gpu_hours=0.1, days=1) for n in range(behind)]
    target = waiting("ours/large", path="ours-target", gpu_hours=hours)
    # Whoever comes later than this is behind it for good, whatever popularity and size they have.
    horizon = int((behind + policy.max_popularity_boost) / per_day) + 2
    bound = (newcomers + 1) * horizon + behind + 1
    queue = [*ours, target]
    for day in range(bound + 1):
        now = NOW + day * DAY
        queue += [
            waiting(f"new-{day}-{n}/1", path=f"{day}-{n}", gpu_hours=0.1, likes=10**6, votes=10**6, days=-day)
            for n in range(newcomers)
        ]
        served = order(queue, now, policy)[0].waiting  # one a day: far fewer than come
        if served is target:
            return
        queue.remove(served)
    raise AssertionError(f"not served in {bound} days")


def test_a_key_that_had_another_name_is_refused_with_the_new_name():
    with pytest.raises(ValidationError, match="'turns_per_day' is called 'score_per_day' now"):
        QueuePolicy.model_validate({"turns_per_day": 0.5})
