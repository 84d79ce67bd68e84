"""The public leaderboard, from a real store to a real Hub: whole, quiet, and nothing hidden in it."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest
import yaml
from palmares.leaderboard.errors import GateError, HubNotFoundError
from palmares.leaderboard.publishing import CONTENTS_PATH, Provenance
from palmares.leaderboard.publishing.hidden import hidden_lines
from palmares.leaderboard.submissions.moderation import Moderation, ModerationAction
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.leaderboard.publish import is_quiet, publish_leaderboard, read_contents
from palmares.steps.services import Services
from palmares.steps.sweep.outcomes import record_enqueued
from palmares.steps.sweep.planning import plan_resources
from palmares.steps.sweep.publishing import publish
from palmares.steps.sweep.results import fetch_results, post_process
from palmares.store.store import EvaluationState

from tests.palmares.leaderboard.results_folder import CANARY, write_results
from tests.palmares.steps.sweeping import admit, claimed

RUN = "night-1"
FILES = {"README.md", CONTENTS_PATH, "charts/scores.png", "charts/cost.png"}
EVERY_TARGET = {
    "eval_results": {"enabled": True, "benchmarks": {"bac-fr": {"id": "org/bac-fr", "task_id": "bac"}}},
    "every_eval_ever": {"enabled": True},
}


@pytest.fixture
def services(services: Services) -> Services:
    """The same, without waiting for others to share a commit with."""
    settings = services.settings
    hub = settings.hub.model_copy(update={"linger_s": 0.0})
    return dataclasses.replace(services, settings=settings.model_copy(update={"hub": hub}))


@pytest.fixture
def submissions(services: Services) -> dict[str, Submission]:
    return claimed(admit(services, run=RUN))


@pytest.fixture
def publish_model(
    services: Services, submissions: dict[str, Submission], tmp_path: Path
) -> Callable[..., Path]:
    """Bring a model from its claim to the Hub; return its outputs' folder."""

    def run(name: str, *, until: str = "publish", using: Services | None = None) -> Path:
        at, submission = using or services, submissions[name]
        plan_resources(at, submission.to_json(), dag_run_id=RUN, cluster=None)
        record_enqueued(at, submission.job_key, "c" * 32)
        folder = write_results(tmp_path / f"job-{name}", submission, at.settings.suite())
        fetch_results(at, submission.to_json(), folder, attempt=1)
        post_process(at, submission.to_json())
        if until == "publish":
            publish(at, submission.to_json(), dag_run_id=RUN)
        return folder

    return run


def hub_files(services: Services, repo_id: str) -> dict[str, bytes]:
    head = services.hub.head(repo_id)
    paths = services.hub.list_paths(repo_id, commit=head)
    return {path: services.hub.read_file(repo_id, path, commit=head) or b"" for path in paths}


def rows_of(services: Services) -> list[dict[str, Any]]:
    content = hub_files(services, services.settings.contents_repo)[CONTENTS_PATH]
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(content)).to_pylist()
    return rows


def decide(services: Services, model_id: str, action: ModerationAction, new: str | None = None) -> None:
    services.store.moderation.decide(
        Moderation(
            model_id=model_id,
            action=action,
            reason="trained on the test",
            link="https://example.org/why",
            new_model_id=new,
            at=datetime.now(UTC),
            by="someone",
        )
    )


def test_the_leaderboard_is_a_table_a_card_and_charts_in_one_commit(
    services: Services, publish_model: Callable[..., Path]
) -> None:
    publish_model("petit")
    publish_model("grand")

    done = publish_leaderboard(services)

    repo = services.settings.contents_repo
    assert (done["models"], done["ranked"], done["incomplete"]) == (2, 2, {})
    assert [len(done["commits"][repo]), set(done["changed"])] == [1, FILES]
    files = hub_files(services, repo)
    assert set(files) - {".gitattributes"} == FILES
    rows = rows_of(services)
    assert [row["fullname"] for row in rows] == ["palmares-demo/grand", "palmares-demo/petit"]
    assert f'href="{services.hub.endpoint}/palmares-demo/grand"' in rows[0]["Model"]  # this Hub, not another
    assert [row["BAC-fr Raw"] for row in rows] == [0.75, 0.75]
    assert rows[1]["Type"] == "🟢 pretrained"
    assert rows[1]["Hub License"] == "apache-2.0"
    assert rows[1]["Architecture"] == "LlamaForCausalLM"
    assert rows[1]["Upload To Hub Date"] is not None
    header = yaml.safe_load(files["README.md"].decode().split("---\n")[1])
    assert header["configs"][0]["data_files"] == [{"split": "train", "path": CONTENTS_PATH}]


