"""Where a job is planned, what corrects the plan, and how Airflow shows it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from palmares.leaderboard.planning import JobPlan
from palmares.leaderboard.planning.overrides import Override, Overrides
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.services import Services
from palmares.steps.sweep.history import history_of
from palmares.steps.sweep.placement import best_plan, pinned_facts
from palmares.steps.sweep.planning import plan_resources, summary

from tests.fixtures.hub_server import HubServer
from tests.palmares.steps.sweeping import admit, claimed

RUN = "night-1"
NEIGHBOUR = "voisine"


@pytest.fixture
def petit(services: Services) -> Submission:
    return claimed(admit(services, run=RUN, models=["palmares-demo/petit"]))["petit"]


@pytest.fixture
def two(services: Services) -> Services:
    """The same with a second cluster of the default one's kind, beside the two of GPUs."""
    settings = services.settings
    neighbour = settings.cluster().model_copy(update={"name": NEIGHBOUR, "queues": {"*": "voisine-cpu"}})
    clusters = {**settings.clusters, NEIGHBOUR: neighbour}
    return dataclasses.replace(services, settings=settings.model_copy(update={"clusters": clusters}))


def planned(
    services: Services,
    submission: Submission,
    *,
    cluster: str | None = None,
    queue_depths: Callable[[], Mapping[str, int]] | None = None,
    run_url: str = "",
) -> dict[str, Any]:
    return plan_resources(
        services,
        submission.to_json(),
        dag_run_id=RUN,
        cluster=cluster,
        queue_depths=queue_depths,
        run_url=run_url,
    )


def never() -> Mapping[str, int]:
    raise AssertionError("nobody needs to know how long the queues are")


def test_the_plan_can_be_read_without_a_log(services, petit):
    job = planned(services, petit)

    plan = JobPlan.from_json(job["plan"])
    assert job["summary"] == summary(plan)
    assert job["summary"].startswith("1 x 1 GPU on local (queue local-cpu), ")
    assert f"wall time {plan.walltime}" in job["summary"]
    assert plan.reasons
    assert plan.reasons_fr
    assert plan.bytes_per_gpu["weights"] > 0


def test_the_clearml_task_carries_the_plan_without_what_lost(services, petit):
    job = planned(services, petit)

    carried = json.loads(job["task_spec"]["user_properties"]["plan"])
    assert "alternatives" not in carried
    assert JobPlan.from_json(carried) == dataclasses.replace(JobPlan.from_json(job["plan"]), alternatives=())


def test_the_clearml_task_says_where_it_comes_from_in_words_and_links(services, petit):
    url = "https://airflow.test/dags/evaluate_submissions/runs/night-1"
    spec = planned(services, petit, run_url=url)["task_spec"]

    about = spec["hyperparams"]["About"]
    assert about["Model"].startswith(f"{petit.model_id} at {petit.revision}, ")
    assert about["Airflow run"] == url
    assert about["Request"].startswith("http://127.0.0.1:")
    assert about["Request"].endswith(f"/blob/main/{petit.request_path}")
    assert about["First plan"].startswith("1 x 1 GPU on local (queue ")
    assert spec["comment"].splitlines() == [f"{name}: {value}" for name, value in about.items()]


def test_without_an_address_of_airflow_the_clearml_task_names_the_run(services, petit):
    about = planned(services, petit)["task_spec"]["hyperparams"]["About"]
    assert about["Airflow run"] == f"evaluate_submissions, {RUN}"


def test_with_one_cluster_of_its_backend_nobody_asks_for_queues(services, petit):
    assert planned(services, petit, queue_depths=never)["plan"]["cluster"] == "local"


def test_the_cluster_asked_for_is_taken(two, petit):
    assert planned(two, petit, cluster=NEIGHBOUR, queue_depths=never)["queue"] == "voisine-cpu"


def test_the_cluster_that_should_end_first_is_taken_and_the_plan_says_so(two, petit):
    job = planned(two, petit, queue_depths=lambda: {"local-cpu": 5, "voisine-cpu": 1})

    assert (job["plan"]["cluster"], job["queue"]) == (NEIGHBOUR, "voisine-cpu")
    assert any("expected completion" in reason for reason in job["plan"]["reasons"])
    assert len(job["plan"]["reasons"]) == len(job["plan"]["reasons_fr"])


