"""The cluster that should be done first is chosen; unknown queues and refusals do not get in the way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from palmares.leaderboard.errors import RefusedError
from palmares.leaderboard.planning import JobPlan, plan_job
from palmares.leaderboard.planning.choice import choose_cluster
from palmares.leaderboard.settings import load_settings
from palmares.leaderboard.submissions.refusals import refused

from performance.hand_kept_table import facts_of, models, submission_of
from tests.fixtures.config import CONFIG_DIR

SETTINGS = load_settings(CONFIG_DIR)
CLUSTERS = SETTINGS.clusters
TOO_LARGE = refused("too_large", name="o/m", cluster="musa", detail="it is")
LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


def plans(*names: str) -> dict[str, JobPlan | RefusedError]:
    facts = facts_of(models()[LLAMA])
    return {
        name: plan_job(facts, submission_of(LLAMA), SETTINGS.suite(), SETTINGS.cluster(name))
        for name in names
    }


def with_times(
    found: dict[str, JobPlan | RefusedError], **expected_s: float
) -> dict[str, JobPlan | RefusedError]:
    changed = dict(found)
    for name, seconds in expected_s.items():
        plan = found[name]
        assert isinstance(plan, JobPlan)
        changed[name] = replace(plan, expected_s=seconds)
    return changed


def test_with_empty_queues_the_faster_cluster_is_chosen():
    choice = choose_cluster(with_times(plans("chuc", "musa"), chuc=600, musa=700), {}, clusters=CLUSTERS)

    assert [one.plan.cluster for one in choice.ranking] == ["chuc", "musa"]
    assert "chuc in 10 minutes" in choice.reason.en
    assert "queues not known" in choice.reason.en
    assert "files inconnues" in choice.reason.fr


def test_of_two_about_as_early_the_one_with_fewer_gpu_hours_is_chosen():
    choice = choose_cluster(with_times(plans("chuc", "musa"), chuc=600, musa=650), {}, clusters=CLUSTERS)

    musa, chuc = choice.ranking
    assert (choice.plan.cluster, musa.plan.cluster) == ("musa", "musa")
    assert musa.plan.gpu_hours < chuc.plan.gpu_hours


def test_a_long_queue_sends_the_job_elsewhere_by_what_it_holds():
    first = choose_cluster(plans("chuc", "musa"), {}, clusters=CLUSTERS).plan.cluster
    other = "musa" if first == "chuc" else "chuc"
    depths = {queue: 0 for name in ("musa", "chuc") for queue in CLUSTERS[name].queues.values()}
    depths[max(CLUSTERS[first].queues.values())] = 40

    choice = choose_cluster(plans("chuc", "musa"), depths, clusters=CLUSTERS)

    assert choice.plan.cluster == other
    assert f"{first} in" in choice.reason.en
    assert "40 jobs ahead" in choice.reason.en
    assert "0 calculs devant" in choice.reason.fr


def test_jobs_of_wide_queues_weigh_more():
    def wait(queue: str) -> float:
        (one,) = choose_cluster(plans("musa"), {queue: 3}, clusters=CLUSTERS).ranking
        return one.wait_s

    assert wait("musa-6-nodes") == pytest.approx(6 * wait("musa-1-node"))


def test_a_cluster_that_refuses_is_left_out():
    choice = choose_cluster({"musa": TOO_LARGE, **plans("chuc")}, {}, clusters=CLUSTERS)

    assert choice.plan.cluster == "chuc"
    assert choice.refusals == {"musa": TOO_LARGE}


def test_a_cluster_whose_limit_is_too_short_comes_last():
    short = CLUSTERS["musa"].model_copy(update={"max_walltime": "00:00", "min_walltime": "00:00"})

    choice = choose_cluster(plans("chuc", "musa"), {}, clusters={**CLUSTERS, "musa": short})

    assert choice.plan.cluster == "chuc"
    assert "longer than its longest wall time" in choice.reason.en


def test_where_none_can_run_it_the_largest_s_refusal_is_told():
    other = refused("incompatible", name="o/m", detail="x", advice="y")

    with pytest.raises(RefusedError) as caught:
        choose_cluster({"chuc": other, "musa": TOO_LARGE}, {}, clusters=CLUSTERS)

    assert caught.value is TOO_LARGE