def test_nothing_new_makes_no_commit_and_queues_nothing(
    services: Services, publish_model: Callable[..., Path]
) -> None:
    publish_model("petit")
    publish_leaderboard(services)
    head = services.hub.head(services.settings.contents_repo)

    again = publish_leaderboard(services)

    assert (again["changed"], again["commits"]) == ([], {})
    assert services.hub.head(services.settings.contents_repo) == head


def test_a_leaderboard_may_come_back_to_what_it_was(
    services: Services, publish_model: Callable[..., Path]
) -> None:
    publish_model("petit")
    publish_leaderboard(services)
    before = rows_of(services)
    decide(services, "palmares-demo/petit", ModerationAction.FLAGGED)
    publish_leaderboard(services)
    flagged = rows_of(services)
    decide(services, "palmares-demo/petit", ModerationAction.LIFTED)
    publish_leaderboard(services)

    assert [row["Flagged"] for row in (*before, *flagged)] == [False, True]
    assert flagged[0]["Moderation Reason"] == "trained on the test"
    assert rows_of(services) == before


def test_a_renamed_model_is_listed_under_its_new_name(
    services: Services, publish_model: Callable[..., Path]
) -> None:
    publish_model("petit")
    decide(services, "palmares-demo/petit", ModerationAction.RENAMED, new="palmares-demo/petit-v2")

    publish_leaderboard(services)

    (row,) = rows_of(services)
    assert (row["fullname"], row["Former Names"]) == ("palmares-demo/petit-v2", ["palmares-demo/petit"])


