from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from french_answers import GradingPolicy
from palmares.benchmarks.bac_fr.scorer import BacFrScorer
from palmares.benchmarks.registry import text_scorers
from palmares.benchmarks.scorer import DetailsRow, Grade
from palmares.leaderboard.errors import (
    GateError,
    HubNotFoundError,
    RefusedError,
    ResultsFormatError,
    ResultsIncompleteError,
    StoreError,
)
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.services import Services
from palmares.steps.sweep.outcomes import record_enqueued
from palmares.steps.sweep.planning import plan_resources
from palmares.steps.sweep.publishing import publish
from palmares.steps.sweep.results import SANITY_NAME, fetch_results, post_process
from palmares.store.store import EvaluationState

from tests.palmares.leaderboard.checks.broken_scorers import BROKEN
from tests.palmares.leaderboard.results_folder import CANARY, write_results
from tests.palmares.steps.sweeping import admit, claimed, request

RUN = "night-1"


@pytest.fixture
def petit(services: Services) -> Submission:
    return claimed(admit(services, run=RUN))["petit"]


def planned(services: Services, submission: Submission) -> dict[str, Any]:
    job = plan_resources(services, submission.to_json(), dag_run_id=RUN, cluster=None)
    record_enqueued(services, submission.job_key, "c" * 32)
    return job


def fetched(services: Services, submission: Submission, folder: Path) -> dict[str, Any]:
    write_results(folder, submission, services.settings.suite())
    return fetch_results(services, submission.to_json(), folder, attempt=1)


def test_a_plan_is_the_clearml_task_to_create_with_the_names_that_workers_read(
    services: Services, petit: Submission
) -> None:
    job = planned(services, petit)

    assert (job["queue"], job["lost_after_s"]) == ("local-cpu", 120)
    assert job["job_key"] == petit.job_key
    general = job["task_spec"]["hyperparams"]["General"]
    assert (general["model"], general["revision"]) == ("palmares-demo/petit", petit.revision)
    assert general["tasks"] == "community|bac-fr|0,community|ifeval-fr|0,community|gpqa-fr|0"
    assert all(isinstance(value, str) for value in general.values())
    assert "hf_" not in json.dumps(job["task_spec"]["hyperparams"])
    assert job["task_spec"]["script"]["diff"].strip()
    evaluation = services.store.evaluations.get(petit.job_key)
    assert evaluation is not None
    assert (evaluation.plan, evaluation.clearml_task_id) == (job["plan"], "c" * 32)


def test_what_fits_nowhere_any_more_is_refused_in_its_request(services: Services) -> None:
    submission = claimed(admit(services, run=RUN))["grand"]
    local = services.settings.clusters["local"]
    smaller = local.model_copy(update={"gpu_memory_bytes": local.memory.engine_bytes + 1_000_000})
    settings = services.settings.model_copy(update={"clusters": {"local": smaller}})

    with pytest.raises(RefusedError, match="too_large"):
        planned(dataclasses.replace(services, settings=settings), submission)

    written = request(services, submission.request_path)
    assert written["status"] == "FAILED"
    assert written["error_msg"].startswith("too_large: ")
    evaluation = services.store.evaluations.get(submission.job_key)
    assert evaluation is not None
    assert evaluation.state is EvaluationState.REFUSED


def test_outputs_are_kept_scored_and_published_and_the_request_is_finished(
    services: Services, petit: Submission, tmp_path: Path
) -> None:
    planned(services, petit)
    fetched(services, petit, tmp_path / "job")
    scores = post_process(services, petit.to_json())
    published = publish(services, petit.to_json(), dag_run_id=RUN)

    assert scores["bac-fr"]["value"] == pytest.approx(0.75)  # the evaluator's own metric said 0.5
    assert request(services, petit.request_path)["status"] == "FINISHED"
    hub, repos = services.hub, services.settings.hub
    assert set(published["commits"]) == {repos.details_repo, repos.results_repo, repos.requests_repo}
    paths = hub.list_paths(repos.results_repo, commit=hub.head(repos.results_repo))
    results = next(path for path in paths if path.startswith("palmares-demo/petit/results_"))
    content = hub.read_file(repos.results_repo, results, commit=hub.head(repos.results_repo))
    assert content is not None
    document = json.loads(content)
    assert document["results"]["community|bac-fr|0"]["bac-fr-qem"] == pytest.approx(0.75)
    assert document["config_general"]["model_sha"] == petit.revision


