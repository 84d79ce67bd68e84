from __future__ import annotations

import json
import threading
from datetime import UTC, datetime

import pytest
from palmares.hub import Hub
from palmares.leaderboard.errors import HubUnavailableError, LeaderboardError, RunFormError, SettingsError
from palmares.leaderboard.submissions.model_facts import ModelFacts
from palmares.steps.services import Services
from palmares.steps.sweep.admission import SweepOptions, check_form, list_requests, planned_table
from palmares.store.store import EvaluationState

from tests.palmares.steps.sweeping import admit, claimed, request, request_files

GRAND = "palmares-demo/grand_eval_request_False_bfloat16_Original.json"
PETIT = "palmares-demo/petit_eval_request_False_False_False.json"
BROKEN = "palmares-demo/casse_eval_request_False_bfloat16_Original.json"
FINISHED = "autre-labo/evalue-ailleurs_eval_request_False_float16_Original.json"

ADMITTED = {"grand", "moyen", "petit"}

REFUSED = {
    "palmares-demo/traversee_eval_request_False_bfloat16_Original.json": "invalid_name",
    "palmares-demo/grand_eval_request_False_torch.bfloat16_Original.json": "duplicate",
    "modele-fantome_eval_request_False_float16_Original.json": "not_found",
    "autre-labo/modele-reserve_eval_request_False_bfloat16_Original.json": "gated",
    "palmares-demo/moyen_eval_request_False_bfloat16_Original.json": "revision_not_found",
    "palmares-demo/resumeur-t5_eval_request_False_bfloat16_Original.json": "incompatible",
    "palmares-demo/colosse-405b_eval_request_False_bfloat16_Original.json": "too_large",
}


def test_the_twelve_requests_are_claimed_or_refused_each_for_its_own_reason(services: Services) -> None:
    admitted = admit(services)

    assert set(claimed(admitted)) == ADMITTED
    reasons = {
        refusal.request_path: refusal.refusal.code for refusal in services.store.request_files.refusals()
    }
    assert reasons == REFUSED | {BROKEN: "invalid_json"}
    assert len(request_files(services)) == 12


def test_a_refused_request_says_why_and_is_otherwise_unchanged(services: Services) -> None:
    before = request_files(services)

    admit(services)

    after = request_files(services)
    for path, code in REFUSED.items():
        old, new = json.loads(before[path]), json.loads(after[path])
        assert new["status"] == "FAILED"
        assert new["error_msg"].startswith(f"{code}: ")
        # A number as job_id is an older program's: it becomes the text that a ClearML task's id is.
        expected = {**old, "job_id": str(old["job_id"])} if "job_id" in old else dict(old)
        written = {"status", "error_msg"}
        assert {key: value for key, value in new.items() if key not in written} == {
            key: value for key, value in expected.items() if key not in written
        }
        assert list(new)[: len(old)] == list(old)
    for path in (BROKEN, FINISHED):
        assert after[path] == before[path]


def test_a_claimed_request_is_running_at_a_frozen_commit_and_keeps_unknown_fields(services: Services) -> None:
    before = json.loads(request_files(services)[PETIT])

    submissions = claimed(admit(services))

    grand, petit = request(services, GRAND), request(services, PETIT)
    assert (grand["status"], grand["revision"]) == ("RUNNING", submissions["grand"].revision)
    assert len(grand["revision"]) == 40
    assert submissions["grand"].requested_revision == "main"
    written = {"status", "revision", "job_start_time", "error_msg"}
    assert {key: petit[key] for key in before if key not in written} == {
        key: before[key] for key in before if key not in written
    }


def test_a_retry_of_the_task_claims_the_same_again(services: Services) -> None:
    first = admit(services)
    again = admit(services)

    assert [one.job_key for one in again.claimed] == [one.job_key for one in first.claimed]


def test_the_next_night_takes_nothing_that_is_under_way_or_refused(services: Services) -> None:
    admit(services)
    files = request_files(services)

    assert admit(services, run="night-2").claimed == []
    assert request_files(services) == files


