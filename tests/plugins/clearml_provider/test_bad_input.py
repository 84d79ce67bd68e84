"""What is wrong is told in one clear error with the next step, not retried, and leaves nothing half done."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException
from clearml_provider.exceptions import (
    ClearMLArtifactError,
    ClearMLAuthError,
    ClearMLConfigError,
    ClearMLNotFoundError,
    ClearMLUnavailableError,
)
from clearml_provider.operators import (
    ClearMLAbortTaskOperator,
    ClearMLCloneTaskOperator,
    ClearMLCreateTaskOperator,
    ClearMLEditTaskOperator,
    ClearMLEnqueueOperator,
    ClearMLEnqueueTaskOperator,
    ClearMLFetchArtifactOperator,
    ClearMLFetchLogOperator,
    ClearMLFetchScalarsOperator,
    ClearMLQueueStatisticsOperator,
    ClearMLWaitOperator,
)
from clearml_provider.sensors import ClearMLTaskSensor

from tests.plugins.clearml_provider.workplace import ANSWER_DEADLINE_S, Workplace

SPEC = {"name": "a job", "script": {"entry_point": "job.py", "diff": "print(1)"}}
NO_TASK = "0" * 32


def everything(place: Workplace) -> dict[str, list[Any]]:
    """All that the server holds of tasks, projects and queues."""
    held: dict[str, list[Any]] = {}
    for kind, fields in (
        ("tasks", None),
        ("projects", ["id", "name"]),
        ("queues", ["id", "name", "entries"]),
    ):
        held[kind] = []
        while len(held[kind]) % 500 == 0:
            page = len(held[kind]) // 500
            query = {"search_hidden": True, "page": page, "page_size": 500, "order_by": ["id"]}
            rows = place.call(f"{kind}.get_all", **query, **({"only_fields": fields} if fields else {}))[kind]
            held[kind] += rows
            if not rows:
                break
    return held


def run(operator: BaseOperator) -> Any:
    ti = SimpleNamespace(dag_id="dag", run_id="run", task_id=operator.task_id, map_index=-1)
    context: Any = {"ti": ti}
    return operator.execute(context)


def refused(place: Workplace, operator: BaseOperator, kind: type[Exception], words: str) -> None:
    """*operator* fails with *words*, at once, on one line, and the server holds what it held before."""
    before = everything(place)
    with pytest.raises(kind, match=words) as caught:
        run(operator)
    assert isinstance(caught.value, AirflowFailException), "Airflow would retry it"
    assert "\n" not in str(caught.value)
    assert everything(place) == before


ALL: dict[str, Callable[..., BaseOperator]] = {
    "create": lambda **to: ClearMLCreateTaskOperator(task_id="t", task_spec=SPEC, **to),
    "clone": lambda **to: ClearMLCloneTaskOperator(task_id="t", template_task_id=NO_TASK, **to),
    "edit": lambda **to: ClearMLEditTaskOperator(
        task_id="t", clearml_task_id=NO_TASK, add_tags=["new"], **to
    ),
    "enqueue": lambda **to: ClearMLEnqueueOperator(
        task_id="t", task_spec=SPEC, clearml_queue="gpu", idempotency_key="key", **to
    ),
    "enqueue task": lambda **to: ClearMLEnqueueTaskOperator(
        task_id="t", clearml_task_id=NO_TASK, clearml_queue="gpu", **to
    ),
    "wait": lambda **to: ClearMLWaitOperator(task_id="t", clearml_task_id=NO_TASK, **to),
    "abort": lambda **to: ClearMLAbortTaskOperator(task_id="t", clearml_task_id=NO_TASK, **to),
    "fetch artifact": lambda **to: ClearMLFetchArtifactOperator(
        task_id="t", clearml_task_id=NO_TASK, artifact="results", destination="unused", **to
    ),
    "fetch scalars": lambda **to: ClearMLFetchScalarsOperator(task_id="t", clearml_task_id=NO_TASK, **to),
    "fetch log": lambda **to: ClearMLFetchLogOperator(task_id="t", clearml_task_id=NO_TASK, **to),
    "queue statistics": lambda **to: ClearMLQueueStatisticsOperator(task_id="t", **to),
    "sensor": lambda **to: ClearMLTaskSensor(task_id="t", clearml_task_id=NO_TASK, **to),
}
ON_A_TASK = [name for name in ALL if name not in {"create", "enqueue", "queue statistics"}]


def connect(place: Workplace, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> dict[str, str]:
    """A connection like the right one but for *changes*."""
    settings = place.hook.settings
    fields: dict[str, Any] = {"conn_type": "clearml", "host": settings.api_host}
    fields |= {
        "login": settings.access_key,
        "password": settings.secret_key,
        "extra": {"retry_budget_s": 0.3},
    }
    monkeypatch.setenv("AIRFLOW_CONN_CLEARML_WRONG", json.dumps(fields | changes))
    return {"clearml_conn_id": "clearml_wrong"}


@pytest.mark.parametrize("name", ALL)
def test_a_wrong_key_is_told_by_every_operator(clearml, monkeypatch, name):
    made = ALL[name](**connect(clearml, monkeypatch, password="wrong"))
    refused(clearml, made, ClearMLAuthError, r"401.*Check the access key \(login\)")


@pytest.mark.parametrize("name", ALL)
def test_a_host_that_does_not_answer_is_given_up_within_the_budget_and_may_be_retried(
    clearml, monkeypatch, name
):
    made = ALL[name](**connect(clearml, monkeypatch, host="http://127.0.0.1:9"))
    with pytest.raises(ClearMLUnavailableError, match="Check that the ClearML server is up") as caught:
        run(made)
    assert not isinstance(caught.value, AirflowFailException)


def test_the_file_server_given_as_host_is_told(clearml, monkeypatch):
    from clearml_provider.exceptions import ClearMLAPIError

    made = ALL["create"](**connect(clearml, monkeypatch, host=clearml.hook.settings.files_host))
    with pytest.raises(ClearMLAPIError, match=r"not ClearML's\. Check that the connection's host is the API"):
        run(made)


@pytest.mark.parametrize("name", ON_A_TASK)
def test_a_task_that_does_not_exist_is_named(clearml, name):
    refused(clearml, ALL[name](), ClearMLNotFoundError, f"no task {NO_TASK} .* It was deleted, or the conn")


@pytest.mark.parametrize("name", ON_A_TASK)
def test_an_empty_task_id_is_not_taken_for_all_tasks(clearml, name):
    made: Any = ALL[name]()
    setattr(made, "template_task_id" if name == "clone" else "clearml_task_id", "")
    refused(clearml, made, ClearMLConfigError, "An empty ClearML task id|template_task_id")


@pytest.mark.parametrize("name", ["edit", "enqueue task", "wait", "abort", "fetch scalars", "fetch log"])
def test_a_task_that_was_deleted_is_named(clearml, name):
    task_id = clearml.enqueue()
    clearml.call("tasks.delete_many", ids=[task_id], force=True)
    made: Any = ALL[name]()
    made.clearml_task_id = task_id
    refused(clearml, made, ClearMLNotFoundError, f"no task {task_id}")


def test_a_mistyped_queue_is_never_created(clearml):
    task_id = run(ClearMLCreateTaskOperator(task_id="t", task_spec=SPEC, idempotency_key=clearml.key))
    made = ClearMLEnqueueTaskOperator(task_id="t", clearml_task_id=task_id, clearml_queue="gpuu")
    refused(clearml, made, ClearMLConfigError, r"no queue 'gpuu', known are .*Correct the name")
    enqueue = ClearMLEnqueueOperator(
        task_id="t", task_spec=SPEC, clearml_queue="gpuu", idempotency_key="a new one"
    )
    refused(clearml, enqueue, ClearMLConfigError, r"no queue 'gpuu', known are .*Correct the name")


@pytest.mark.parametrize(
    ("template", "kind", "words"),
    [
        ({"template_task_id": NO_TASK}, ClearMLNotFoundError, f"no task {NO_TASK}"),
        ({"template": {"project": "no such", "name": "x"}}, ClearMLConfigError, "no project 'no such'"),
        (
            {"template": {"project": "provider tests", "name": "no such"}},
            ClearMLConfigError,
            "has 0 tasks called 'no such'",
        ),
    ],
    ids=["id", "project", "name"],
)
@pytest.mark.parametrize("new_project", [False, True])
def test_a_template_that_does_not_exist_is_told_before_anything_is_made(
    clearml, template, kind, words, new_project
):
    clearml.enqueue()  # makes the project
    spec = {"name": "a clone", "project": clearml.key if new_project else None, **template}
    refused(clearml, ClearMLCreateTaskOperator(task_id="t", task_spec=spec), kind, words)
    enqueue = ClearMLEnqueueOperator(
        task_id="t", task_spec=spec, clearml_queue=clearml.queue, idempotency_key="a new one"
    )
    refused(clearml, enqueue, kind, words)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"hyperparams": {"General": {"n": 4}}},
            r"hyperparams\.General\.n: .*string.*got 4\)\. Write numbers and booleans as text",
        ),
        ({"hyperparams": {"General": "n"}}, r"hyperparams\.General: .*dictionary"),
        ({"hyperparams": ["n"]}, r"hyperparams: .*dictionary"),
        ({"user_properties": {"ready": True}}, r"user_properties\.ready: .*string"),
        ({"container": {"immage": "x"}}, r"container\.immage: "),
    ],
)
def test_values_of_the_wrong_type_are_refused_before_anything_is_sent(clearml, changes, words):
    task_id = run(ClearMLCreateTaskOperator(task_id="t", task_spec=SPEC, idempotency_key=clearml.key))
    spec = {**SPEC, **changes}
    for made in (
        ClearMLCreateTaskOperator(task_id="create", task_spec=spec),
        ClearMLCloneTaskOperator(task_id="clone", template_task_id=task_id, **changes),
        ClearMLEditTaskOperator(task_id="edit", clearml_task_id=task_id, add_tags=["half done"], **changes),
    ):
        clearml.faults.seen.clear()
        with pytest.raises(ClearMLConfigError, match=f"{made.task_id}.* is not valid: .*{words}") as caught:
            run(made)
        assert isinstance(caught.value, AirflowFailException)
        assert clearml.faults.seen == []


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ({}, "nothing to change"),
        ({"user_properties": {"attempt": "7"}}, "number and fence attempts"),
        ({"remove_tags": ["key:abc"]}, "how a job is found by its key"),
        ({"hyperparams": {"properties": {"a": "b"}}}, "into `user_properties`"),
    ],
)
def test_an_edit_that_would_break_the_bookkeeping_is_refused(clearml, edit, words):
    clearml.enqueue()
    made = ClearMLEditTaskOperator(task_id="edit", clearml_task_id=clearml.task().id, **edit)
    refused(clearml, made, ClearMLConfigError, words)


def fetch(task_id: str, destination: object, **arguments: Any) -> ClearMLFetchArtifactOperator:
    return ClearMLFetchArtifactOperator(
        task_id="fetch",
        clearml_task_id=task_id,
        artifact="results",
        destination=str(destination),
        **arguments,
    )


@pytest.mark.parametrize(
    ("uploaded", "words"),
    [
        (None, r"has no artifact 'results', found \[\]\. Look at its console"),
        ({"content": b"x" * 100}, "has 100 bytes or more, the limit is 50"),
        ({"content": b"x", "sha256": "0" * 64}, r"SHA-256 2d71.*expected 000.*Run the job again"),
    ],
    ids=["missing", "too large", "not what its hash says"],
)
@pytest.mark.parametrize("unpack", [False, True])
def test_an_artifact_that_cannot_be_trusted_leaves_no_file(clearml, tmp_path, uploaded, words, unpack):
    clearml.enqueue()
    task_id = clearml.start()
    if uploaded:
        clearml.upload(task_id, "results", **uploaded)
    made = fetch(task_id, tmp_path / "out", max_bytes=50, unpack=unpack)
    refused(clearml, made, ClearMLArtifactError, words)
    assert list(tmp_path.iterdir()) == []


def test_an_artifact_whose_file_is_gone_is_told(clearml, tmp_path):
    import httpx

    clearml.enqueue()
    task_id = clearml.start()
    clearml.upload(task_id, "results", b"x")
    artifact = clearml.task().artifact("results")
    headers = {"Authorization": f"Bearer {clearml.hook.get_conn()._token}"}
    httpx.delete(artifact.uri, headers=headers, timeout=ANSWER_DEADLINE_S).raise_for_status()
    made = fetch(task_id, tmp_path / "out")
    refused(clearml, made, ClearMLArtifactError, "is listed, but the file server answered HTTP 404")


def test_states_that_do_not_exist_are_told_by_the_sensor(clearml):
    clearml.enqueue()
    task_id = clearml.task().id
    for states, words in (
        ({"allowed_states": ["done"]}, r"unknown states \['done'\]\. Known are \['closed'"),
        ({"allowed_states": ["failed"]}, r"\['failed'\] in both"),
        ({"allowed_states": []}, "no allowed_states"),
    ):
        refused(
            clearml,
            ClearMLTaskSensor(task_id="t", clearml_task_id=task_id, **states),
            ClearMLConfigError,
            words,
        )
