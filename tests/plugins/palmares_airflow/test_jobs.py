"""ClearML's side of a reconciliation, against the embedded server; Airflow's word is given."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from clearml_provider.exceptions import ClearMLUnavailableError
from clearml_provider.operators import ClearMLEnqueueOperator
from palmares.hub import Hub
from palmares.leaderboard.errors import HubUnavailableError
from palmares.steps.reconcile.actions import RunsOf, reconcile, running_requests
from palmares.steps.reconcile.sources import RunFacts
from palmares.steps.services import Services
from palmares.steps.sweep.admission import SweepOptions, admit_submissions, list_requests
from palmares.steps.sweep.summary import without_a_told_end
from palmares.store.store import EvaluationState
from palmares_airflow.jobs import ClearMLJobs, cancel_replaced, killed_jobs

from tests.palmares.steps.sweeping import admit, claimed, request, request_files
from tests.plugins.clearml_provider.workplace import Workplace
from tests.plugins.palmares_airflow.jobs_at_work import (
    RUN,
    enqueue,
    forget_jobs,
    kill,
    petit_enqueued,
    runs,
    set_property,
    stored,
)

S = EvaluationState
DELETED = {"state": None}


@pytest.fixture(autouse=True)
def empty_cluster(clearml: Workplace, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("palmares_airflow.jobs.STOP_GRACE_S", 0)  # no agent will answer here
    forget_jobs(clearml)
    yield
    clearml.faults.clear()


def reconciled(
    services: Services,
    clearml: Workplace,
    airflow: Mapping[str, Any] = DELETED,
    *,
    run: str = "watch-1",
    dry_run: bool = False,
    runs_of: RunsOf | None = None,
) -> dict[str, Any]:
    return reconcile(
        services,
        ClearMLJobs(clearml.hook),
        runs_of or runs(**airflow),
        dag_run_id=run,
        grace_s=0,
        dry_run=dry_run,
    )


def test_the_job_of_a_deleted_run_is_cancelled_and_the_next_night_starts_its_next_attempt(
    services: Services, clearml: Workplace
) -> None:
    petit = petit_enqueued(services, clearml)
    task_id = clearml.start()

    report = reconciled(services, clearml)

    assert report["counts"] == {"orphan": 1, "stale": 1}
    task = clearml.task()
    assert (task.status.value, task.user_properties["stop_cause"]) == ("stopped", "1:orphan")
    assert "run night-1 was deleted" in task.user_properties["stop_reason"]
    assert stored(services, petit).state is S.FAILED
    written = request(services, petit.request_path)
    assert (written["status"], written["error_msg"].split(":")[0]) == ("PENDING", "infrastructure")
    assert reconciled(services, clearml, run="watch-2")["counts"] == {}
    again = claimed(admit(services, run="night-2", models=["palmares-demo/petit"]))["petit"]
    assert enqueue(services, clearml, again, run="night-2") == task_id
    assert clearml.task().attempt == 2


def test_a_queued_orphan_leaves_its_queue(services: Services, clearml: Workplace) -> None:
    petit_enqueued(services, clearml)

    reconciled(services, clearml)

    assert clearml.entries() == []


@pytest.mark.parametrize("ends", ["completes", "is stopped after its upload"])
def test_results_that_nobody_fetched_are_adopted_the_next_night_and_nothing_is_computed_again(
    services: Services, clearml: Workplace, ends: str
) -> None:
    petit = petit_enqueued(services, clearml)
    if ends == "completes":
        task_id = clearml.complete()
    else:
        task_id = clearml.start()
        set_property(clearml, task_id, "results_attempt", "1")
        clearml.call("tasks.stopped", task=task_id, force=True, status_reason="non-responsive")

    assert reconciled(services, clearml)["counts"] == {"results_pending": 1}

    assert request(services, petit.request_path)["status"] == "PENDING"
    again = claimed(admit(services, run="night-2", models=["palmares-demo/petit"]))["petit"]
    assert enqueue(services, clearml, again, run="night-2") == task_id
    task = clearml.task()
    assert (task.status.value, task.attempt, clearml.entries()) == ("completed", 1, [])


def test_what_a_person_cancelled_in_airflow_is_cancelled_in_store_and_request(
    services: Services, clearml: Workplace
) -> None:
    petit = petit_enqueued(services, clearml)
    clearml.start()
    kill(clearml)

    assert reconciled(services, clearml, {"state": "failed"})["counts"] == {"cancelled": 1}

    assert stored(services, petit).state is S.CANCELLED
    written = request(services, petit.request_path)
    assert (written["status"], written["error_msg"]) == ("CANCELLED", "cancelled: Marked failed by anna")
    assert admit(services, run="night-2", models=["palmares-demo/petit"]).claimed == []


def test_a_live_run_and_a_dry_run_change_nothing(services: Services, clearml: Workplace) -> None:
    petit = petit_enqueued(services, clearml)
    clearml.start()
    before, files = stored(services, petit), request_files(services)

    waits = {"state": "running", "open_groups": frozenset({petit.job_key}), "is_summed_up": False}
    assert reconciled(services, clearml, waits)["counts"] == {}
    report = reconciled(services, clearml, dry_run=True)

    assert report["counts"] == {"orphan": 1, "stale": 1}
    assert len(report["lines"]) == 2
    assert (stored(services, petit), request_files(services)) == (before, files)
    assert clearml.task().status.value == "in_progress"


def test_a_model_that_a_sweep_takes_up_in_the_same_moment_is_left_to_it(
    services: Services, clearml: Workplace
) -> None:
    petit = petit_enqueued(services, clearml)
    clearml.start()

    def a_sweep_is_faster(run_ids: Sequence[str]) -> dict[str, RunFacts]:
        services.store.evaluations.update(petit.job_key, state=S.FAILED, reason="the run is over")
        services.store.evaluations.claim(petit.to_json(), dag_run_id="night-2")
        return {run_id: RunFacts(run_id=run_id, state=None) for run_id in run_ids}

    assert reconciled(services, clearml, runs_of=a_sweep_is_faster)["counts"] == {}

    assert stored(services, petit).dag_run_id == "night-2"
    assert clearml.task().status.value == "in_progress"


def test_a_job_that_another_try_waits_for_by_now_is_not_cancelled(
    services: Services, clearml: Workplace
) -> None:
    petit_enqueued(services, clearml)
    set_property(clearml, clearml.start(), "waiter", "first")
    (job,) = ClearMLJobs(clearml.hook).jobs()
    set_property(clearml, job.task_id, "waiter", "second")

    assert not ClearMLJobs(clearml.hook).cancel(job, reason="nobody waits")
    assert clearml.task().status.value == "in_progress"


def test_a_request_that_nobody_runs_waits_again_and_the_outbox_is_written_first(
    services: Services, clearml: Workplace
) -> None:
    from palmares.leaderboard.submissions.request_file import edit_request

    path = next(path for path in request_files(services) if "/petit_" in path)
    repo = services.settings.hub.requests_repo
    content = edit_request(request_files(services)[path], {"status": "RUNNING"})
    services.hub.commit_files(repo, {path: content}, message="By hand", parent_commit=services.hub.head(repo))

    assert reconciled(services, clearml)["counts"] == {"untracked": 1}

    assert request(services, path)["status"] == "PENDING"


def test_only_requests_that_changed_since_the_last_time_are_read(services: Services) -> None:
    petit = claimed(admit(services, models=["palmares-demo/petit"]))["petit"]
    first, running = running_requests(services)
    before = {"commit": first, "running": running}
    assert running == [petit.request_path]
    repo = services.settings.hub.requests_repo
    assert services.hub.read_json_files(repo, commit=first, since=first) == []

    assert running_requests(services, before) == (first, running)
    claimed(admit(services, run="night-2", models=["palmares-demo/grand"]))
    later, both = running_requests(services, before)
    assert [path.split("_")[0] for path in both] == ["palmares-demo/grand", "palmares-demo/petit"]
    assert running_requests(services, {"commit": "0" * 40, "running": []}) == (later, both)


@pytest.mark.parametrize("away", ["ClearML", "Hub"])
def test_an_outage_is_one_clear_error_and_changes_nothing(
    services: Services, clearml: Workplace, away: str
) -> None:
    petit = petit_enqueued(services, clearml)
    before = stored(services, petit)
    if away == "ClearML":
        clearml.faults.away()
    else:
        services = dataclasses.replace(services, hub=Hub(endpoint="http://127.0.0.1:9", token=None))

    with pytest.raises(ClearMLUnavailableError if away == "ClearML" else HubUnavailableError):
        reconciled(services, clearml)

    clearml.faults.clear()
    assert (stored(services, petit), clearml.task().status.value) == (before, "queued")


def test_nodes_count_with_their_master_and_jobs_of_others_are_not_judged(
    services: Services, clearml: Workplace
) -> None:
    petit_enqueued(services, clearml)
    master = clearml.start()
    child = clearml.call("tasks.clone", task=master, new_task_name="node 1", new_task_parent=master)["id"]
    clearml.call("tasks.edit", task=child, system_tags=["multi_node_instance"], force=True)
    clearml.call("tasks.enqueue", task=child, queue=clearml.queue_id)
    stranger = clearml.spec | {"tags": ["palmares"]}
    ClearMLEnqueueOperator(
        task_id="enqueue", task_spec=stranger, clearml_queue=clearml.queue, idempotency_key="f" * 32
    ).execute({})

    jobs = {job.job_key: job for job in ClearMLJobs(clearml.hook).jobs()}
    assert jobs[clearml.key].live_children == (child,)
    reconciled(services, clearml)

    statuses = {task.id: task.status.value for task in clearml.hook.tasks([master, child]).values()}
    assert statuses == {master: "stopped", child: "stopped"}
    stranger_task = clearml.hook.find_by_key("f" * 32)
    assert stranger_task is not None
    assert stranger_task.status.value == "queued"


def test_a_kill_that_comes_a_moment_after_the_summary_began_is_still_found(
    services: Services, clearml: Workplace
) -> None:
    petit = petit_enqueued(services, clearml)
    clearml.start()
    triggerer = threading.Timer(0.5, kill, args=[clearml])
    triggerer.start()

    killed = killed_jobs(without_a_told_end(services, dag_run_id=RUN), patience_s=10, pause_s=0.1)

    triggerer.join()
    assert killed == {petit.job_key: "Marked failed by anna"}


def test_jobs_that_nobody_cancelled_or_that_cannot_be_asked_about_are_not_called_killed(
    services: Services, clearml: Workplace
) -> None:
    petit_enqueued(services, clearml)
    clearml.complete()

    assert killed_jobs(without_a_told_end(services, dag_run_id=RUN), patience_s=0) == {}


def test_force_stops_the_live_job_and_says_why_on_it(services: Services, clearml: Workplace) -> None:
    first = petit_enqueued(services, clearml)
    clearml.start()

    forced = claimed(
        admit_submissions(
            services,
            list_requests(services)["commit"],
            dag_run_id="forced",
            options=SweepOptions(models=("palmares-demo/petit",), force=True),
            cancel_job=cancel_replaced,
        )
    )["petit"]

    task = clearml.task()
    assert (task.status.value, task.user_properties["stop_cause"]) == ("stopped", "1:forced")
    assert task.user_properties["stop_reason"].startswith("Replaced by run forced")
    assert (stored(services, first).state, forced.run_number) == (S.CANCELLED, 2)
    enqueue(services, clearml, forced, run="forced")
    assert len(clearml.entries()) == 1
