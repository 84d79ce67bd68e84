from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from palmares.steps.reconcile.rules import ADOPTION_S, Action, ActionKind, decide, runs_that_matter
from palmares.steps.reconcile.sources import Job, RunFacts, SourcesOfTruth
from palmares.store.store import REPLACED, WITHDRAWN, Evaluation, EvaluationState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
K, PATH, RUN = "k" * 32, "org/model_eval_request_False_bfloat16_Original.json", "night-1"
S = EvaluationState

DELETED = RunFacts(run_id=RUN, state=None)
OVER = RunFacts(run_id=RUN, state="failed")
WAITS = RunFacts(run_id=RUN, state="running", open_groups=frozenset({K}), is_summed_up=False)
ADMITS = RunFacts(run_id=RUN, state="running", open_groups=None, is_summed_up=False)
TO_SUM_UP = RunFacts(run_id=RUN, state="running", open_groups=frozenset(), is_summed_up=False)
PAST_IT = RunFacts(run_id=RUN, state="running", open_groups=frozenset(), is_summed_up=True)


def evaluation(state: EvaluationState = S.ENQUEUED, *, age_s: float = 3600, **changed: Any) -> Evaluation:
    then = NOW - timedelta(seconds=age_s)
    fields: dict[str, Any] = {
        "job_key": K,
        "request_path": PATH,
        "model_id": "org/model",
        "revision": "a" * 40,
        "precision": "bfloat16",
        "submission": {},
        "state": state,
        "reached": S.ENQUEUED,
        "dag_run_id": RUN,
        "clearml_task_id": "t1",
        "attempt": 1,
        "plan": None,
        "failure_class": None,
        "reason_code": None,
        "reason": None,
        "scores": None,
        "created_at": then,
        "updated_at": then,
    }
    return Evaluation(**fields | changed)


def job(status: str = "in_progress", **changed: Any) -> Job:
    fields: dict[str, Any] = {
        "task_id": "t1",
        "job_key": K,
        "status": status,
        "is_live": status in {"queued", "in_progress"},
        "is_success": status == "completed",
        "attempt": 1,
        "waiter": "w",
        "stop_cause": None,
        "stop_reason": "",
        "results_attempt": None,
        "silent_s": 1.0 if status == "in_progress" else None,
        "age_s": 3600.0,
    }
    return Job(**fields | changed)


def seen(
    *evaluations: Evaluation, jobs: tuple[Job, ...] = (), run: RunFacts = OVER, running: tuple[str, ...] = ()
) -> list[Action]:
    sources = SourcesOfTruth(
        running_requests=running,
        jobs=jobs,
        evaluations=evaluations,
        runs={run.run_id: run},
        now=NOW,
        grace_s=600,
        lost_after_s=300,
    )
    return decide(sources)


def kinds(*args: Any, **more: Any) -> list[str]:
    return [action.kind.value for action in seen(*args, **more)]


@pytest.mark.parametrize("run", [WAITS, ADMITS, TO_SUM_UP], ids=["waits", "admits", "will sum up"])
@pytest.mark.parametrize("status", ["queued", "in_progress", "completed", "stopped"])
def test_what_a_live_run_holds_is_left_alone(run: RunFacts, status: str) -> None:
    found = kinds(evaluation(), jobs=(job(status),), run=run, running=(PATH,))

    assert found == (["orphan"] if run is TO_SUM_UP and status in {"queued", "in_progress"} else [])


@pytest.mark.parametrize("run", [DELETED, OVER, PAST_IT], ids=["deleted", "over", "past it"])
def test_a_job_of_a_run_that_is_gone_is_cancelled_and_its_evaluation_failed_over(run: RunFacts) -> None:
    orphan, stale = seen(evaluation(), jobs=(job(),), run=run, running=(PATH,))

    assert (orphan.kind, stale.kind, stale.path) == (ActionKind.ORPHAN, ActionKind.STALE, PATH)
    assert orphan.reason == f"nobody waits for ClearML task t1 (in_progress): {run.words}"


@pytest.mark.parametrize("young", [{"jobs": (job(age_s=5),)}, {"age_s": 5}], ids=["job", "evaluation"])
def test_a_job_that_was_just_enqueued_is_not_shot(young: dict[str, Any]) -> None:
    one = evaluation(age_s=young.get("age_s", 3600))

    assert "orphan" not in kinds(one, jobs=young.get("jobs", (job(),)), run=DELETED)


@pytest.mark.parametrize("state", [S.PUBLISHED, S.REFUSED, S.QUARANTINED, S.CANCELLED])
def test_a_live_job_of_a_settled_evaluation_is_cancelled(state: EvaluationState) -> None:
    assert kinds(evaluation(state), jobs=(job(),)) == ["orphan"]


def test_a_live_job_whose_group_said_why_it_failed_is_left_to_the_next_night_but_not_for_ever() -> None:
    failed = evaluation(S.FAILED, reason_code="poll_status", failure_class="infrastructure")
    old = evaluation(
        S.FAILED, reason_code="poll_status", failure_class="infrastructure", age_s=ADOPTION_S + 1
    )

    assert kinds(failed, jobs=(job(),)) == []
    assert kinds(old, jobs=(job(),)) == ["orphan"]