def test_of_two_runs_at_once_one_takes_all(services: Services) -> None:
    results = {}

    def sweep(run: str) -> None:
        results[run] = claimed(admit(services, run=run))

    threads = [threading.Thread(target=sweep, args=(f"night-{number}",)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(set, results.values()), key=len) == [set(), ADMITTED]


def test_a_run_takes_no_more_than_it_may_and_says_how_many_wait(services: Services) -> None:
    admitted = admit(services, max_models=2)

    assert len(admitted.claimed) == 2
    assert admitted.waiting == 1
    assert len(admit(services, run="night-2").claimed) == 1


def test_a_dry_run_writes_and_claims_nothing(services: Services) -> None:
    files = request_files(services)

    admitted = admit(services, dry_run=True)
    assert admitted.claimed == []
    table = planned_table(admitted.planned)
    assert table.splitlines()[0] == "| model | place | GPU-hours | start |"
    assert all(one.model in table and one.start in table for one in admitted.planned)
    assert {one.model for one in admitted.planned} >= {"palmares-demo/petit", "palmares-demo/moyen"}

    assert request_files(services) == files
    assert services.store.evaluations.find() == []
    assert services.store.request_files.refusals() == []


def test_every_wrong_field_of_the_form_is_named_together(services: Services) -> None:
    commit = list_requests(services)["commit"]
    options = SweepOptions(
        suite="frr", cluster="musaa", models=("palmares-demo/petti", "palmares-demo/petit")
    )

    with pytest.raises(RunFormError) as caught:
        check_form(services, commit, options)

    suite, cluster, model = str(caught.value).splitlines()
    assert suite.startswith("suite: 'frr' does not exist. Take one of ")
    assert cluster.startswith("cluster: 'musaa' does not exist. Take one of ")
    assert model.endswith("names 'palmares-demo/petti'. Did you mean palmares-demo/petit?")


def test_a_form_with_names_that_exist_passes(services: Services) -> None:
    commit = list_requests(services)["commit"]
    suite, cluster = services.settings.default_suite, services.settings.default_cluster
    check_form(services, commit, SweepOptions(suite=suite, cluster=cluster, models=("palmares-demo/petit",)))


def test_only_named_models_are_touched(services: Services) -> None:
    admitted = admit(services, models=["palmares-demo/petit"])

    assert set(claimed(admitted)) == {"petit"}
    assert services.store.request_files.refusals() == []


def test_a_backfill_selects_by_the_time_of_submission(services: Services) -> None:
    petit = request(services, PETIT)
    day = datetime.fromisoformat(petit["submitted_time"]).replace(tzinfo=UTC)
    start = day.replace(hour=0, minute=0, second=0, microsecond=0)

    admitted = admit(services, submitted_after=start, submitted_before=day.replace(hour=23, minute=59))

    assert "petit" in claimed(admitted)
    for submission in admitted.claimed:
        assert submission.submitted_time is not None
        assert submission.submitted_time.startswith(f"{start:%Y-%m-%d}")


def test_force_evaluates_again_under_a_new_key_and_a_retry_of_that_run_stays_with_it(
    services: Services,
) -> None:
    first = claimed(admit(services, models=["palmares-demo/petit"]))["petit"]
    _publish(services, first.job_key)
    _set_status(services, PETIT, "FINISHED")

    forced = claimed(admit(services, run="forced", force=True, models=["palmares-demo/petit"]))["petit"]
    again = claimed(admit(services, run="forced", force=True, models=["palmares-demo/petit"]))["petit"]

    assert (first.run_number, forced.run_number, again.run_number) == (1, 2, 2)
    assert forced.job_key == again.job_key != first.job_key


def test_force_without_names_does_not_evaluate_the_whole_history_again(services: Services) -> None:
    _set_status(services, PETIT, "FINISHED")

    assert set(claimed(admit(services, force=True))) == ADMITTED - {"petit"}


def test_a_trial_may_take_a_finished_model_by_name(services: Services) -> None:
    _set_status(services, PETIT, "FINISHED")

    assert set(claimed(admit(services, models=["palmares-demo/petit"], limit_samples=2))) == {"petit"}
    assert request(services, PETIT)["status"] == "FINISHED"


def test_a_pending_request_that_has_its_result_is_finished_without_evaluating(services: Services) -> None:
    first = claimed(admit(services, models=["palmares-demo/petit"]))["petit"]
    _publish(services, first.job_key)
    _set_status(services, PETIT, "PENDING")

    assert admit(services, run="night-2", models=["palmares-demo/petit"]).claimed == []
    assert request(services, PETIT)["status"] == "FINISHED"


@pytest.mark.parametrize("limit", [1, 8])
def test_a_preliminary_run_leaves_the_request_as_it_is(services: Services, limit: int) -> None:
    before = request_files(services)

    admitted = admit(services, models=["palmares-demo/petit"], limit_samples=limit)

    assert set(claimed(admitted)) == {"petit"}
    assert request_files(services)[PETIT] == before[PETIT]


def test_a_rerun_that_failed_goes_on_and_is_not_called_finished(services: Services) -> None:
    first = claimed(admit(services, models=["palmares-demo/petit"]))["petit"]
    _publish(services, first.job_key)
    _set_status(services, PETIT, "RERUN")
    rerun = claimed(admit(services, run="night-2", models=["palmares-demo/petit"]))["petit"]
    services.store.evaluations.update(rerun.job_key, state=EvaluationState.FAILED)
    _set_status(services, PETIT, "PENDING")

    again = claimed(admit(services, run="night-3", models=["palmares-demo/petit"]))["petit"]

    assert (first.run_number, rerun.run_number, again.run_number) == (1, 2, 2)


def test_a_model_refused_for_its_own_fault_has_another_chance_once_resubmitted(services: Services) -> None:
    first = claimed(admit(services, models=["palmares-demo/petit"]))["petit"]
    services.store.evaluations.update(first.job_key, state=EvaluationState.REFUSED, failure_class="bad_model")
    _set_status(services, PETIT, "PENDING")

    again = claimed(admit(services, run="night-2", models=["palmares-demo/petit"]))["petit"]

    assert again.run_number == 2


def test_a_duplicate_of_a_cancelled_request_has_its_turn(services: Services) -> None:
    first = claimed(admit(services, models=["palmares-demo/grand"]))["grand"]
    services.store.evaluations.update(first.job_key, state=EvaluationState.CANCELLED)
    _set_status(services, GRAND, "CANCELLED")
    _set_status(services, GRAND.replace("_bfloat16_", "_torch.bfloat16_"), "PENDING")

    again = claimed(admit(services, run="night-2", models=["palmares-demo/grand"]))["grand"]

    assert again.request_path != first.request_path


def test_other_json_in_the_dataset_is_left_alone(services: Services) -> None:
    _commit(services, "dataset_infos.json", b'{"foo": 1}')

    admit(services)

    assert request_files(services)["dataset_infos.json"] == b'{"foo": 1}'


def test_one_model_that_the_hub_cannot_tell_about_stops_nobody_else(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = Hub.model_facts

    def broken(hub: Hub, model_id: str, revision: str) -> ModelFacts:
        if model_id.endswith("/moyen"):
            raise HubUnavailableError("503")
        return facts(hub, model_id, revision)

    monkeypatch.setattr(Hub, "model_facts", broken)
    before = request_files(services)

    assert set(claimed(admit(services))) == ADMITTED - {"moyen"}
    moyen = [path for path in before if "/moyen" in path]
    assert [request_files(services)[path] for path in moyen] == [before[path] for path in moyen]


def test_a_hub_that_answers_about_no_model_is_an_outage(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> ModelFacts:
        raise HubUnavailableError("503")

    monkeypatch.setattr(Hub, "model_facts", broken)

    with pytest.raises(HubUnavailableError):
        admit(services)


def test_a_misspelt_model_is_named(services: Services) -> None:
    with pytest.raises(LeaderboardError, match="palmares-demo/pettit"):
        admit(services, models=["palmares-demo/pettit"])


def test_an_unknown_cluster_is_named_before_anything_is_refused(services: Services) -> None:
    with pytest.raises(SettingsError, match="nowhere"):
        admit(services, cluster="nowhere")

    assert services.store.request_files.refusals() == []


def _publish(services: Services, job_key: str) -> None:
    for state in ("planned", "enqueued", "fetched", "scored", "published"):
        services.store.evaluations.update(
            job_key, state=EvaluationState(state), scores={"bac-fr": {"value": 0.5}}
        )


def _set_status(services: Services, path: str, status: str) -> None:
    from palmares.leaderboard.submissions.request_file import edit_request

    _commit(services, path, edit_request(request_files(services)[path], {"status": status}))


def _commit(services: Services, path: str, content: bytes) -> None:
    repo = services.settings.hub.requests_repo
    head = services.hub.head(repo)
    services.hub.commit_files(repo, {path: content}, message="By hand", parent_commit=head)
