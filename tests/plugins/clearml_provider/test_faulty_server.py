"""Every operator against a server that fails each of its calls once: the same result, nothing made twice."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from clearml_provider import api
from clearml_provider.exceptions import ClearMLArtifactError
from clearml_provider.hook import ClearMLHook
from clearml_provider.operators import (
    ClearMLAbortTaskOperator,
    ClearMLCloneTaskOperator,
    ClearMLCreateTaskOperator,
    ClearMLEditTaskOperator,
    ClearMLEnqueueTaskOperator,
    ClearMLFetchArtifactOperator,
    ClearMLFetchLogOperator,
    ClearMLFetchScalarsOperator,
    ClearMLQueueStatisticsOperator,
)
from clearml_provider.transport import RetryPolicy, call

from devstack.servers.faults import Fault, FaultInjector
from tests.plugins.clearml_provider.conftest import ACCESS_KEY, JWT_SECRET, SECRET_KEY, _served
from tests.plugins.clearml_provider.workplace import ANSWER_DEADLINE_S

SPEC = {"name": "a job", "project": "faults", "script": {"entry_point": "job.py", "diff": "print(1)"}}
ENDPOINTS = [
    "auth.login",
    "projects.get_all",
    "projects.create",
    "queues.get_all",
    "queues.create",
    "workers.get_all",
    "tasks.get_all",
    "tasks.create",
    "tasks.clone",
    "tasks.edit",
    "tasks.edit_hyper_params",
    "tasks.enqueue",
    "tasks.stop",
    "events.get_task_log",
    "events.get_task_single_value_metrics",
    "events.scalar_metrics_iter_histogram",
]


class Place:
    """A server of its own, what fails on it, and a hook that is never in the way."""

    def __init__(self, api: FaultInjector, files: FaultInjector, files_host: str) -> None:
        self.api = api
        self.files = files
        self.files_host = files_host
        self.hook = ClearMLHook()

    def calm(self) -> None:
        self.api.clear()
        self.files.clear()

    def tasks(self) -> list[dict[str, Any]]:
        rows = self.hook.run(call("tasks.get_all", {"search_hidden": True})).data["tasks"]
        return [dict(row) for row in rows]

    def upload(self, task_id: str, content: bytes) -> None:
        """What the SDK does for `upload_artifact`."""
        import hashlib

        self.hook.run(api.server_info())  # signs in
        headers = {"Authorization": f"Bearer {self.hook.get_conn()._token}"}
        files = {"results.zip": ("results.zip", content)}
        answer = httpx.post(self.files_host, files=files, headers=headers, timeout=ANSWER_DEADLINE_S)
        answer.raise_for_status()
        artifact: dict[str, Any] = {"key": "results", "type": "custom"}
        artifact |= {"uri": f"{self.files_host}/results.zip"}
        artifact |= {"content_size": len(content), "hash": hashlib.sha256(content).hexdigest()}
        self.hook.run(
            call("tasks.add_or_update_artifacts", {"task": task_id, "artifacts": [artifact], "force": True})
        )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    from devstack.servers.clearml.app import create_api_app, create_files_app

    impatient = partial(RetryPolicy, base_s=0.01, cap_s=0.02)
    monkeypatch.setattr("clearml_provider.client.RetryPolicy", impatient)
    state = tmp_path / "clearml"
    app = create_api_app(state, access_key=ACCESS_KEY, secret_key=SECRET_KEY, jwt_secret=JWT_SECRET)
    api = FaultInjector(app, service="clearml_api", token="unused")
    files = FaultInjector(
        create_files_app(state, jwt_secret=JWT_SECRET), service="clearml_files", token="unused"
    )
    with _served(api) as api_host, _served(files) as files_host:
        connection = {"conn_type": "clearml", "host": api_host, "login": ACCESS_KEY, "password": SECRET_KEY}
        extra = {"files_host": files_host, "retry_budget_s": 20}
        monkeypatch.setenv("AIRFLOW_CONN_CLEARML_DEFAULT", json.dumps({**connection, "extra": extra}))
        found = Place(api, files, files_host)
        yield found
        found.hook.close()


KINDS: dict[str, dict[str, Any]] = {
    "503": {"kind": "status"},
    "502 after the effect": {"kind": "status", "status": 502, "after": True},
    "500": {"kind": "status", "status": 500},
    "429 with Retry-After": {"kind": "status", "status": 429, "retry_after_s": 0},
    "dropped before": {"kind": "drop_before"},
    "dropped after the effect": {"kind": "drop_after"},
    "cut answer": {"kind": "truncate"},
    "broken JSON": {"kind": "truncate", "close": False},
    "expired token": {"kind": "expired_token"},
}


@pytest.mark.parametrize("fault", KINDS.values(), ids=KINDS)
def test_every_call_may_fail_once(place, fault):
    """The log-in is not given an expired token: keys that are refused are refused."""
    spared = {"auth.login"} if fault["kind"] == "expired_token" else set()
    place.api.replace([Fault(endpoint=e, **fault) for e in ENDPOINTS if e not in spared])
    ti = SimpleNamespace(dag_id="dag", run_id="run", task_id="t", map_index=-1)
    context: Any = {"ti": ti}
    template = ClearMLCreateTaskOperator(task_id="create", task_spec=SPEC, idempotency_key="one").execute(
        context
    )
    job = ClearMLCloneTaskOperator(
        task_id="clone", template_task_id=template, hyperparams={"General": {"n": "7"}}
    ).execute(context)
    for edit in ({"hyperparams": {"General": {"n": "8"}}}, {"user_properties": {"why": "an example"}}):
        ClearMLEditTaskOperator(task_id="edit", clearml_task_id=job, **edit).execute(context)
    ClearMLEnqueueTaskOperator(
        task_id="enqueue", clearml_task_id=job, clearml_queue="gpu", create_queue_if_missing=True
    ).execute(context)
    (queue,) = ClearMLQueueStatisticsOperator(task_id="queues", clearml_queues=["gpu"]).execute(context)
    ClearMLAbortTaskOperator(task_id="abort", clearml_task_id=job, reason="enough", grace_s=0).execute(
        context
    )
    assert ClearMLFetchLogOperator(task_id="log", clearml_task_id=job).execute(context) == []
    scalars = ClearMLFetchScalarsOperator(task_id="scalars", clearml_task_id=job, samples=10)
    assert scalars.execute(context) == {"single_values": {}, "scalars": {}}
    hit = {each["endpoint"] for each in place.api.report()["injected"]}
    assert hit == set(ENDPOINTS) - spared

    place.calm()
    assert queue["waiting"] == 1
    assert {row["id"] for row in place.tasks()} == {template, job}
    task = place.hook.task(job)
    assert (task.status, task.attempt, task.hyperparams) == ("stopped", 1, {"General": {"n": "8"}})
    assert (task.user_properties["why"], task.user_properties["stop_reason"]) == ("an example", "enough")
    projects = place.hook.run(call("projects.get_all", {"search_hidden": True})).data["projects"]
    assert [project["name"] for project in projects].count("faults") == 1
    assert [found.name for found in place.hook.queues()].count("gpu") == 1


def a_zip(size: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr("noise", os.urandom(size))
    return buffer.getvalue()


FILE_KINDS = {**KINDS, "cut, said to be whole": {"kind": "truncate", "close": False}}


@pytest.mark.parametrize("fault", FILE_KINDS.values(), ids=FILE_KINDS)
def test_a_download_may_fail_once(place, tmp_path, fault):
    task_id = ClearMLCreateTaskOperator(task_id="create", task_spec=SPEC, idempotency_key="one").execute({})
    content = a_zip(5_000_000)
    place.upload(task_id, content)
    place.files.replace([Fault(endpoint="GET *", **fault)])
    ClearMLFetchArtifactOperator(
        task_id="fetch", clearml_task_id=task_id, artifact="results", destination=f"{tmp_path}/out.zip"
    ).execute({})
    assert (tmp_path / "out.zip").read_bytes() == content
    assert len(place.files.report()["injected"]) == 1


def test_a_file_that_stays_too_short_is_told(place, tmp_path):
    task_id = ClearMLCreateTaskOperator(task_id="create", task_spec=SPEC, idempotency_key="one").execute({})
    place.upload(task_id, a_zip(1000))
    place.files.replace([Fault(endpoint="GET *", kind="truncate", close=False, count=None)])
    fetch = ClearMLFetchArtifactOperator(
        task_id="fetch", clearml_task_id=task_id, artifact="results", destination=f"{tmp_path}/out.zip"
    )
    with pytest.raises(ClearMLArtifactError, match=r"bytes, .* were uploaded"):
        fetch.execute({})
    assert not (tmp_path / "out.zip").exists()