def test_what_a_person_wrote_in_the_card_stays_even_while_a_rebuild_waits(
    services: Services, publish_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_model("petit")
    publish_leaderboard(services)
    repo = services.settings.contents_repo

    def write_by_hand(old: str, new: str) -> None:
        head = services.hub.head(repo)
        card = (services.hub.read_file(repo, "README.md", commit=head) or b"").decode()
        services.hub.commit_files(
            repo, {"README.md": card.replace(old, new).encode()}, message="By hand", parent_commit=head
        )

    write_by_hand("<!-- palmares:begin", "# Bienvenue\n\n<!-- palmares:begin")
    publish_model("grand")
    real = services.store.outbox.add

    def and_then_a_person_writes(entries: Any) -> None:
        real(entries)
        write_by_hand("# Bienvenue", "# Bienvenue à tous")

    monkeypatch.setattr(services.store.outbox, "add", and_then_a_person_writes)
    publish_leaderboard(services)

    card = hub_files(services, repo)["README.md"].decode()
    assert "# Bienvenue à tous" in card
    assert "palmares-demo/grand" in card


@pytest.mark.parametrize("stopped", [EvaluationState.QUARANTINED, EvaluationState.FAILED, None])
def test_what_was_not_published_is_no_number(
    services: Services,
    publish_model: Callable[..., Path],
    submissions: dict[str, Submission],
    stopped: EvaluationState | None,
) -> None:
    publish_model("petit")
    publish_model("grand", until="post_process")  # scored, and not yet through the last gate
    if stopped is not None:
        services.store.evaluations.update(submissions["grand"].job_key, state=stopped, reason="canary")

    publish_leaderboard(services)

    assert [row["fullname"] for row in rows_of(services)] == ["palmares-demo/petit"]
    assert b"palmares-demo/grand" not in hub_files(services, services.settings.contents_repo)["README.md"]


def test_a_failed_canary_parks_the_model_and_publishes_nothing_of_it(
    services: Services,
    publish_model: Callable[..., Path],
    submissions: dict[str, Submission],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failed(*_: object, **__: object) -> None:
        raise GateError("bac-fr: the scorer calls an empty answer right")

    monkeypatch.setattr("palmares.steps.sweep.results.score_results", failed)
    with pytest.raises(GateError):
        publish_model("petit")

    evaluation = services.store.evaluations.get(submissions["petit"].job_key)
    assert evaluation is not None
    assert evaluation.state is EvaluationState.QUARANTINED
    with pytest.raises(HubNotFoundError):
        services.hub.head(services.settings.hub.results_repo)
    assert read_contents(services).rows == ()


def test_a_stored_score_that_its_verdicts_contradict_is_not_published(
    services: Services,
    publish_model: Callable[..., Path],
    submissions: dict[str, Submission],
    store_url: str,
) -> None:
    publish_model("petit", until="post_process")
    with psycopg.connect(store_url, autocommit=True) as connection:
        connection.execute("UPDATE evaluations SET scores = jsonb_set(scores, '{bac-fr,value}', '0.25')")

    petit = submissions["petit"]
    with pytest.raises(GateError, match=r"verdicts have the mean 0\.750000, the stored score is 0\.250000"):
        publish(services, petit.to_json(), dag_run_id=RUN)

    evaluation = services.store.evaluations.get(petit.job_key)
    assert evaluation is not None
    assert evaluation.state is EvaluationState.QUARANTINED
    with pytest.raises(HubNotFoundError):
        services.hub.head(services.settings.hub.results_repo)


def test_a_model_that_lacks_a_score_in_the_store_is_not_displayed(
    services: Services,
    publish_model: Callable[..., Path],
    submissions: dict[str, Submission],
    store_url: str,
) -> None:
    publish_model("petit")
    with psycopg.connect(store_url, autocommit=True) as connection:
        connection.execute("UPDATE evaluations SET scores = scores - 'gpqa-fr' WHERE state = 'published'")

    done = publish_leaderboard(services)

    assert done["incomplete"] == {"palmares-demo/petit": ["gpqa-fr"]}
    assert rows_of(services) == []
    card = hub_files(services, services.settings.contents_repo)["README.md"].decode()
    assert "- palmares-demo/petit: GPQA-fr" in card


def test_no_public_file_holds_a_line_of_the_hidden_rows(
    services: Services, publish_model: Callable[..., Path]
) -> None:
    publishing = type(services.settings.publishing).model_validate(EVERY_TARGET)
    settings = services.settings.model_copy(update={"publishing": publishing})
    every = dataclasses.replace(services, settings=settings)
    folder = publish_model("petit", using=every)
    publish_leaderboard(every)

    repos = settings.hub
    public = {
        f"{repo}/{path}": content
        for repo in (repos.results_repo, repos.requests_repo, settings.contents_repo)
        for path, content in hub_files(every, repo).items()
    }
    names = " ".join(public)
    for kind in (
        "/results_",
        "/lm_eval_",
        "/provenance_",
        "README.md",
        ".parquet",
        ".png",
        ".yaml",
        "every_eval_ever",
    ):
        assert kind in names
    lines = {line for path in (folder / "details").glob("*.parquet") for line in hidden_lines(path)}
    assert len(lines) >= 4
    for path, content in public.items():
        assert CANARY.encode() not in content, path
        text = " ".join(content.decode("utf-8", "replace").split())
        # A parquet file's texts may be compressed: what a reader gets is searched.
        if path.endswith(".parquet"):
            text = json.dumps(pq.read_table(io.BytesIO(content)).to_pylist(), ensure_ascii=False)
        assert not [line for line in lines if line in text], path


def test_the_provenance_is_beside_the_result_and_its_hashes_are_those_of_the_hub(
    services: Services, publish_model: Callable[..., Path], submissions: dict[str, Submission]
) -> None:
    publish_model("petit")

    public = hub_files(services, services.settings.hub.results_repo)
    private = hub_files(services, services.settings.hub.details_repo)
    (path,) = [path for path in public if "/provenance_" in path]
    found = Provenance.model_validate_json(public[path])
    assert found.job_key == submissions["petit"].job_key
    assert set(found.suite.tasks) == set(services.settings.suite().task_keys)
    assert all(task.task_sha256 for task in found.suite.tasks.values())
    everything = public | private
    for name, digest in found.hashes.published_files.items():
        assert hashlib.sha256(everything[name]).hexdigest() == digest, name
    assert any(name.endswith(".parquet") for name in found.hashes.published_files)


def test_other_things_that_wait_for_the_hub_are_written_too(
    services: Services, publish_model: Callable[..., Path]
) -> None:
    from palmares.store.store import OutboxEntry

    publish_model("petit")
    repo = services.settings.hub.results_repo
    entry = OutboxEntry(
        key="left", repo_id=repo, private=False, kind="put", path="left.json", content=b"{}", message="Left"
    )
    services.store.outbox.add([entry])

    done = publish_leaderboard(services)

    assert len(done["commits"][repo]) == 1
    assert hub_files(services, repo)["left.json"] == b"{}"


def test_an_old_row_that_cannot_be_read_does_not_take_the_leaderboard_down(
    services: Services, publish_model: Callable[..., Path], store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    publish_model("petit")
    publish_model("grand")
    with psycopg.connect(store_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE evaluations SET submission = submission - 'revision' WHERE model_id LIKE '%petit'"
        )

    assert [row.model_id for row in read_contents(services).rows] == ["palmares-demo/grand"]
    assert "cannot be read and is not displayed" in caplog.text


def test_a_rebuild_waits_until_a_burst_is_over_and_no_longer_than_its_patience(
    services: Services, publish_model: Callable[..., Path], store_url: str
) -> None:
    assert is_quiet(services, waited_s=0)  # nothing was ever published
    publish_model("petit")

    assert not is_quiet(services, waited_s=0)
    assert is_quiet(services, waited_s=services.settings.publishing.patience_s)
    with psycopg.connect(store_url, autocommit=True) as connection:
        connection.execute("UPDATE evaluations SET updated_at = now() - interval '1 minute'")
    assert is_quiet(services, waited_s=0)
