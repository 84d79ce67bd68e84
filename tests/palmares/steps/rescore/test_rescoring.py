"""Re-scoring against a real database and a real Hub: selected, graded, gated, published once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from french_answers import GradingPolicy
from palmares.benchmarks.bac_fr.scorer import BacFrScorer
from palmares.benchmarks.scorer import DetailsRow, Grade
from palmares.leaderboard.errors import ClaimLostError, GateError, LeaderboardError
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.rescore.regrading import grade_again
from palmares.steps.rescore.republishing import republish
from palmares.steps.rescore.selection import RescoreOptions, Selected, note_scorer, select_models
from palmares.steps.rescore.summary import summarize
from palmares.steps.services import Services
from palmares.steps.sweep.outcomes import record_enqueued
from palmares.steps.sweep.planning import plan_resources
from palmares.steps.sweep.publishing import publish
from palmares.steps.sweep.results import fetch_results, post_process
from palmares.store.store import RescoringOutcome

from tests.palmares.leaderboard.results_folder import CANARY, TIMESTAMP, write_results
from tests.palmares.steps.sweeping import admit, claimed, request

RUN = "night-1"
AGAIN = "rescore-1"
MODEL = "palmares-demo/petit"
_GRADE = BacFrScorer.grade


def _grade_before(self: BacFrScorer, row: DetailsRow) -> Grade:
    """The scorer before its last correction: it read no decimals."""
    grade = _GRADE(self, row)
    if row.predictions[:1] == ("On trouve 0,5",):
        return Grade(correct=False, extracted=None, method="value", reason="Different.")
    return grade


@pytest.fixture
def old_scorer(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Put an older scorer in place; the call returns to the present one."""
    monkeypatch.setattr(BacFrScorer, "version", "0")
    monkeypatch.setattr(BacFrScorer, "code_hash", "0" * 64)
    monkeypatch.setattr(BacFrScorer, "grade", _grade_before)
    return monkeypatch.undo


@pytest.fixture
def petit(services: Services, old_scorer: Callable[[], None], tmp_path: Path) -> Submission:
    """A model whose results the older scorer graded, and which is published."""
    submission = claimed(admit(services, run=RUN))["petit"]
    plan_resources(services, submission.to_json(), dag_run_id=RUN, cluster=None)
    record_enqueued(services, submission.job_key, "c" * 32)
    folder = write_results(tmp_path / "job", submission, services.settings.suite())
    fetch_results(services, submission.to_json(), folder, attempt=1)
    post_process(services, submission.to_json())
    publish(services, submission.to_json(), dag_run_id=RUN)
    old_scorer()
    return submission


@pytest.fixture(autouse=True)
def _storage(services: Services) -> None:
    """``monkeypatch.undo`` also takes the storage's address back; the services are open by then."""


def select(services: Services, **options: Any) -> Selected:
    return select_models(services, options=RescoreOptions.model_validate(options))


def rescored(services: Services, submission: Submission, *, run: str = AGAIN) -> dict[str, Any]:
    grade_again(services, submission.job_key, dag_run_id=run)
    return republish(services, submission.job_key, dag_run_id=run)


def published_json(services: Services) -> dict[str, dict[str, Any]]:
    """The model's results files by path, the oldest first."""
    repo = services.settings.hub.results_repo
    head = services.hub.head(repo)
    paths = sorted(path for path in services.hub.list_paths(repo, commit=head) if f"{MODEL}/results_" in path)
    return {path: json.loads(services.hub.read_file(repo, path, commit=head) or b"") for path in paths}


def heads(services: Services) -> list[str]:
    repos = services.settings.hub
    return [services.hub.head(repo) for repo in (repos.requests_repo, repos.results_repo, repos.details_repo)]


def test_a_model_that_an_older_scorer_graded_is_selected_until_it_is_published(services, petit):
    selected = select(services)

    assert selected.models == [{"job_key": petit.job_key, "model_id": MODEL}]
    assert selected.waiting == 0
    rescored(services, petit)
    assert select(services).models == []
    assert select(services, force=True).models == selected.models