def test_a_live_job_whose_group_stopped_without_a_word_is_cancelled() -> None:
    assert kinds(evaluation(S.FAILED, failure_class="infrastructure"), jobs=(job(),)) == ["orphan"]


@pytest.mark.parametrize("code", [REPLACED, WITHDRAWN])
def test_a_job_that_was_replaced_or_withdrawn_is_cancelled_though_its_run_still_waits(code: str) -> None:
    closed = evaluation(S.CANCELLED, reason_code=code, reason="Replaced by run forced.")

    (action,) = seen(closed, jobs=(job(),), run=WAITS)

    assert action.reason.endswith("(in_progress): Replaced by run forced.")


def test_jobs_of_other_leaderboards_are_not_ours_to_judge() -> None:
    assert kinds(jobs=(job(job_key="f" * 32),)) == []


def test_nodes_that_run_on_without_their_master_are_cancelled() -> None:
    (action,) = seen(evaluation(S.PUBLISHED), jobs=(job("completed", live_children=("c1", "c2")),))

    assert action.kind is ActionKind.ORPHAN
    assert action.reason.endswith("2 of its nodes run on without their master")


@pytest.mark.parametrize(
    "done",
    [
        job("completed"),
        job("stopped", results_attempt=1),
        job("failed", results_attempt=1),
        job("in_progress", results_attempt=1, silent_s=400.0),
    ],
    ids=["completed", "stopped", "failed", "its agent is dead"],
)
def test_results_that_nobody_fetched_are_pending_and_their_job_is_kept(done: Job) -> None:
    assert kinds(evaluation(), jobs=(done,)) == ["results_pending"]


def test_a_job_that_has_uploaded_and_still_lives_is_left_to_end_by_itself() -> None:
    assert kinds(evaluation(), jobs=(job(results_attempt=1),)) == []


def test_uploads_of_an_earlier_attempt_are_no_results() -> None:
    assert kinds(evaluation(), jobs=(job("stopped", attempt=2, results_attempt=1),)) == ["stale"]


def test_a_failed_evaluation_whose_job_had_uploaded_is_not_computed_again() -> None:
    failed = evaluation(S.FAILED, reason_code="poll_status", failure_class="node_lost")
    unusable = evaluation(S.FAILED, reason_code="fetch_results", failure_class="results_incomplete")
    stopped = job("stopped", results_attempt=1)

    assert kinds(failed, jobs=(stopped,)) == ["results_pending"]
    assert kinds(failed, jobs=(job("completed"),)) == []
    assert kinds(unusable, jobs=(stopped,)) == []


@pytest.mark.parametrize("state", [S.CLAIMED, S.PLANNED, S.ENQUEUED, S.FETCHED, S.SCORED])
def test_an_evaluation_that_no_run_works_on_is_failed_over(state: EvaluationState) -> None:
    (action,) = seen(evaluation(state), run=DELETED)

    assert action.kind is ActionKind.STALE
    assert action.reason == f"left {state}: run night-1 was deleted. The next sweep takes it up."


@pytest.mark.parametrize("state", [S.ENQUEUED, S.FAILED])
def test_a_job_that_a_person_cancelled_in_airflow_is_cancelled_everywhere(state: EvaluationState) -> None:
    killed = job("stopped", stop_cause="killed", stop_reason="Marked failed")

    (action,) = seen(evaluation(state), jobs=(killed,))

    assert (action.kind, action.reason, action.path) == (ActionKind.CANCELLED, "Marked failed", PATH)
    assert seen(evaluation(state), jobs=(killed,), run=WAITS) == []


@pytest.mark.parametrize("state", [S.PUBLISHED, S.REFUSED, S.FAILED, S.CANCELLED])
def test_a_status_that_was_lost_is_written_again(state: EvaluationState) -> None:
    (action,) = seen(evaluation(state, reason_code="poll_status"), running=(PATH,))

    assert (action.kind, action.path) == (ActionKind.STATUS_LOST, PATH)
    assert seen(evaluation(state, reason_code="poll_status"), run=TO_SUM_UP, running=(PATH,)) == []


def test_a_parked_request_says_running_rightly() -> None:
    assert kinds(evaluation(S.QUARANTINED), running=(PATH,)) == []


def test_a_request_that_nobody_ever_ran_waits_again() -> None:
    (action,) = seen(running=(PATH,))

    assert (action.kind, action.path, action.evaluation) == (ActionKind.UNTRACKED, PATH, None)


def test_a_preliminary_or_replaced_evaluation_says_nothing_of_its_request() -> None:
    trial = evaluation(S.FAILED, submission={"limit_samples": 2}, job_key="1" * 32)
    replaced = evaluation(S.CANCELLED, reason_code=REPLACED, job_key="2" * 32)

    assert kinds(trial, replaced, running=(PATH,)) == ["untracked"]


def test_only_runs_that_hold_something_open_are_asked_about() -> None:
    def held(number: int, state: EvaluationState) -> Evaluation:
        name = str(number)
        return evaluation(state, job_key=name * 32, dag_run_id=name, request_path=name)

    states = [S.CLAIMED, S.PUBLISHED, S.PUBLISHED, S.PUBLISHED]
    evaluations = [held(number, state) for number, state in enumerate(states)]

    assert runs_that_matter(evaluations, [job(job_key="1" * 32)], ["2"]) == ["0", "1", "2"]
