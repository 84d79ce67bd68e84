"""The throughput model moves the right way, and by the amounts that its formula says."""

from __future__ import annotations

from typing import Any

import pytest
from palmares.leaderboard.clusters import minutes
from palmares.leaderboard.planning import JobPlan, plan_job
from palmares.leaderboard.planning.duration import carbon_kg, estimate_s, wanted_minutes
from palmares.leaderboard.planning.placement import Placement
from palmares.leaderboard.settings import load_settings
from palmares.leaderboard.suites import Suite, SuiteTask
from pydantic import ValidationError

from performance.hand_kept_table import facts_of, models, submission_of
from tests.fixtures.config import CONFIG_DIR

SETTINGS = load_settings(CONFIG_DIR)
MUSA = SETTINGS.cluster("musa")
LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


def planned(suite: Suite, model: str = LLAMA, **changes: Any) -> JobPlan:
    return plan_job(facts_of(models()[model]), submission_of(model), suite, MUSA.model_copy(update=changes))


def changed(**changes: Any) -> Suite:
    suite = SETTINGS.suite()
    (first, *others) = suite.tasks
    return suite.model_copy(update={"tasks": (first.model_copy(update=changes), *others)})


def test_the_estimate_is_load_prefill_and_decode():
    speed = MUSA.speed
    task = (
        SETTINGS.suite()
        .task("bac-fr")
        .model_copy(update={"planned_rows": 100, "max_prompt_tokens": 1000, "max_generated_tokens": 200})
    )
    suite = SETTINGS.suite().model_copy(update={"tasks": (task,)})

    found = estimate_s(
        suite,
        MUSA,
        Placement(nodes=1, tensor_parallel=2, pipeline_parallel=1),
        weights_bytes=16 * 10**9,
        active_parameters=8 * 10**9,
        kv_per_sequence=10**9,
        max_model_len=2000,
        concurrency=50,
        limit_samples=None,
    )

    load = 16e9 / speed.load_bytes_per_s
    prefill = 2 * 8e9 * 1000 * 100 / (speed.flops * 2)
    step = (8e9 + 50 * 1100 * 1e9 / 2000) / speed.memory_bytes_per_s + speed.step_s
    assert found == pytest.approx(speed.startup_s + load + prefill + 2 * 200 * step)


def test_means_shorten_the_forecast_and_thinking_lengthens_it_and_the_context():
    plain = planned(SETTINGS.suite())

    means = planned(changed(mean_prompt_tokens=200, mean_generated_tokens=50))
    thinking = planned(changed(thinking_tokens=4096))

    assert means.estimated_s < plain.estimated_s < thinking.estimated_s
    assert means.max_model_len == plain.max_model_len
    assert thinking.max_model_len == 2048 + 4096 + 1024


def test_a_task_of_log_likelihoods_cannot_think():
    task = SETTINGS.suite().task("gpqa-fr").model_dump()

    with pytest.raises(ValidationError, match="thinking_tokens has to be 0"):
        SuiteTask.model_validate({**task, "thinking_tokens": 100})


def test_fewer_samples_ask_for_less_time():
    facts, few = (
        facts_of(models()[LLAMA]),
        submission_of(LLAMA).__class__(
            **{
                **{name: getattr(submission_of(LLAMA), name) for name in submission_of(LLAMA).__slots__},
                "limit_samples": 10,
            }
        ),
    )

    assert (
        plan_job(facts, few, SETTINGS.suite(), MUSA).estimated_s < planned(SETTINGS.suite()).estimated_s / 2
    )


def test_experts_that_a_token_does_not_pass_cost_no_prefill():
    sparse = planned(SETTINGS.suite(), "Qwen/Qwen3-30B-A3B")
    dense = planned(SETTINGS.suite(), "microsoft/phi-4")

    assert sparse.parameters > 2 * dense.parameters
    assert sparse.estimated_s < dense.estimated_s


def test_more_gpus_are_taken_when_fewer_would_not_end_in_time():
    model = "mistralai/Mistral-Large-Instruct-2411"
    usual = planned(SETTINGS.suite(), model)

    hurried = planned(SETTINGS.suite(), model, max_walltime="04:00")

    assert hurried.reserved_gpus > usual.reserved_gpus
    assert minutes(hurried.walltime) <= 240
    (lost,) = [one for one in hurried.alternatives if one.reserved_gpus == usual.reserved_gpus]
    assert "longer than the longest wall time 04:00" in lost.why


def test_where_nothing_ends_in_time_the_fastest_is_taken_and_it_is_said():
    plan = planned(SETTINGS.suite(), "mistralai/Mistral-Large-Instruct-2411", max_walltime="00:30")

    assert plan.walltime == "00:30"
    assert "none ends within 00:30" in plan.reasons[0]
    assert any("cut to the longest" in reason for reason in plan.reasons)


def test_carbon_is_energy_times_the_grid_s_intensity():
    plan = planned(SETTINGS.suite())

    assert plan.carbon_kg == carbon_kg(plan.gpu_hours, MUSA)
    assert carbon_kg(10, MUSA) == pytest.approx(10 * MUSA.gpu_power_kw * MUSA.carbon_kg_per_kwh, abs=1e-3)


def test_wall_times_are_rounded_up_to_quarters_of_an_hour():
    assert wanted_minutes(60 * 10, 3.0) == 30
    assert wanted_minutes(60 * 10 + 1, 3.0) == 45