def test_every_step_may_run_twice_and_publishes_once(
    services: Services, petit: Submission, tmp_path: Path
) -> None:
    for _ in range(2):
        planned(services, petit)
        fetched(services, petit, tmp_path / "job")
        post_process(services, petit.to_json())
    publish(services, petit.to_json(), dag_run_id=RUN)
    heads = _heads(services)

    again = publish(services, petit.to_json(), dag_run_id=RUN)

    assert all(commits == [] for commits in again["commits"].values())
    assert _heads(services) == heads


@dataclass(frozen=True)
class CountedScorer:
    """The shipped scorer, which notes each row that it grades."""

    name: str = "counted"
    version: str = "1"
    code_hash: str = "c" * 64
    graded: list[str] = field(default_factory=list)

    def grade(self, row: DetailsRow) -> Grade:
        self.graded.append(row.row_id)
        return BacFrScorer().grade(row)


def test_publishing_writes_what_was_graded_once(
    services: Services, petit: Submission, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = CountedScorer()
    monkeypatch.setattr("palmares.steps.sweep.results.text_scorers", lambda policy: {"bac-fr": scorer})
    planned(services, petit)
    fetched(services, petit, tmp_path / "job")
    scores = post_process(services, petit.to_json())
    calls = list(scorer.graded)

    publish(services, petit.to_json(), dag_run_id=RUN)

    assert set(calls) == {"bac0", "bac1", "bac2", "bac3"}
    assert scorer.graded == calls
    records = details(services, "/graded_bac-fr_")
    assert sum(record["correct"] for record in records) / len(records) == scores["bac-fr"]["value"] == 0.75
    assert {record["scorer"] for record in records} == {"counted"}


def test_a_policy_that_changes_before_publication_changes_nothing(
    services: Services, petit: Submission, tmp_path: Path
) -> None:
    planned(services, petit)
    fetched(services, petit, tmp_path / "job")
    post_process(services, petit.to_json())
    settings = services.settings.model_copy(update={"grading": GradingPolicy(form=False)})

    publish(replace(services, settings=settings), petit.to_json(), dag_run_id=RUN)

    assert sum(record["correct"] for record in details(services, "/graded_bac-fr_")) == 3


@pytest.mark.parametrize("step", [post_process, publish])
def test_outputs_that_changed_in_storage_after_they_were_accepted_are_noticed(
    services: Services, petit: Submission, tmp_path: Path, step: Any
) -> None:
    planned(services, petit)
    raw = fetched(services, petit, tmp_path / "job")
    if step is publish:
        post_process(services, petit.to_json())
    stored = next(Path(raw["raw_url"]).glob("results_*.json"))
    stored.write_bytes(stored.read_bytes().replace(b"0", b"1"))

    with pytest.raises(ResultsFormatError, match=r"it was altered after it was stored"):
        step(services, petit.to_json(), dag_run_id=RUN)

    assert request(services, petit.request_path)["status"] == "RUNNING"


@pytest.mark.parametrize("step", [post_process, publish])
def test_a_model_without_accepted_results_fails_with_the_task_to_clear(
    services: Services, petit: Submission, step: Any
) -> None:
    planned(services, petit)

    with pytest.raises(StoreError, match="Clear fetch_results of this model"):
        step(services, petit.to_json(), dag_run_id=RUN)


def test_a_model_that_was_not_graded_is_not_published(
    services: Services, petit: Submission, tmp_path: Path
) -> None:
    planned(services, petit)
    fetched(services, petit, tmp_path / "job")

    with pytest.raises(ResultsIncompleteError, match="Clear post_process of this model"):
        publish(services, petit.to_json(), dag_run_id=RUN)


def test_hidden_rows_are_in_the_private_details_only(
    services: Services, petit: Submission, demo_hub: Any, tmp_path: Path
) -> None:
    from palmares.hub import Hub

    planned(services, petit)
    fetched(services, petit, tmp_path / "job")
    post_process(services, petit.to_json())
    publish(services, petit.to_json(), dag_run_id=RUN)

    repos = services.settings.hub
    for repo in (repos.results_repo, repos.requests_repo):
        head = services.hub.head(repo)
        for path in services.hub.list_paths(repo, commit=head):
            assert CANARY.encode() not in (services.hub.read_file(repo, path, commit=head) or b"")
    with pytest.raises(HubNotFoundError):
        Hub(endpoint=demo_hub.endpoint, token=None).head(repos.details_repo)


def test_a_changed_file_is_not_accepted(services: Services, petit: Submission, tmp_path: Path) -> None:
    planned(services, petit)
    write_results(tmp_path / "job", petit, services.settings.suite())
    next((tmp_path / "job").glob("results_*.json")).write_text("{}", encoding="utf-8")

    with pytest.raises(ResultsFormatError):
        fetch_results(services, petit.to_json(), tmp_path / "job", attempt=1)


def test_outputs_of_another_attempt_are_not_accepted(
    services: Services, petit: Submission, tmp_path: Path
) -> None:
    planned(services, petit)
    write_results(tmp_path / "job", petit, services.settings.suite())

    with pytest.raises(ResultsFormatError, match="attempt"):
        fetch_results(services, petit.to_json(), tmp_path / "job", attempt=2)


def test_numbers_that_contradict_the_rows_are_parked(
    services: Services, petit: Submission, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(services, petit)
    fetched(services, petit, tmp_path / "job")

    def contradiction(*_: object, **__: object) -> None:
        raise GateError("gpqa-fr: the rows say 0.5, the manifest says 0.9")

    monkeypatch.setattr("palmares.steps.sweep.results.score_results", contradiction)
    with pytest.raises(GateError):
        post_process(services, petit.to_json())

    evaluation = services.store.evaluations.get(petit.job_key)
    assert evaluation is not None
    assert (evaluation.state, evaluation.reason) == (
        EvaluationState.QUARANTINED,
        "gpqa-fr: the rows say 0.5, the manifest says 0.9",
    )


@pytest.mark.parametrize("mistake", ["prefix", "empty_normaliser", "original"])
def test_a_broken_scorer_parks_the_model_before_anything_is_published(
    services: Services,
    petit: Submission,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    mistake: str,
) -> None:
    planned(services, petit)
    fetched(services, petit, tmp_path / "job")
    broken = {"bac-fr": BROKEN[mistake][0]}
    monkeypatch.setattr("palmares.steps.sweep.results.text_scorers", lambda policy: broken)

    with pytest.raises(GateError, match=f"scorer {mistake} 0 fails its sanity baselines"):
        post_process(services, petit.to_json(), dag_run_id=RUN)

    evaluation = services.store.evaluations.get(petit.job_key)
    assert evaluation is not None
    assert (evaluation.state, evaluation.reason_code) == (EvaluationState.QUARANTINED, "parked")
    assert evaluation.reason is not None
    assert re.search(r"right on \d of \d, at most 0 \(rows bac\d", evaluation.reason)
    assert evaluation.reason in caplog.text
    assert CANARY not in caplog.text
    with pytest.raises(HubNotFoundError):  # the demo's results repository is made by its first commit
        services.hub.head(services.settings.hub.results_repo)
    assert request(services, petit.request_path)["status"] != "FINISHED"


def test_answers_are_graded_by_the_leaderboard_s_own_policy(
    services: Services, petit: Submission, tmp_path: Path
) -> None:
    planned(services, petit)
    fetched(services, petit, tmp_path / "job")
    settings = services.settings.model_copy(update={"grading": GradingPolicy(form=False)})

    scores = post_process(replace(services, settings=settings), petit.to_json())

    assert scores["bac-fr"]["value"] == pytest.approx(0.5)  # 0,5 for 1/2 is another form
    assert scores["bac-fr"]["scorer_hash"] == text_scorers(GradingPolicy(form=False))["bac-fr"].code_hash


def test_what_the_sanity_baselines_counted_is_kept_with_the_scores(
    services: Services, petit: Submission, tmp_path: Path
) -> None:
    planned(services, petit)
    raw = fetched(services, petit, tmp_path / "job")
    post_process(services, petit.to_json())

    kept = services.raw.read_derived(raw["raw_url"], SANITY_NAME)

    assert kept is not None
    rates = json.loads(kept)
    assert {"empty", "shuffled", "gold"} <= {rate["name"] for rate in rates["bac-fr"]}
    assert CANARY.encode() not in kept


def test_a_preliminary_run_is_scored_and_not_published(services: Services, tmp_path: Path) -> None:
    submission = claimed(admit(services, run=RUN, models=["palmares-demo/petit"], limit_samples=4))["petit"]
    planned(services, submission)
    fetched(services, submission, tmp_path / "job")
    post_process(services, submission.to_json())

    assert publish(services, submission.to_json(), dag_run_id=RUN) == {
        "commits": {},
        "preliminary": True,
    }
    assert request(services, submission.request_path)["status"] == "PENDING"


def _heads(services: Services) -> list[str]:
    repos = services.settings.hub
    return [services.hub.head(repo) for repo in (repos.requests_repo, repos.results_repo, repos.details_repo)]


def details(services: Services, part: str) -> list[dict[str, Any]]:
    """Records of the only private file with *part* in its path."""
    repo_id = services.settings.hub.details_repo
    head = services.hub.head(repo_id)
    (path,) = [path for path in services.hub.list_paths(repo_id, commit=head) if part in path]
    content = services.hub.read_file(repo_id, path, commit=head)
    assert content is not None
    return [json.loads(line) for line in content.splitlines()]
