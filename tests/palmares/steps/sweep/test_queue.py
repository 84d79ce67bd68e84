"""The queue of a sweep, over real request files: order, quotas, duplicates, and what is tried again."""

from __future__ import annotations

import dataclasses
import json
import logging
from typing import Any

import pytest
from palmares.leaderboard.submissions.policy import QueuePolicy
from palmares.steps.services import Services
from palmares.store.store import EvaluationState

from devstack.demo.seed import MODELS_DIRECTORY
from tests.fixtures.hub_server import HubServer
from tests.palmares.steps.deciding import edit, publish, write
from tests.palmares.steps.sweeping import admit, claimed, request, request_files

GRAND = "palmares-demo/grand_eval_request_False_bfloat16_Original.json"
GRAND_2 = "palmares-demo/grand_eval_request_False_torch.bfloat16_Original.json"
MOYEN = "palmares-demo/moyen_eval_request_False_torch.bfloat16_Original.json"
PETIT = "palmares-demo/petit_eval_request_False_False_False.json"


def with_queue(services: Services, **policy: Any) -> Services:
    queue = QueuePolicy.model_validate(policy)
    return dataclasses.replace(services, settings=services.settings.model_copy(update={"queue": queue}))


def names(admitted) -> list[str]:
    return [one.model_id.split("/")[1] for one in admitted.claimed]


def a_day_apart(services: Services, **fields: Any) -> None:
    """Let grand wait longest, then moyen, then petit."""
    for path, day in ((GRAND, "03"), (MOYEN, "05"), (PETIT, "07")):
        edit(services, path, submitted_time=f"2026-01-{day}T00:00:00Z", **fields)


def test_the_longest_waiting_of_an_organisation_go_first(services: Services) -> None:
    a_day_apart(services)

    assert names(admit(services)) == ["grand", "moyen", "petit"]


def test_votes_of_a_front_end_count_and_nonsense_does_not(services: Services) -> None:
    for path in (GRAND, MOYEN, PETIT):
        edit(services, path, submitted_time="2026-01-05T00:00:00Z")
    edit(services, PETIT, votes=200)
    edit(services, MOYEN, votes="1e999")
    edit(services, GRAND, votes=True)

    assert names(admit(services))[0] == "petit"


def test_what_the_machines_failed_is_the_first_of_the_next_night(services: Services) -> None:
    petit = claimed(admit(services, models=["palmares-demo/petit"]))["petit"]
    services.store.evaluations.update(
        petit.job_key, state=EvaluationState.FAILED, failure_class="node_lost", reason="x"
    )
    edit(services, PETIT, status="PENDING", error_msg="node_lost: x")

    assert names(admit(services, run="night-2"))[0] == "petit"


