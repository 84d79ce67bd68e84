"""What attempts cost, and that sums are the attempts'."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from palmares.leaderboard.ledger import GROUPINGS, SUMS, LedgerAttempt, added_up, entry, ledger_frame, total

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
PLAN = {
    "cluster": "musa", "nodes": 2, "gpus_per_node": 2, "reserved_gpus": 4, "tensor_parallel_size": 2,
    "pipeline_parallel_size": 1,
}  # fmt: skip


def attempt(**changes: Any) -> LedgerAttempt:
    values: dict[str, Any] = {
        "job_key": "k", "model_id": "org/model", "attempt": 1, "outcome": "node_lost", "plan": PLAN,
        "started_at": NOW - timedelta(hours=5), "ended_at": NOW - timedelta(hours=1), "ran_s": 7200.0,
    }  # fmt: skip
    return LedgerAttempt(**(values | changes))


@pytest.fixture
def clusters(settings):
    musa = settings.cluster("musa").model_copy(
        update={"gpu_power_kw": 0.5, "carbon_kg_per_kwh": 0.1, "cost_per_gpu_hour": 3.0}
    )
    return {"musa": musa}


def test_an_attempt_costs_what_it_reserved_for_as_long_as_it_ran(clusters):
    found = entry(attempt(), clusters, now=NOW)

    assert (found.month, found.organisation, found.outcome) == ("2026-12", "org", "node_lost")
    assert (found.node_hours, found.gpu_hours, found.used_gpu_hours) == (4.0, 8.0, 4.0)
    assert (found.energy_kwh, found.carbon_kg, found.cost) == pytest.approx((4.0, 0.4, 24.0))
    assert found.at_most == 0


def test_where_nobody_knows_the_time_it_is_an_upper_bound_and_said_so(clusters):
    found = entry(attempt(ran_s=None), clusters, now=NOW)

    assert (found.gpu_hours, found.at_most) == (16.0, 1)


def test_a_running_attempt_costs_until_now(clusters):
    found = entry(attempt(ran_s=None, ended_at=None, outcome="running"), clusters, now=NOW)

    assert found.gpu_hours == 20.0


def test_an_attempt_that_never_began_cost_nothing(clusters):
    assert entry(attempt(ran_s=0.0), clusters, now=NOW).gpu_hours == 0


def test_a_cluster_that_is_gone_has_hours_and_no_price(clusters):
    found = entry(attempt(plan=PLAN | {"cluster": "gone"}), clusters, now=NOW)

    assert (found.gpu_hours, found.energy_kwh, found.cost) == (8.0, 0.0, 0.0)


@pytest.mark.parametrize("plan", [{}, {"nodes": "2", "gpus_per_node": None}, {"nodes": True}])
def test_a_plan_without_numbers_counts_as_one_gpu(clusters, plan):
    assert entry(attempt(plan=plan), clusters, now=NOW).gpu_hours == 2.0


def test_a_month_is_that_of_the_leaderboards_zone(clusters):
    late = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)  # 00:30 in Paris

    assert entry(attempt(ended_at=late), clusters, now=NOW).month == "2026-12"


@given(
    st.lists(
        st.builds(
            attempt,
            model_id=st.sampled_from(["a/x", "a/y", "b/z", "bare"]),
            outcome=st.sampled_from(["succeeded", "node_lost", "running"]),
            ran_s=st.none() | st.floats(0, 1e6),
            ended_at=st.integers(0, 9000).map(lambda hours: NOW - timedelta(hours=hours)),
        ),
        max_size=20,
    )
)
def test_every_way_of_adding_up_gives_the_sum_of_the_attempts(attempts):
    entries = [entry(one, {}, now=NOW) for one in attempts]
    frame = ledger_frame(entries)

    whole = total(frame)
    for name in SUMS:
        assert whole[name] == pytest.approx(sum(getattr(one, name) for one in entries))
        for by in GROUPINGS:
            assert sum(row[name] for row in added_up(frame, by)) == pytest.approx(whole[name])


def test_an_unknown_way_is_refused():
    with pytest.raises(ValueError, match="added up by month, organisation"):
        added_up(ledger_frame([]), "weather")
