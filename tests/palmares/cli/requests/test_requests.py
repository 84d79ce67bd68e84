"""`palmares requests`: the queue with its reasons, new requests, and parked evaluations that go on."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import httpx
import pytest
from palmares.cli.requests import show
from palmares.hub import Hub
from palmares.leaderboard.errors import HubUnavailableError
from palmares.leaderboard.submissions.model_facts import ModelFacts
from palmares.steps.services import Services
from palmares.store.store import EvaluationState
from rich.console import Console

from tests.palmares.cli.requests.calling import Palmares, answer, call_clearml, complaint
from tests.palmares.steps.deciding import edit, publish
from tests.palmares.steps.sweeping import admit, claimed, request, request_files

GRAND = "palmares-demo/grand_eval_request_False_bfloat16_Original.json"
MOYEN = "palmares-demo/moyen_eval_request_False_torch.bfloat16_Original.json"
PETIT = "palmares-demo/petit_eval_request_False_False_False.json"
FINISHED = "autre-labo/evalue-ailleurs_eval_request_False_float16_Original.json"
NEW = "palmares-demo/petit_eval_request_False_float16_Original.json"


def test_the_list_holds_the_queue_in_its_order_with_estimates_and_reasons(
    palmares: Palmares, services: Services
) -> None:
    for path, day in ((GRAND, "03"), (MOYEN, "05"), (PETIT, "07")):
        edit(services, path, submitted_time=f"2026-01-{day}T00:00:00Z")
    before = request_files(services)

    found = answer(palmares("requests", "list", "--json"))

    rows = found["requests"]
    assert [(row["position"], row["path"]) for row in rows[:3]] == [(1, GRAND), (2, MOYEN), (3, PETIT)]
    begins = [datetime.fromisoformat(row["starts"]) for row in rows[:3]]
    assert begins[0] == datetime.fromisoformat(found["next_sweep"]) > datetime.now(UTC)
    assert begins[0] < begins[1] < begins[2]  # one machine: one after the other
    assert all("fewest points first" in row["why"][-1] for row in rows[:3])
    assert all(len(row["why_fr"]) == len(row["why"]) for row in rows[:3])
    others = {row["path"]: row for row in rows[3:]}
    assert FINISHED not in others
    assert others["modele-fantome_eval_request_False_float16_Original.json"]["why"][0].startswith(
        "not_found: "
    )
    assert (
        request_files(services),
        services.store.evaluations.find(),
        services.store.request_files.refusals(),
    ) == (
        before,
        [],
        [],
    )


def test_what_is_under_way_pushes_the_estimates_back(palmares: Palmares, services: Services) -> None:
    first = answer(palmares("requests", "list", "--json"))["requests"]
    begins = {row["path"]: row["starts"] for row in first}
    claimed(admit(services, models=["palmares-demo/grand"]))

    rows = {row["path"]: row for row in answer(palmares("requests", "list", "--json"))["requests"]}

    assert (rows[GRAND]["status"], rows[GRAND]["state"], rows[GRAND]["position"]) == (
        "RUNNING",
        "claimed",
        None,
    )
    assert rows[PETIT]["starts_at_the_earliest"]  # claimed, and nobody has planned it yet
    assert not any(row["starts_at_the_earliest"] for row in first)
    assert begins[PETIT]


def test_the_list_says_where_a_job_is_as_clearml_has_it(
    palmares: Palmares, services: Services, clearml: tuple[httpx.Client, dict[str, str]]
) -> None:
    client, environment = clearml
    submission = claimed(admit(services, models=["palmares-demo/grand"]))["grand"]
    parameter = {"section": "General", "name": "model", "value": submission.model_id}
    task = call_clearml(
        client, "tasks.create", name="grand", type="testing", hyperparams={"General": {"model": parameter}}
    )["id"]
    services.store.evaluations.record_attempt(submission.job_key, attempt=1, clearml_task_id=task, plan={})
    call_clearml(client, "tasks.enqueue", task=task)

    queued = palmares("requests", "list", env=environment)
    assert "queued, place 1 of 1." in queued.stdout
    queue = call_clearml(client, "queues.get_default")["id"]
    call_clearml(client, "queues.get_next_task", queue=queue)
    call_clearml(client, "tasks.started", task=task)
    call_clearml(client, "workers.status_report", worker="palmares:cpu0", task=task, timestamp=0)
    assert "running on palmares:cpu0 for 0:" in palmares("requests", "list", env=environment).stdout

    rows = {
        row["path"]: row
        for row in answer(palmares("requests", "list", "--json", env=environment))["requests"]
    }
    assert (rows[GRAND]["job"]["worker"], rows[GRAND]["job"]["place"]) == ("palmares:cpu0", None)
    assert rows[PETIT]["job"] is None


def test_a_clearml_that_is_away_is_named_and_the_list_is_shown(palmares: Palmares) -> None:
    shown = palmares("requests", "list", env={"CLEARML_API_HOST": "http://127.0.0.1:9"})

    assert shown.exit_code == 0
    assert "ClearML does not say what runs: http://127.0.0.1:9" in shown.stderr
    assert "palmares-demo/petit" in shown.stdout


def test_a_piped_list_has_a_line_a_request_and_cuts_nothing(palmares: Palmares) -> None:
    lines = palmares("requests", "list", env={"COLUMNS": "80"}).stdout.splitlines()

    asked = [line for line in lines if "palmares-demo/moyen " in line]
    assert len([line for line in asked if "fewest points first, then the smaller job." in line]) == 1
    assert not any("…" in line for line in lines)


def test_a_narrow_terminal_gets_lines_of_its_width_and_every_name_whole(
    palmares: Palmares, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        show, "console", Console(force_terminal=True, width=80, no_color=True, soft_wrap=True)
    )
    lines = palmares("requests", "list").stdout.splitlines()

    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert any(re.fullmatch(r"\d\. palmares-demo/moyen \(\S+\)", line) for line in plain)
    assert any(line.startswith("   PENDING, starts ") for line in plain)
    assert all(len(line) <= 80 for line in plain[:-1])


@pytest.mark.parametrize(
    ("options", "statuses"),
    [
        (["--status", "finished"], {"FINISHED"}),
        (["--status", "UNREADABLE", "--status", "FINISHED"], {"UNREADABLE", "FINISHED"}),
        (["--all"], {"FINISHED", "PENDING", "UNREADABLE"}),
        ([], {"PENDING"}),
    ],
)
def test_the_list_is_of_what_was_asked_for(
    palmares: Palmares, options: list[str], statuses: set[str]
) -> None:
    rows = answer(palmares("requests", "list", "--json", *options))["requests"]

    assert {row["status"] for row in rows} == statuses


def test_the_table_says_unknown_where_nobody_knows_and_what_will_be_refused(
    palmares: Palmares, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = Hub.model_facts

    def broken(hub: Hub, model_id: str, revision: str) -> ModelFacts:
        if model_id.endswith("/petit"):
            raise HubUnavailableError("503")
        return facts(hub, model_id, revision)

    monkeypatch.setattr(Hub, "model_facts", broken)

    shown = palmares("requests", "list")

    assert shown.exit_code == 0
    of_model = {line.split("│")[2].strip(): line for line in shown.stdout.splitlines() if line.count("│") > 4}
    assert "unknown" in of_model["palmares-demo/petit"]
    assert "The Hub does not answer" in of_model["palmares-demo/petit"]
    assert "will be refused" in of_model["palmares-demo/colosse-405b"]
    assert "fewest points first" in " ".join(shown.stdout.split())


def test_names_of_strangers_reach_no_terminal_as_markup(palmares: Palmares, services: Services) -> None:
    edit(services, PETIT, model="palmares-demo/[red]x", status="FAILED", error_msg="\x1b[31m[bold]no")

    shown = palmares("requests", "list", "--all").stdout

    assert "[red]x" in shown.replace("\n", "")
    assert "\x1b" not in shown


def test_a_model_is_shown_with_its_evaluations_and_decisions(palmares: Palmares, services: Services) -> None:
    petit = claimed(admit(services, models=["palmares-demo/petit"]))["petit"]
    assert (
        palmares("models", "flag", "palmares-demo/petit", "--reason", "Odd.", "--by", "amelie").exit_code == 0
    )

    (found,) = answer(palmares("requests", "show", "palmares-demo/petit", "--json"))["requests"]

    assert (found["request"]["path"], found["request"]["status"]) == (PETIT, "RUNNING")
    assert [one["job_key"] for one in found["evaluations"]] == [petit.job_key]
    assert [(one["action"], one["by"]) for one in found["moderation"]] == [("flagged", "amelie")]
    by_path = answer(palmares("requests", "show", PETIT, "--json"))["requests"]
    assert by_path == [found]
    assert petit.job_key in palmares("requests", "show", PETIT).stdout


def test_what_nobody_submitted_is_told(palmares: Palmares) -> None:
    assert "'org/none'" in complaint(palmares("requests", "show", "org/none"))


def test_a_model_is_added_as_the_front_end_would_and_the_next_sweep_takes_it(
    palmares: Palmares, services: Services
) -> None:
    added = answer(
        palmares(
            "requests", "add", "palmares-demo/petit", "--precision", "torch.float16", "--sender", "chloé",
            "--no-chat-template", "--json",
        )
    )  # fmt: skip

    assert (added["path"], added["status"], added["is_new"]) == (NEW, "PENDING", True)
    written = request(services, NEW)
    assert (written["model"], written["precision"], written["sender"]) == (
        "palmares-demo/petit",
        "float16",
        "chloé",
    )
    assert (written["architectures"], written["use_chat_template"]) == ("LlamaForCausalLM", False)
    taken = admit(services, models=["palmares-demo/petit"]).claimed
    assert NEW in {one.request_path for one in taken}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["../../etc/passwd"], "invalid_name"),
        (["palmares-demo/petit", "--revision", "--force"], "invalid_revision"),
        (["palmares-demo/petit", "--precision", "4bit"], "unsupported_precision"),
        (["palmares-demo/petit", "--weight-type", "../x"], "unsupported_weight_type"),
        (["palmares-demo/none"], "not_found"),
        (["autre-labo/modele-reserve"], "gated"),
        (["palmares-demo/colosse-405b", "--precision", "float16"], "too_large"),
        (["palmares-demo/resumeur-t5", "--precision", "float16"], "incompatible"),
        (["palmares-demo/petit"], "duplicate"),
        (["palmares-demo/grand", "--chat-template"], "duplicate"),
        (["palmares-demo/petit", "--precision", "float16", "--sender", "a\x07b"], "invalid_request"),
    ],
)
def test_what_would_be_refused_is_not_written(
    palmares: Palmares, services: Services, arguments: list[str], code: str
) -> None:
    before = services.hub.head(services.settings.hub.requests_repo)

    assert complaint(palmares("requests", "add", *arguments)).startswith(f"Error: {code}: ")

    assert services.hub.head(services.settings.hub.requests_repo) == before


def test_a_finished_model_gets_a_new_result_only_when_it_is_asked_for(
    palmares: Palmares, services: Services
) -> None:
    grand = claimed(admit(services, models=["palmares-demo/grand"]))["grand"]
    publish(services, grand.job_key)
    edit(services, GRAND, status="FINISHED", error_msg=None)
    before = request(services, GRAND)

    refused = complaint(palmares("requests", "add", "palmares-demo/grand", "--chat-template"))
    assert "already_evaluated" in refused
    added = answer(palmares("requests", "add", "palmares-demo/grand", "--chat-template", "--again", "--json"))

    assert (added["path"], added["status"], added["is_new"]) == (GRAND, "RERUN", False)
    after = request(services, GRAND)
    assert {name for name in after if after[name] != before.get(name)} == {
        "status",
        "revision",
        "submitted_time",
    }
    again = claimed(admit(services, run="night-2", models=["palmares-demo/grand"]))["grand"]
    assert again.run_number == 2


def test_a_new_result_of_what_another_request_has_is_asked_for_as_a_rerun(
    palmares: Palmares, services: Services
) -> None:
    other = GRAND.replace("_bfloat16_", "_torch.bfloat16_")
    edit(services, GRAND, status="CANCELLED")
    grand = claimed(admit(services, models=["palmares-demo/grand"]))["grand"]
    assert grand.request_path == other
    publish(services, grand.job_key)
    edit(services, other, status="FINISHED", error_msg=None)

    told = complaint(palmares("requests", "add", "palmares-demo/grand", "--chat-template"))
    assert "already_evaluated" in told
    assert other in told
    added = answer(palmares("requests", "add", "palmares-demo/grand", "--chat-template", "--again", "--json"))

    assert (added["path"], added["status"]) == (GRAND, "RERUN")
    again = claimed(admit(services, run="night-2", models=["palmares-demo/grand"]))["grand"]
    assert (again.request_path, again.run_number) == (GRAND, 2)


def test_a_failed_request_waits_again_once_it_is_added(palmares: Palmares, services: Services) -> None:
    path = MOYEN.replace("torch.", "")  # the file that the front end would name
    edit(services, MOYEN, status="CANCELLED")
    edit(services, path, status="FAILED", error_msg="revision_not_found: x")

    added = answer(palmares("requests", "add", "palmares-demo/moyen", "--json"))

    assert (added["path"], added["is_new"]) == (path, False)
    assert (request(services, path)["status"], request(services, path)["revision"]) == ("PENDING", "main")


def test_a_parked_evaluation_goes_on(palmares: Palmares, services: Services) -> None:
    petit = claimed(admit(services, models=["palmares-demo/petit"]))["petit"]
    services.store.evaluations.update(
        petit.job_key, state=EvaluationState.QUARANTINED, reason_code="parked", reason="The canary failed."
    )

    found = answer(palmares("requests", "unpark", "palmares-demo/petit", "--by", "amelie", "--json"))

    assert found == {
        "unparked": [{"job_key": petit.job_key, "model": "palmares-demo/petit", "was": "The canary failed."}]
    }
    assert request(services, PETIT)["status"] == "PENDING"
    assert "is parked" in complaint(palmares("requests", "unpark", "palmares-demo/petit"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "--status", "SLEEPING"], "no status SLEEPING"),
        (["list", "--hub", "ftp://hub"], "ftp://hub"),
        (["list", "--store", "postgresql://x", "--home", "/nowhere"], "Give one of them"),
        (["list", "--home", "/nowhere/at/all"], "There is no stack in /nowhere/at/all"),
        (["unpark", "org/model", "--by", "x" * 200], "--by is"),
    ],
)
def test_unusable_input_is_one_clear_line(palmares: Palmares, arguments: list[str], message: str) -> None:
    assert message in complaint(palmares("requests", *arguments))


def test_a_connection_that_is_no_json_is_told_without_its_secret(palmares: Palmares, store_url: str) -> None:
    from tests.palmares.cli.requests.calling import call

    env = {"AIRFLOW_CONN_PALMARES_DB": store_url, "AIRFLOW_CONN_HUGGINGFACE_HUB": "generic://:hf_secret@hub"}
    told = complaint(call("requests", "list", env=env))

    assert "AIRFLOW_CONN_HUGGINGFACE_HUB" in told
    assert "hf_secret" not in told


def test_a_connection_as_airflow_has_it_is_understood(demo_hub, store_url: str, services: Services) -> None:
    from tests.palmares.cli.requests.calling import call

    connection = {"conn_type": "generic", "host": demo_hub.endpoint, "password": demo_hub.token}
    env = {
        "AIRFLOW_CONN_PALMARES_DB": store_url,
        "AIRFLOW_CONN_HUGGINGFACE_HUB": json.dumps(connection),
        "HF_ENDPOINT": "",
        "HF_TOKEN": "",
    }

    assert answer(call("requests", "list", "--json", env=env))["requests"]