def test_a_quota_holds_back_and_does_not_keep_the_backlog_running(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    a_day_apart(services, sender="amelie")
    limited = with_queue(services, quota={"at_once": 2})

    first = admit(limited)

    assert (names(first), first.waiting) == (["grand", "moyen"], 0)
    second = admit(limited, run="night-2")
    assert (second.claimed, second.waiting) == ([], 0)
    assert "Held back: its sender has 2 of 2 evaluations under way at once" in caplog.text
    assert request(services, PETIT)["status"] == "PENDING"


def test_a_retry_of_the_task_takes_its_own_claims_before_any_other_and_whatever_the_quota(
    services: Services,
) -> None:
    a_day_apart(services, sender="amelie")
    limited = with_queue(services, quota={"at_once": 2, "per_day": 2})
    first = admit(limited, max_models=2)
    edit(services, PETIT, votes=10**6, submitted_time="2020-01-01T00:00:00Z")

    again = admit(limited, max_models=2)

    assert sorted(one.job_key for one in again.claimed) == sorted(one.job_key for one in first.claimed)


def test_a_person_who_names_models_keeps_to_no_quota(services: Services) -> None:
    a_day_apart(services, sender="amelie")
    limited = with_queue(services, quota={"per_day": 1})
    admit(limited, max_models=1)

    assert names(admit(limited, run="by-hand", models=["palmares-demo/petit"])) == ["petit"]


def test_each_request_of_the_queue_is_logged_with_its_reasons(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    a_day_apart(services)

    admit(services, dry_run=True)

    assert f"{MOYEN}: 0 of palmares-demo under way and 1 in line before it: 1 point." in caplog.text
    assert "GPU-hours: fewest points first" in caplog.text


def test_another_request_for_what_has_its_result_is_told_where_it_is(services: Services) -> None:
    edit(services, GRAND_2, status="CANCELLED")
    grand = claimed(admit(services, models=["palmares-demo/grand"]))["grand"]
    publish(services, grand.job_key)
    edit(services, GRAND, status="FINISHED")
    edit(services, GRAND_2, status="PENDING")

    assert admit(services, run="night-2", models=["palmares-demo/grand"]).claimed == []

    told = request(services, GRAND_2)
    assert told["status"] == "FAILED"
    assert told["error_msg"].startswith("already_evaluated: ")
    assert GRAND in told["error_msg"]


def test_a_rerun_of_another_request_is_evaluated_though_there_is_a_result(services: Services) -> None:
    edit(services, GRAND_2, status="CANCELLED")
    grand = claimed(admit(services, models=["palmares-demo/grand"]))["grand"]
    publish(services, grand.job_key)
    edit(services, GRAND, status="FINISHED")
    edit(services, GRAND_2, status="RERUN")

    again = claimed(admit(services, run="night-2", models=["palmares-demo/grand"]))["grand"]

    assert (again.request_path, again.run_number) == (GRAND_2, 2)


def test_a_file_too_large_to_be_a_request_is_refused_and_left_as_it_is(services: Services) -> None:
    path = "org/model_eval_request_False_bfloat16_Original.json"
    content = json.dumps({"model": "org/model", "status": "PENDING", "x": "y" * 2_000_000}).encode()
    write(services, path, content)

    admit(services)

    refusals = {one.request_path: one.refusal for one in services.store.request_files.refusals()}
    assert refusals[path].code == "invalid_json"
    assert request_files(services)[path] in {b"", content}  # too large to be read back


def test_two_names_that_the_hub_gives_to_one_model_are_one_submission(
    services: Services, demo_hub: HubServer, caplog: pytest.LogCaptureFixture
) -> None:
    from huggingface_hub import HfApi

    HfApi(endpoint=demo_hub.endpoint, token=demo_hub.token).move_repo(
        "palmares-demo/petit", "palmares-demo/neuf"
    )
    path = "palmares-demo/neuf_eval_request_False_bfloat16_Original.json"
    other = request(services, PETIT) | {"model": "palmares-demo/neuf", "submitted_time": None}
    write(services, path, json.dumps(other).encode())

    admitted = admit(services)

    assert PETIT in {one.request_path for one in admitted.claimed}
    assert request(services, path)["error_msg"].startswith(
        f"duplicate: The same model is already submitted in {PETIT}"
    )
    assert "the Hub calls palmares-demo/petit palmares-demo/neuf now" in caplog.text


def test_an_old_name_is_not_evaluated_again_once_the_new_one_has_its_result(
    services: Services, demo_hub: HubServer
) -> None:
    from huggingface_hub import HfApi

    HfApi(endpoint=demo_hub.endpoint, token=demo_hub.token).move_repo(
        "palmares-demo/petit", "palmares-demo/neuf"
    )
    path = "palmares-demo/neuf_eval_request_False_bfloat16_Original.json"
    other = request(services, PETIT) | {"model": "palmares-demo/neuf"}
    write(services, path, json.dumps(other).encode())
    neuf = claimed(admit(services, models=["palmares-demo/neuf"]))["neuf"]
    publish(services, neuf.job_key)

    assert admit(services, run="night-2", models=["palmares-demo/petit"]).claimed == []

    told = request(services, PETIT)["error_msg"]
    assert told.startswith("already_evaluated: ")
    assert path in told


def test_a_request_that_is_put_back_as_it_was_is_looked_at_again(
    services: Services, demo_hub: HubServer
) -> None:
    """Its model was mended on the Hub meanwhile; the file's content is one that was refused before."""
    path = "palmares-demo/resumeur-t5_eval_request_False_bfloat16_Original.json"
    before = request_files(services)[path]
    admit(services)
    assert request(services, path)["error_msg"].startswith("incompatible: ")
    write(services, path, before)

    admit(services, run="night-2")
    assert request(services, path)["error_msg"].startswith("incompatible: ")
    assert request(services, path)["status"] == "FAILED"
    write(services, path, before)
    from huggingface_hub import HfApi

    HfApi(endpoint=demo_hub.endpoint, token=demo_hub.token).upload_file(
        path_or_fileobj=(MODELS_DIRECTORY / "petit" / "config.json").read_bytes(),
        path_in_repo="config.json",
        repo_id="palmares-demo/resumeur-t5",
    )

    admit(services, run="night-3")
    assert request(services, path)["error_msg"].startswith("no_tokenizer: ")


def test_a_name_that_is_put_back_as_it_was_is_told_again(services: Services) -> None:
    path = "palmares-demo/traversee_eval_request_False_bfloat16_Original.json"
    before = request_files(services)[path]
    admit(services)
    write(services, path, before)

    admit(services, run="night-2")

    assert request(services, path)["status"] == "FAILED"


def test_a_settled_evaluation_is_told_again_to_a_request_that_is_put_back_as_it_was(
    services: Services,
) -> None:
    before = request_files(services)[PETIT]
    petit = claimed(admit(services, models=["palmares-demo/petit"]))["petit"]
    services.store.evaluations.update(
        petit.job_key,
        state=EvaluationState.REFUSED,
        failure_class="bad_model",
        reason_code="bad_model",
        reason="The files could not be loaded.",
    )
    write(services, PETIT, before)

    assert admit(services, run="night-2", models=["palmares-demo/petit"]).claimed == []

    told = request(services, PETIT)
    assert (told["status"], told["error_msg"]) == ("FAILED", "bad_model: The files could not be loaded.")
