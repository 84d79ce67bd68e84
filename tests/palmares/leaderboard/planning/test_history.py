"""Past jobs correct forecasts: quickly towards a known factor, hardly by an odd job."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from palmares.leaderboard.clusters import minutes
from palmares.leaderboard.planning import plan_job
from palmares.leaderboard.planning.duration import LEAST_MARGIN, Correction, History, HistoryRow
from palmares.leaderboard.settings import load_settings

from performance.hand_kept_table import facts_of, models, submission_of
from tests.fixtures.config import CONFIG_DIR

SETTINGS = load_settings(CONFIG_DIR)
LLAMA = facts_of(models()["meta-llama/Llama-3.1-8B-Instruct"])


def a_row(
    ratio: float,
    *,
    family: str = "LlamaForCausalLM",
    parameters: int = 8_000_000_000,
    predicted_s: float = 600,
) -> HistoryRow:
    return HistoryRow(
        family=family, parameters=parameters, predicted_s=predicted_s, actual_s=predicted_s * ratio
    )


def corrected(
    history: History, family: str = "LlamaForCausalLM", parameters: int = 8_000_000_000
) -> Correction:
    return history.correction(family=family, parameters=parameters, quantile=0.95, prior_margin=3.0)


def test_without_a_history_nothing_is_corrected_and_the_plan_says_so():
    assert corrected(History()) == Correction(factor=1.0, margin=3.0, rows=0)

    plan = plan_job(LLAMA, submission_of("o/m"), SETTINGS.suite(), SETTINGS.cluster("musa"))

    assert plan.expected_s == plan.estimated_s
    assert any("no history of past jobs was used" in reason for reason in plan.reasons)


@pytest.mark.parametrize("factor", [0.3, 0.5, 2.0, 3.5])
@pytest.mark.parametrize("jobs", [5, 20, 200])
def test_a_known_factor_is_learnt_within_a_fifth(factor, jobs):
    noise = random.Random(jobs)
    history = History.of(a_row(factor * math.exp(noise.gauss(0, 0.1))) for _ in range(jobs))

    assert corrected(history).factor == pytest.approx(factor, rel=0.2)


def test_factors_that_differ_by_family_and_size_are_told_apart():
    truth = {
        ("LlamaForCausalLM", 1_000_000_000): 3.0,
        ("LlamaForCausalLM", 70_000_000_000): 1.5,
        ("MixtralForCausalLM", 47_000_000_000): 0.6,
    }
    noise = random.Random(7)
    history = History.of(
        a_row(factor * math.exp(noise.gauss(0, 0.1)), family=family, parameters=parameters)
        for (family, parameters), factor in truth.items()
        for _ in range(12)
    )

    for (family, parameters), factor in truth.items():
        assert corrected(history, family, parameters).factor == pytest.approx(factor, rel=0.2)


def test_few_jobs_move_the_forecast_little_and_one_that_hung_not_at_all():
    assert 1 < corrected(History.of([a_row(4.0, family="OtherForCausalLM", parameters=10)])).factor <= 2.0

    steady = [a_row(2.0) for _ in range(9)]
    with_one_that_hung = corrected(History.of([*steady, a_row(500.0)]))
    assert with_one_that_hung.factor == pytest.approx(corrected(History.of(steady)).factor, rel=0.01)
    assert with_one_that_hung.margin <= 3.0 + 1e-9


def test_most_past_jobs_would_have_ended_within_the_wall_time():
    noise = random.Random(1)
    rows = [a_row(2.0 * math.exp(noise.gauss(0, 0.4))) for _ in range(400)]

    known = corrected(History.of(rows))

    ended = sum(row.actual_s <= row.predicted_s * known.factor * known.margin for row in rows)
    assert 0.93 <= ended / len(rows) <= 0.98


def test_a_plan_takes_the_correction_and_its_stated_quantile():
    suite, musa = SETTINGS.suite(), SETTINGS.cluster("musa")
    plain = plan_job(LLAMA, submission_of("o/m"), suite, musa)
    history = History.of(a_row(2.0) for _ in range(50))

    plan = plan_job(LLAMA, submission_of("o/m"), suite, musa, history=history)

    assert plan.estimated_s == plain.estimated_s
    assert plan.expected_s == pytest.approx(2 * plain.estimated_s, rel=0.02)
    assert plan.gpu_hours == pytest.approx(2 * plain.gpu_hours, rel=0.02)
    assert minutes(plan.walltime) * 60 >= plan.expected_s * LEAST_MARGIN
    (said,) = [reason for reason in plan.reasons if reason.startswith("Wall time")]
    assert "50 past jobs" in said
    assert "95% of such jobs" in said
    assert any("50 calculs passés" in reason for reason in plan.reasons_fr)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["A", "B"]),
            st.integers(-5, 10**12),
            st.floats(allow_nan=True, allow_infinity=True),
            st.floats(allow_nan=True, allow_infinity=True),
        ),
        max_size=12,
    ),
    st.integers(0, 10**13),
)
def test_no_history_makes_a_correction_that_is_no_number(rows, parameters):
    history = History.of(
        HistoryRow(family=family, parameters=size, predicted_s=predicted, actual_s=actual)
        for family, size, predicted, actual in rows
    )

    known = corrected(history, "A", parameters)

    assert 0 < known.factor < math.inf
    assert LEAST_MARGIN <= known.margin < math.inf