def test_new_scores_stand_beside_the_old_ones(services, petit):
    old = published_json(services)
    counted = grade_again(services, petit.job_key, dag_run_id=AGAIN)
    ended = republish(services, petit.job_key, dag_run_id=AGAIN)

    bac = counted["tasks"]["bac-fr"]
    assert (bac["before"], bac["after"]) == (pytest.approx(0.5), pytest.approx(0.75))
    assert (bac["rows"], bac["to_right"], bac["to_wrong"], bac["p_value"]) == (4, 1, 0, 1.0)
    assert ended["outcome"] == "published"
    new = published_json(services)
    assert len(new) == 2
    first, second = new
    assert {first: new[first]} == old  # history is kept, byte for byte readable
    assert new[second]["results"]["community|bac-fr|0"]["bac-fr-qem"] == pytest.approx(0.75)
    assert new[second]["versions"]["community|bac-fr|0|scorer"] == BacFrScorer.version
    (before,) = new[second]["palmares"]["rescoring"]["history"]
    assert before["scores"]["bac-fr"]["value"] == pytest.approx(0.5)
    assert before["scores"]["bac-fr"]["scorer_version"] == "0"


def test_graded_records_the_pointer_and_the_status_come_with_the_results(services, petit):
    rescored(services, petit)

    repos = services.settings.hub
    head = services.hub.head(repos.details_repo)
    folder = f"{MODEL}/{TIMESTAMP}"
    pointer = json.loads(
        services.hub.read_file(repos.details_repo, f"{folder}/scores.json", commit=head) or b""
    )
    results = published_json(services)
    assert pointer["results"]["path"] == list(results)[-1]
    records = services.hub.read_file(repos.details_repo, pointer["graded"]["bac-fr"], commit=head)
    assert records is not None
    verdicts = {one["row_id"]: one["correct"] for one in map(json.loads, records.splitlines())}
    assert verdicts == {"bac0": True, "bac1": True, "bac2": True, "bac3": False}
    paths = services.hub.list_paths(repos.details_repo, commit=head)
    assert f"{folder}/graded_bac-fr_{TIMESTAMP}.jsonl" in paths  # those of the older scorer
    assert request(services, petit.request_path)["status"] == "FINISHED"


def test_the_store_keeps_the_old_scores_under_their_scorers_version(services, petit):
    rescored(services, petit)

    evaluation = services.store.evaluations.get(petit.job_key)
    assert evaluation is not None
    assert evaluation.scores is not None
    assert evaluation.scores["bac-fr"]["scorer_version"] == BacFrScorer.version
    (kept,) = services.store.rescorings.find(job_key=petit.job_key)
    assert kept.previous_scores["bac-fr"]["scorer_version"] == "0"
    assert (kept.outcome, kept.scores) == (RescoringOutcome.PUBLISHED, evaluation.scores)
    assert kept.verdict_changes is not None
    assert kept.verdict_changes["bac-fr"]["to_right_ids"] == ["bac1"]


def test_every_step_may_run_twice_and_publishes_once(services, petit):
    for _ in range(2):
        grade_again(services, petit.job_key, dag_run_id=AGAIN)
    republish(services, petit.job_key, dag_run_id=AGAIN)
    before = heads(services)

    grade_again(services, petit.job_key, dag_run_id=AGAIN)
    again = republish(services, petit.job_key, dag_run_id=AGAIN)

    assert again == {"outcome": "published", "commits": {}}
    assert heads(services) == before


