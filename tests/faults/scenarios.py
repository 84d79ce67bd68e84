"""The quick scenarios: faults of the services at every step, and the ends of processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.faults.rest import Service
from tests.faults.scenario import Scenario, Step, TaskKill

Fault = dict[str, Any]

COMMIT = "POST /api/datasets/*/commit/*"
MODEL_INFO = "GET /api/models/*"
ARTIFACT = "GET *results*"

KINDS: Mapping[str, tuple[str, Fault]] = {
    "latency": ("late by 1 s", {"kind": "latency", "seconds": 1.0}),
    "429": ("answered 429 with Retry-After 1 s", {"kind": "status", "status": 429, "retry_after_s": 1}),
    "500": ("answered 500", {"kind": "status", "status": 500}),
    "502": ("answered 502", {"kind": "status", "status": 502}),
    "502-after": ("done and answered 502", {"kind": "status", "status": 502, "after": True}),
    "503": ("answered 503", {"kind": "status", "status": 503}),
    "drop-before": ("cut off before the effect", {"kind": "drop_before"}),
    "drop-after": ("cut off after the effect", {"kind": "drop_after"}),
    "truncate": ("answered with half its JSON", {"kind": "truncate"}),
    "garbled": ("answered with broken JSON", {"kind": "truncate", "close": False}),
    "expired": ("told that its token has expired", {"kind": "expired_token"}),
    "crash-before": ("the end of the server, before the effect", {"kind": "crash_before"}),
    "crash-after": ("the end of the server, after the effect", {"kind": "crash_after"}),
}


def faulty(
    step: Step, service: Service, endpoint: str, kind: str, *, count: int = 1, slow: bool = False, **more: Any
) -> Scenario:
    """A call of a step that goes wrong in one way."""
    words, fault = KINDS[kind]
    name = (
        endpoint.split()[-1]
        if service == "clearml_api"
        else {"hub": "hub", "clearml_files": "files"}[service]
    )
    times = f", {count} times" if count > 1 else ""
    return Scenario(
        id=f"{step.split('_')[0]}-{name.replace('.', '-')}-{kind}",
        step=step,
        what=f"{endpoint} ({service}) is {words}{times}",
        faults={service: ({"endpoint": endpoint, "count": count, **fault},)},
        slow=slow,
        **more,
    )


def _plan() -> Iterator[Scenario]:
    yield faulty("plan_resources", "hub", MODEL_INFO, "429")
    yield faulty("plan_resources", "hub", MODEL_INFO, "503", count=5, slow=True)
    yield faulty("plan_resources", "hub", MODEL_INFO, "drop-before", slow=True)
    yield faulty("plan_resources", "hub", MODEL_INFO, "truncate")
    yield faulty("plan_resources", "hub", MODEL_INFO, "expired", slow=True)
    yield faulty("plan_resources", "hub", MODEL_INFO, "crash-before", slow=True)
    yield Scenario(
        id="plan-killed",
        step="plan_resources",
        what="SIGKILL to the task's process while it asks the Hub about the model",
        task_kill=TaskKill(signal="SIGKILL", service="hub", endpoint=MODEL_INFO),
    )


def _enqueue() -> Iterator[Scenario]:
    create, enqueue = "tasks.create", "tasks.enqueue"
    yield faulty("enqueue", "clearml_api", create, "502-after")
    yield faulty("enqueue", "clearml_api", create, "drop-before", slow=True)
    yield faulty("enqueue", "clearml_api", create, "drop-after")
    yield faulty("enqueue", "clearml_api", create, "truncate", slow=True)
    yield faulty("enqueue", "clearml_api", create, "crash-after")
    yield faulty("enqueue", "clearml_api", create, "crash-before", slow=True)
    yield Scenario(
        id="enqueue-tasks-create-late",
        step="enqueue",
        what="tasks.create (clearml_api) takes 1.5 s where the client waits for 1 s: it happens after all",
        faults={"clearml_api": ({"endpoint": create, "kind": "latency", "seconds": 1.5},)},
        timeout_s=1.0,
    )
    yield faulty("enqueue", "clearml_api", enqueue, "429", slow=True)
    yield faulty("enqueue", "clearml_api", enqueue, "500", count=2, slow=True)
    yield faulty("enqueue", "clearml_api", enqueue, "503", slow=True)
    yield faulty("enqueue", "clearml_api", enqueue, "drop-before", slow=True)
    yield faulty("enqueue", "clearml_api", enqueue, "drop-after")
    yield faulty("enqueue", "clearml_api", enqueue, "garbled")
    yield faulty("enqueue", "clearml_api", enqueue, "expired")
    yield faulty("enqueue", "clearml_api", enqueue, "crash-after", slow=True)
    yield faulty("enqueue", "clearml_api", "auth.login", "503", count=2, slow=True)
    for number, endpoint in (("SIGKILL", create), ("SIGKILL", enqueue), ("SIGTERM", enqueue)):
        yield Scenario(
            id=f"enqueue-{number.lower()}-in-{endpoint.replace('.', '-')}",
            step="enqueue",
            what=f"{number} to the task's process while the server carries out its {endpoint}",
            task_kill=TaskKill(signal=number, service="clearml_api", endpoint=endpoint),  # type: ignore[arg-type]
            slow=endpoint == enqueue,
        )


def _poll() -> Iterator[Scenario]:
    look = "tasks.get_all"
    yield faulty("poll_status", "clearml_api", look, "latency", count=3, slow=True)
    yield faulty("poll_status", "clearml_api", look, "429", slow=True)
    yield faulty("poll_status", "clearml_api", look, "500", count=3, slow=True)
    yield faulty("poll_status", "clearml_api", look, "503", count=4)
    yield faulty("poll_status", "clearml_api", look, "drop-before", slow=True)
    yield faulty("poll_status", "clearml_api", look, "truncate")
    yield faulty("poll_status", "clearml_api", look, "expired", slow=True)
    yield faulty("poll_status", "clearml_api", look, "crash-before", slow=True)
    for number in ("SIGKILL", "SIGTERM"):
        yield Scenario(
            id=f"poll-server-{number.lower()}",
            step="poll_status",
            what=f"{number} to the embedded server while a trigger polls it",
            server=number,  # type: ignore[arg-type]
            slow=number == "SIGTERM",
        )
        yield Scenario(
            id=f"poll-triggerer-{number.lower()}",
            step="poll_status",
            what=f"{number} to the process that runs the trigger, while the job evaluates",
            triggerer=number,  # type: ignore[arg-type]
            slow=number == "SIGTERM",
        )
    lost = ("node_lost", "succeeded")
    yield Scenario(
        id="poll-job-sigkill",
        step="poll_status",
        what="SIGKILL to the job's process while it evaluates",
        fates=("SIGKILL",),
        endings=lost,
    )
    yield Scenario(
        id="poll-job-sigkill-twice",
        step="poll_status",
        what="SIGKILL to the job's process while it evaluates, and to the next attempt's",
        fates=("SIGKILL", "SIGKILL"),
        endings=("node_lost", "node_lost", "succeeded"),
        slow=True,
    )
    yield Scenario(
        id="poll-job-sigterm",
        step="poll_status",
        what="SIGTERM to the job's process while it evaluates",
        fates=("SIGTERM",),
        endings=("preempted", "succeeded"),
        slow=True,
    )
    yield Scenario(
        id="poll-node-lost",
        step="poll_status",
        what="the node dies: job process killed, its agent silent for good",
        fates=("node lost",),
        lost_after_s=2,
        endings=lost,
    )
    yield Scenario(
        id="poll-agent-lost",
        step="poll_status",
        what="the agent dies, its job goes on and uploads its results",
        fates=("agent lost",),
        lost_after_s=3,
    )
    yield Scenario(
        id="poll-agent-lost-before-start",
        step="poll_status",
        what="the agent takes the queue's entry and dies before it starts the task",
        fates=("agent lost before the start",),
    )
    for kind in ("drop-after", "crash-after"):
        yield Scenario(
            id=f"poll-retry-enqueue-{kind}",
            step="poll_status",
            what=f"SIGKILL to the job's process; then the next attempt's tasks.enqueue is {KINDS[kind][0]}",
            fates=("SIGKILL",),
            faults={"clearml_api": ({"endpoint": "tasks.enqueue", **KINDS[kind][1]},)},
            endings=lost,
            slow=kind == "drop-after",
        )
    yield Scenario(
        id="poll-mark-failed",
        step="poll_status",
        what="a person marks the deferred task failed while the job evaluates",
        person="marks it failed",
        final="cancelled",
        status="CANCELLED",
        endings=(),  # nobody waits any more, so nobody judges the attempt
        jobs=1,
    )
    yield Scenario(
        id="poll-clear-new-first",
        step="poll_status",
        what="a person clears the deferred task; the new try runs before the old trigger's on_kill",
        person="clears it, new try first",
    )
    yield Scenario(
        id="poll-clear-old-first",
        step="poll_status",
        what="a person clears the deferred task; the old trigger's on_kill runs first",
        person="clears it, old trigger killed first",
        endings=("cancelled", "succeeded"),
    )


def _fetch() -> Iterator[Scenario]:
    yield faulty("fetch_results", "clearml_files", ARTIFACT, "503", count=2, slow=True)
    yield faulty("fetch_results", "clearml_files", ARTIFACT, "429", slow=True)
    yield faulty("fetch_results", "clearml_files", ARTIFACT, "truncate")
    yield faulty("fetch_results", "clearml_files", ARTIFACT, "drop-before", slow=True)
    yield faulty("fetch_results", "clearml_files", ARTIFACT, "expired")
    yield faulty("fetch_results", "clearml_files", ARTIFACT, "crash-before", slow=True)
    yield Scenario(
        id="fetch-killed",
        step="fetch_results",
        what="SIGKILL to the task's process while it downloads the artifact",
        task_kill=TaskKill(signal="SIGKILL", service="clearml_files", endpoint=ARTIFACT),
    )
    yield Scenario(
        id="job-upload-503",
        step="poll_status",
        what="POST * (clearml_files) is answered 503, 2 times, while the job uploads its results",
        faults={"clearml_files": ({"endpoint": "POST *", "kind": "status", "status": 503, "count": 2},)},
    )


def _post() -> Iterator[Scenario]:
    yield Scenario(
        id="post-killed",
        step="post_process",
        what="SIGKILL to the task's process while it writes the scores into the store",
        task_kill=TaskKill(signal="SIGKILL", service=None),
    )
    yield Scenario(
        id="post-database-gone",
        step="post_process",
        what="PostgreSQL ends the task's connection while it writes the scores into the store",
        backend_terminated=True,
        slow=True,
    )


def _publish() -> Iterator[Scenario]:
    for kind, slow in {
        "latency": True,
        "429": False,
        "500": True,
        "502-after": True,
        "503": True,
        "drop-before": True,
        "drop-after": False,
        "truncate": True,
        "expired": True,
        "crash-before": True,
        "crash-after": False,
    }.items():
        yield faulty("publish", "hub", COMMIT, kind, slow=slow)
    yield Scenario(
        id="publish-killed",
        step="publish",
        what="SIGKILL to the task's process while the Hub makes its first commit",
        task_kill=TaskKill(signal="SIGKILL", service="hub", endpoint=COMMIT),
    )
    yield Scenario(
        id="publish-database-gone",
        step="publish",
        what="PostgreSQL ends the task's connection while it notes the publication",
        backend_terminated=True,
        slow=True,
    )


QUICK: tuple[Scenario, ...] = (*_plan(), *_enqueue(), *_poll(), *_fetch(), *_post(), *_publish())
"""All that need no Airflow; those that are `slow` run in ``make test-faults`` only."""
