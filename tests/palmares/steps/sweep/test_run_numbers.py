from __future__ import annotations

import pytest
from palmares.leaderboard.errors import ClaimLostError
from palmares.leaderboard.submissions.request_file import edit_request
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.services import Services
from palmares.steps.sweep.admission import Admitted, SweepOptions, admit_submissions, list_requests
from palmares.steps.sweep.planning import plan_resources
from palmares.steps.sweep.summary import summarize
from palmares.store.store import EvaluationState

from tests.palmares.steps.sweeping import claimed, request, request_files

PETIT = "palmares-demo/petit_eval_request_False_False_False.json"


def petit_of(admitted: Admitted) -> Submission:
    return claimed(admitted)["petit"]


def ask(services: Services, run: str, cancelled: list[tuple[str, str]], *, force: bool = False) -> Admitted:
    return admit_submissions(
        services,
        list_requests(services)["commit"],
        dag_run_id=run,
        options=SweepOptions(models=("palmares-demo/petit",), force=force),
        cancel_job=lambda job_key, reason: cancelled.append((job_key, reason)),
    )


def set_status(services: Services, status: str) -> None:
    repo = services.settings.hub.requests_repo
    content = edit_request(request_files(services)[PETIT], {"status": status})
    services.hub.commit_files(
        repo, {PETIT: content}, message="By hand", parent_commit=services.hub.head(repo)
    )


def state(services: Services, submission: Submission) -> EvaluationState:
    evaluation = services.store.evaluations.get(submission.job_key)
    assert evaluation is not None
    return evaluation.state


def test_force_replaces_the_live_job_of_the_older_number(services: Services) -> None:
    cancelled: list[tuple[str, str]] = []
    first = petit_of(ask(services, "night", cancelled))

    forced = petit_of(ask(services, "forced", cancelled, force=True))

    assert (first.run_number, forced.run_number) == (1, 2)
    assert cancelled == [(first.job_key, "Replaced by run forced, which asked for a new result.")]
    assert (state(services, first), state(services, forced)) == (
        EvaluationState.CANCELLED,
        EvaluationState.CLAIMED,
    )


def test_a_retry_of_the_forced_run_stays_with_its_number_and_cancels_what_it_may_have_missed(
    services: Services,
) -> None:
    cancelled: list[tuple[str, str]] = []
    first = petit_of(ask(services, "night", cancelled))
    forced = [petit_of(ask(services, "forced", cancelled, force=True)) for _ in range(2)]

    assert [one.run_number for one in forced] == [2, 2]
    assert {job_key for job_key, _ in cancelled} == {first.job_key}


def test_a_forced_run_that_died_before_its_claim_asks_for_the_same_number_again(services: Services) -> None:
    first = petit_of(ask(services, "night", []))

    def dies(job_key: str, reason: str) -> None:
        raise ConnectionError(f"no route to ClearML for {job_key}: {reason}")

    with pytest.raises(ConnectionError):
        admit_submissions(
            services,
            list_requests(services)["commit"],
            dag_run_id="forced",
            options=SweepOptions(models=("palmares-demo/petit",), force=True),
            cancel_job=dies,
        )
    cancelled: list[tuple[str, str]] = []
    forced = petit_of(ask(services, "forced", cancelled, force=True))

    assert forced.run_number == 2
    assert [job_key for job_key, _ in cancelled] == [first.job_key]


def test_a_plain_sweep_replaces_nothing(services: Services) -> None:
    cancelled: list[tuple[str, str]] = []
    first = petit_of(ask(services, "night", cancelled))
    set_status(services, "PENDING")

    assert ask(services, "night-2", cancelled).claimed == []
    assert (cancelled, state(services, first)) == ([], EvaluationState.CLAIMED)


def test_a_rerun_of_a_running_request_replaces_its_job_once(services: Services) -> None:
    cancelled: list[tuple[str, str]] = []
    first = petit_of(ask(services, "night", cancelled))
    set_status(services, "RERUN")
    commit = list_requests(services)["commit"]

    def sweep(run: str) -> Admitted:
        options = SweepOptions(models=("palmares-demo/petit",))
        return admit_submissions(
            services,
            commit,
            dag_run_id=run,
            options=options,
            cancel_job=lambda job_key, reason: cancelled.append((job_key, reason)),
        )

    second = petit_of(sweep("night-2"))
    same_commit = sweep("night-3")

    assert (second.run_number, same_commit.claimed) == (2, [])
    assert {job_key for job_key, _ in cancelled} == {first.job_key}
    assert state(services, second) is EvaluationState.CLAIMED


def test_the_replaced_runs_tasks_are_fenced_and_its_summary_leaves_the_request_alone(
    services: Services,
) -> None:
    first = petit_of(ask(services, "night", []))
    ask(services, "forced", [], force=True)

    with pytest.raises(ClaimLostError, match="Replaced by run forced"):
        plan_resources(services, first.to_json(), dag_run_id="night", cluster=None)
    summary = summarize(services, dag_run_id="night")

    assert request(services, PETIT)["status"] == "RUNNING"
    assert summary["failed"] == [
        {
            "model": "palmares-demo/petit",
            "class": "cancelled",
            "reason": "Replaced by run forced, which asked for a new result.",
        }
    ]