def test_a_cluster_whose_queue_no_agent_serves_is_left_out(two, petit):
    assert planned(two, petit, queue_depths=lambda: {"local-cpu": 99})["queue"] == "local-cpu"


@pytest.mark.parametrize("queue_depths", [None, dict])
def test_without_news_of_the_queues_the_default_cluster_is_taken(two, petit, queue_depths):
    assert planned(two, petit, queue_depths=queue_depths)["plan"]["cluster"] == "local"


def test_a_model_too_large_for_the_default_cluster_goes_to_another(two, petit):
    tiny = two.settings.cluster().model_copy(update={"gpu_memory_bytes": 2**20})
    settings = two.settings.model_copy(update={"clusters": {**two.settings.clusters, "local": tiny}})

    job = planned(dataclasses.replace(two, settings=settings), petit)

    assert job["plan"]["cluster"] == NEIGHBOUR


def test_past_jobs_of_the_cluster_correct_the_forecast(services, petit):
    before = JobPlan.from_json(planned(services, petit)["plan"])
    for number in range(8):
        _finish(services, petit, number, plan=before, took=3.0)

    after = JobPlan.from_json(planned(services, petit)["plan"])

    assert len(history_of(services.store, cluster="local").rows) == 8
    assert after.estimated_s == before.estimated_s
    assert after.expected_s == pytest.approx(3.0 * before.estimated_s, rel=0.2)
    assert history_of(services.store, cluster="musa").rows == ()


def test_what_a_person_set_wins_and_is_seen(services, petit):
    by_hand = Overrides(by_model={"palmares-demo/petit": Override(walltime="01:45")})
    settings = services.settings.model_copy(update={"overrides": by_hand})

    job = planned(dataclasses.replace(services, settings=settings), petit)

    assert (job["plan"]["walltime"], job["run_limit_s"]) == ("01:45", 6300)
    assert job["summary"].endswith("set by hand: walltime")


def test_an_override_that_matches_no_request_is_told_with_the_nearest_name(services, caplog):
    by_hand = Overrides(by_model={"palmares-demo/pettit": Override(nodes=1)})
    settings = services.settings.model_copy(update={"overrides": by_hand})

    admit(dataclasses.replace(services, settings=settings), run=RUN, dry_run=True)

    (warning,) = [record.message for record in caplog.records if "matches no model" in record.message]
    assert "'palmares-demo/pettit'" in warning
    assert "'palmares-demo/petit'" in warning


def _finish(services: Services, like: Submission, number: int, *, plan: JobPlan, took: float) -> None:
    """Accept a job of another model that took so many times its forecast."""
    submission = dataclasses.replace(like, model_id=f"org/m{number}", request_path=f"org/m{number}.json")
    services.store.evaluations.claim(submission.to_json(), dag_run_id=RUN)
    services.store.evaluations.record_attempt(
        submission.job_key, attempt=1, clearml_task_id="c" * 32, plan=plan.to_json()
    )
    services.store.results.accept(
        submission.job_key, attempt=1, manifest={"duration_s": took * plan.estimated_s}, raw_url="file:///r"
    )


def test_an_adapter_is_planned_with_the_sizes_of_its_base(services, petit, demo_hub: HubServer):
    api = HfApi(endpoint=demo_hub.endpoint, token=demo_hub.token)
    api.create_repo("palmares-demo/fine")
    adapter = {"r": 8, "base_model_name_or_path": petit.model_id}
    files = {"adapter_config.json": json.dumps(adapter).encode(), "adapter_model.safetensors": bytes(1000)}
    done = api.create_commit(
        "palmares-demo/fine",
        [CommitOperationAdd(path_in_repo=path, path_or_fileobj=content) for path, content in files.items()],
        commit_message="Add an adapter",
    )
    base = services.hub.model_facts(petit.model_id, petit.revision)
    fine = dataclasses.replace(
        petit,
        model_id="palmares-demo/fine",
        revision=done.oid,
        weight_type="Adapter",
        base_model=petit.model_id,
        base_revision=petit.revision,
    )

    facts = pinned_facts(services, fine)

    assert (facts.model_id, facts.commit, facts.adapter) == ("palmares-demo/fine", done.oid, adapter)
    assert (facts.config, facts.weights_bytes) == (base.config, base.weights_bytes)
    assert best_plan(services, fine, cluster="musa").nodes >= 1