def test_a_crash_between_the_queue_and_the_hub_is_mended_by_a_retry(services, petit, monkeypatch):
    grade_again(services, petit.job_key, dag_run_id=AGAIN)

    def crash(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("palmares.steps.rescore.republishing.write_out", crash)
        with pytest.raises(RuntimeError):
            republish(services, petit.job_key, dag_run_id=AGAIN)
    grade_again(services, petit.job_key, dag_run_id=AGAIN)
    ended = republish(services, petit.job_key, dag_run_id=AGAIN)

    assert ended["outcome"] == "published"
    assert len(published_json(services)) == 2
    assert services.store.outbox.pending() == []


def test_what_nobody_would_see_is_not_published(services, petit):
    rescored(services, petit)
    before = heads(services)

    ended = rescored(services, petit, run="rescore-2")

    assert ended == {"outcome": "unchanged", "commits": {}}
    assert heads(services) == before


def test_other_code_of_the_same_version_with_the_same_verdicts_commits_nothing_and_is_remembered(
    services, petit, monkeypatch
):
    rescored(services, petit)
    before = heads(services)
    monkeypatch.setattr(BacFrScorer, "code_hash", "f" * 64)

    assert len(select(services).models) == 1
    assert rescored(services, petit, run="rescore-2")["outcome"] == "unchanged"
    assert heads(services) == before
    assert select(services).models == []


def test_a_dry_run_counts_and_writes_nothing(services, petit):
    before = heads(services)

    counted = grade_again(services, petit.job_key, dag_run_id=AGAIN, dry_run=True)

    assert counted["changed"] is True
    assert counted["tasks"]["bac-fr"]["to_right"] == 1
    assert services.store.rescorings.find() == []
    assert heads(services) == before
    assert len(select(services).models) == 1


def test_a_gate_parks_the_new_scores_and_the_old_ones_stand(services, petit, monkeypatch):
    def accept_all(self: BacFrScorer, row: DetailsRow) -> Grade:
        return Grade(correct=True, extracted=None, method="value", reason="Equal.")

    before = heads(services)
    monkeypatch.setattr(BacFrScorer, "grade", accept_all)
    with pytest.raises(GateError):
        grade_again(services, petit.job_key, dag_run_id=AGAIN)

    (parked,) = services.store.rescorings.find()
    assert parked.outcome is RescoringOutcome.QUARANTINED
    assert parked.reason
    assert CANARY not in parked.reason
    evaluation = services.store.evaluations.get(petit.job_key)
    assert evaluation is not None
    assert evaluation.scores is not None
    assert evaluation.scores["bac-fr"]["scorer_version"] == "0"
    assert heads(services) == before
    # Not tried again with the same scorer, unless a person asks.
    assert select(services).models == []
    assert len(select(services, models=[MODEL]).models) == 1
    failed = summarize(services, dag_run_id=AGAIN, selected=[{"job_key": petit.job_key, "model_id": MODEL}])
    assert [one["class"] for one in failed["failed"]] == ["parked"]


def test_a_model_that_is_evaluated_anew_is_left_alone(services, petit):
    grade_again(services, petit.job_key, dag_run_id=AGAIN)
    newer = claimed(admit(services, run="night-2", models=[MODEL], force=True))["petit"]
    assert newer.job_key != petit.job_key
    before = heads(services)

    assert select(services).models == []
    with pytest.raises(ClaimLostError, match="left alone"):
        republish(services, petit.job_key, dag_run_id=AGAIN)

    assert heads(services) == before
    assert services.store.rescorings.get(petit.job_key, dag_run_id=AGAIN).outcome is RescoringOutcome.SKIPPED


def test_a_request_that_waits_for_a_new_evaluation_keeps_its_status(services, petit):
    grade_again(services, petit.job_key, dag_run_id=AGAIN)
    repo = services.settings.hub.requests_repo
    head = services.hub.head(repo)
    content = services.hub.read_file(repo, petit.request_path, commit=head) or b""
    waiting = content.replace(b'"FINISHED"', b'"RERUN"')
    services.hub.commit_files(repo, {petit.request_path: waiting}, message="Again", parent_commit=head)

    with pytest.raises(ClaimLostError, match="RERUN"):
        republish(services, petit.job_key, dag_run_id=AGAIN)

    assert request(services, petit.request_path)["status"] == "RERUN"
    assert len(published_json(services)) == 1


def test_of_two_runs_that_graded_the_same_only_one_publishes(services, petit):
    for run in (AGAIN, "rescore-2"):
        grade_again(services, petit.job_key, dag_run_id=run)
    republish(services, petit.job_key, dag_run_id=AGAIN)

    with pytest.raises(ClaimLostError, match="graded again meanwhile"):
        republish(services, petit.job_key, dag_run_id="rescore-2")

    assert len(published_json(services)) == 2


def test_a_third_scorer_keeps_both_earlier_scores(services, petit, monkeypatch):
    rescored(services, petit)
    monkeypatch.setattr(BacFrScorer, "version", "99")
    monkeypatch.setattr(BacFrScorer, "code_hash", "9" * 64)

    rescored(services, petit, run="rescore-2")

    history = list(published_json(services).values())[-1]["palmares"]["rescoring"]["history"]
    assert [one["scores"]["bac-fr"]["scorer_version"] for one in history] == ["0", "3"]


def test_selection_by_name_suite_number_and_interval(services, petit):
    now = datetime.now(UTC)
    hour = timedelta(hours=1)

    assert len(select(services, models=[MODEL], suite="fr").models) == 1
    assert select(services, suite="another").models == []
    assert select(services, max_models=0) == Selected([], 1)
    assert len(select(services, accepted_after=now - hour, accepted_before=now + hour).models) == 1
    assert select(services, accepted_after=now - 2 * hour, accepted_before=now - hour).models == []
    with pytest.raises(LeaderboardError, match="organisation/name"):
        select(services, models=["palmares-demo/petti"])


def test_a_model_whose_suite_has_gained_a_task_is_left_to_a_new_evaluation(services, petit, caplog):
    suite = services.settings.suite()
    known = suite.tasks[0]
    added = known.model_copy(
        update={"name": "pr-fouras", "key": "community|pr-fouras|0", "lm_eval_task": "pr-fouras"}
    )
    grown = suite.model_copy(update={"tasks": (*suite.tasks, added)})
    settings = services.settings.model_copy(update={"suites": {**services.settings.suites, "fr": grown}})

    assert select(replace(services, settings=settings), force=True).models == []
    assert "has gained community|pr-fouras|0 since" in caplog.text


def test_hidden_rows_are_in_no_public_file(services, petit):
    rescored(services, petit)

    repos = services.settings.hub
    for repo in (repos.results_repo, repos.requests_repo):
        head = services.hub.head(repo)
        for path in services.hub.list_paths(repo, commit=head):
            assert CANARY.encode() not in (services.hub.read_file(repo, path, commit=head) or b"")


def test_the_summary_tells_what_changed_over_all_models(services, petit):
    selected = select(services).models
    rescored(services, petit)

    summary = summarize(services, dag_run_id=AGAIN, selected=selected)

    assert summary["published"] == [MODEL]
    assert summary["tasks"] == {"bac-fr": {"models": 1, "to_right": 1, "to_wrong": 0}}
    assert summary["failed"] == []
    assert "bac-fr: 1 rows became right, 0 wrong" in summary["text"]
    assert summary["moves"] == []  # alone on the leaderboard


def test_the_comparison_report_is_logged_with_ids_and_without_texts(services, petit, caplog):
    selected = select(services).models
    rescored(services, petit)
    with caplog.at_level("INFO"):
        summarize(services, dag_run_id=AGAIN, selected=selected)

    assert "**1 of 4 verdicts changed**: 1 to right, 0 to wrong, in 1 of 1 models." in caplog.text
    assert "bac1" in caplog.text
    assert CANARY not in caplog.text


def test_ranks_before_and_after_are_of_all_published_models(services, petit, tmp_path):
    """Another model, graded by the present scorer, is passed."""
    (claim,) = [one for one in services.store.evaluations.find() if one.model_id == "palmares-demo/moyen"]
    other = Submission.from_json(claim.submission)
    plan_resources(services, other.to_json(), dag_run_id=RUN, cluster=None)
    record_enqueued(services, other.job_key, "d" * 32)
    folder = write_results(tmp_path / "other", other, services.settings.suite())
    fetch_results(services, other.to_json(), folder, attempt=1)
    scores = post_process(services, other.to_json())
    between = {**scores, "bac-fr": {**scores["bac-fr"], "value": 0.6}}
    publish(services, other.to_json(), dag_run_id=RUN)
    services.store.evaluations.update(other.job_key, scores=between)
    selected = select(services, models=[MODEL]).models
    rescored(services, petit)

    moves = summarize(services, dag_run_id=AGAIN, selected=selected)["moves"]

    assert [(one["before"], one["after"]) for one in moves] == [(2, 1), (1, 2)]
    assert moves[0]["model"].startswith(MODEL)


def test_a_model_that_was_not_graded_is_a_failure_of_the_run(services, petit):
    summary = summarize(services, dag_run_id=AGAIN, selected=select(services).models)

    assert [one["class"] for one in summary["failed"]] == ["not graded"]
    assert MODEL in summary["text"]


def test_the_summary_of_a_dry_run_reads_what_its_tasks_returned(services, petit):
    selected = select(services).models
    counted = grade_again(services, petit.job_key, dag_run_id=AGAIN, dry_run=True)

    assert summarize(services, dag_run_id=AGAIN, selected=selected, dry_run=[counted])["would_change"] == [
        MODEL
    ]
    assert len(summarize(services, dag_run_id=AGAIN, selected=selected, dry_run=[])["failed"]) == 1


def test_a_scorer_is_news_until_the_next_run(services, monkeypatch):
    assert note_scorer(services, "bac-fr", dag_run_id="hour-1")
    assert not note_scorer(services, "bac-fr", dag_run_id="hour-2")
    monkeypatch.setattr(BacFrScorer, "code_hash", "f" * 64)
    assert note_scorer(services, "bac-fr", dag_run_id="hour-3")


def test_another_grading_policy_is_another_scorer_and_its_scores_are_published(services, petit):
    rescored(services, petit)
    settings = services.settings.model_copy(update={"grading": GradingPolicy(form=False)})
    stricter = replace(services, settings=settings)

    assert len(select(stricter).models) == 1
    counted = grade_again(stricter, petit.job_key, dag_run_id="rescore-2")
    ended = republish(stricter, petit.job_key, dag_run_id="rescore-2")

    assert counted["tasks"]["bac-fr"]["to_wrong"] == 1  # 0,5 for 1/2 is another form
    assert ended["outcome"] == "published"
    assert select(stricter).models == []
    assert len(select(services).models) == 1
