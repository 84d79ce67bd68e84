"""What is accepted as a task's description, and how answers are read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from clearml_provider.models import TaskInfo, TaskSpec, TaskStatus
from pydantic import ValidationError

SCRIPT = {"entry_point": "a.py", "diff": "print(1)"}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"name": "job"}, "exactly one of script, template_task_id and template, found none"),
        ({"name": "job", "script": SCRIPT, "template_task_id": "t"}, "found"),
        ({"name": "jo", "script": SCRIPT}, "at least 3 characters"),
        ({"name": "job", "script": {"entry_point": "a.py"}}, "or `repository`"),
        ({"name": "job", "script": SCRIPT, "hyperparams": {"General": {"n": 4}}}, "valid string"),
        ({"name": "job", "script": SCRIPT, "hyperparams": {"properties": {"a": "b"}}}, "user_properties"),
        ({"name": "job", "script": SCRIPT, "quue": "gpu"}, "quue"),
    ],
)
def test_a_wrong_spec_is_refused_by_name(spec, words):
    with pytest.raises(ValidationError, match=words):
        TaskSpec.model_validate(spec)


def test_a_row_of_the_real_server_is_read():
    row = {
        "id": "8dc3fc0a93994bbbb8e778819fd302c0",
        "name": "run1",
        "status": "queued",
        "created": "2026-11-20T23:28:34.799000+00:00",
        "parent": "623265cdcb554257a1d98d3b0e58b0aa",
        "project": "f0d01fbb70d34f37876e84d2e359c193",
        "execution": {
            "queue": "35955a4f86ca4752b4f1103bdd481526",
            "artifacts": [{"key": "res", "uri": "http://h/res.json", "content_size": 14, "hash": "a767"}],
        },
        "hyperparams": {
            "General": {"lr": {"section": "General", "name": "lr", "value": "0.5", "type": "float"}},
            "properties": {"attempt": {"section": "properties", "name": "attempt", "value": "3"}},
        },
    }
    task = TaskInfo.from_api(row)
    assert (task.attempt, task.hyperparams) == (3, {"General": {"lr": "0.5"}})
    assert (task.queue_id, task.parent_id) == (
        "35955a4f86ca4752b4f1103bdd481526",
        "623265cdcb554257a1d98d3b0e58b0aa",
    )
    artifact = task.artifact("res")
    assert artifact is not None
    assert (artifact.size_bytes, artifact.sha256) == (14, "a767")
    assert task.artifact("other") is None
    assert task.silent_s is None  # not in progress


def test_only_endings_are_terminal():
    terminal = {s for s in TaskStatus if s.is_terminal}
    assert terminal == {"stopped", "failed", "completed", "closed", "publishing", "published"}
    assert {s for s in TaskStatus if s.is_success} == terminal - {"stopped", "failed"}


@pytest.mark.parametrize(
    ("times", "attempt", "running_s"),
    [
        ({"started": "11:00", "status_changed": "11:02"}, "1", 3600),
        ({"started": "09:00", "status_changed": "11:30"}, "2", 1800),  # `started` is the first attempt's
        ({"started": "09:00", "completed": "09:30", "status_changed": "11:30"}, "1", 1800),  # by hand
        ({"status_changed": "11:30"}, "2", 1800),
        ({}, "1", None),
    ],
)
def test_time_in_progress_is_this_attempts_and_on_the_servers_clock(times, attempt, running_s):
    row = {"id": "t", "status": "in_progress", "hyperparams": {"properties": {"attempt": {"value": attempt}}}}
    row |= {field: f"2026-11-21T{at}:00+00:00" for field, at in times.items()}
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert TaskInfo.from_api(row, server_time=noon).running_s == running_s
    assert TaskInfo.from_api(row | {"status": "queued"}, server_time=noon).running_s is None
