"""The hook against a server: the test button, reading, cancelling, fetching."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from clearml_provider.exceptions import ClearMLArtifactError, ClearMLNotFoundError
from clearml_provider.hook import ClearMLHook
from clearml_provider.models import TaskSpec

from tests.plugins.clearml_provider.workplace import Workplace


@pytest.fixture
def task_id(clearml: Workplace) -> str:
    """A queued task."""
    return clearml.hook.enqueue_once(TaskSpec.model_validate(clearml.spec), clearml.queue, clearml.key)


def test_the_test_button_signs_in_and_shows_the_version(clearml):
    worked, words = ClearMLHook().test_connection()
    assert worked, words
    assert "Signed in to ClearML server" in words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password": "wrong"}, "Check the access key"),
        ({"host": "http://127.0.0.1:1"}, "gave up"),
        ({"host": ""}, "has no host"),
    ],
)
def test_the_test_button_says_what_is_wrong(clearml, monkeypatch, changes, words):
    settings = clearml.hook.settings
    connection = {"conn_type": "clearml", "host": settings.api_host, "login": settings.access_key}
    connection |= {"password": settings.secret_key} | changes
    monkeypatch.setenv("AIRFLOW_CONN_CLEARML_WRONG", json.dumps(connection))
    monkeypatch.setattr("clearml_provider.hook.TEST_BUDGET_S", 0.1)
    worked, said = ClearMLHook("clearml_wrong").test_connection()
    assert not worked
    assert words in said
    assert settings.secret_key not in said


def test_many_tasks_are_read_at_once_and_a_missing_one_is_named(clearml, task_id):
    assert clearml.hook.tasks([task_id])[task_id].status == "queued"
    with pytest.raises(ClearMLNotFoundError, match="no task ffff"):
        clearml.hook.tasks([task_id, "ffff"])


def test_an_artifact_goes_from_upload_to_unpacked_files(clearml, task_id, tmp_path):
    clearml.start()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr("manifest.json", "{}")
    clearml.upload(task_id, "results", buffer.getvalue())
    archive = clearml.hook.download_artifact(task_id, "results", tmp_path / "results.zip")
    (file,) = clearml.hook.unpack_artifact(archive, tmp_path / "results")
    assert file.read_text() == "{}"


def test_an_artifact_that_is_not_what_was_uploaded_is_refused(clearml, task_id, tmp_path):
    clearml.start()
    clearml.upload(task_id, "results", b"changed", sha256="0" * 64)
    with pytest.raises(ClearMLArtifactError, match="SHA-256"):
        clearml.hook.download_artifact(task_id, "results", tmp_path / "results.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_artifact_is_an_error_that_lists_the_others(clearml, task_id, tmp_path):
    clearml.start()
    clearml.upload(task_id, "other", b"x")
    with pytest.raises(ClearMLArtifactError, match=r"no artifact 'results', found \['other'\]"):
        clearml.hook.download_artifact(task_id, "results", tmp_path / "results.zip")


def test_cancelling_ends_the_job_by_force_when_its_agent_is_gone(clearml, task_id):
    clearml.start()
    assert clearml.hook.cancel(task_id, reason="a newer run", grace_s=0)
    task = clearml.task()
    assert (task.status, task.user_properties["stop_cause"]) == ("stopped", "1:cancelled")
    assert task.user_properties["stop_reason"] == "a newer run"
    assert clearml.faults.seen.count("tasks.stop") == 1
    assert not clearml.hook.cancel(task_id, reason="again", grace_s=0)
