"""What ClearML knows of the jobs that are waited for: the place in the queue, or the run under way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

_FIELDS = ["id", "status", "status_changed", "last_worker", "execution.queue", "hyperparams", "runtime"]
_LIVE = ["queued", "in_progress"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One live job."""

    model: str = ""
    """That it evaluates."""
    place: int | None = None
    """In its queue, from 1; None: it runs, or an agent has just taken it."""
    waiting: int = 0
    """Length of the queue."""
    worker: str = ""
    """Empty: it does not run."""
    since: datetime | None = None
    """When it began to run."""
    percent: int | None = None
    """Done so far; None: the job does not report it."""

    def text(self, now: datetime) -> str:
        """In words for a person."""
        if not self.worker:
            return f"queued, place {self.place} of {self.waiting}" if self.place else "taken by an agent"
        running = f"running on {self.worker}"
        if self.since is not None:
            running += f" for {clock((now - self.since).total_seconds())}"
        return running if self.percent is None else f"{running}, {self.percent} % done"


@contextmanager
def clearml_client(address: str, keys: tuple[str, str], *, timeout_s: float = 5.0) -> Iterator[httpx.Client]:
    """A client of ClearML's API, logged in.

    Args:
        address: Of the API server.
        keys: Access key and secret key.
        timeout_s: Of one answer.

    Raises:
        httpx.HTTPError: The server does not answer, or refuses the keys.
    """
    with httpx.Client(base_url=address, timeout=timeout_s, trust_env=False) as client:
        login = client.post("/auth.login", auth=keys).raise_for_status()
        client.headers["Authorization"] = f"Bearer {login.json()['data']['token']}"
        yield client


def jobs_at(address: str, keys: tuple[str, str]) -> dict[str, Job] | None:
    """The live jobs of a server by ClearML task; None: it does not answer, or refuses the keys."""
    try:
        with clearml_client(address, keys) as client:
            return live_jobs(client)
    except (httpx.HTTPError, KeyError, ValueError):
        return None


def clock(seconds: float) -> str:
    """``1:05``, or ``2:00:05``."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def live_jobs(client: httpx.Client) -> dict[str, Job]:
    """The queued and running jobs by ClearML task; empty when ClearML does not answer.

    Args:
        client: Of the ClearML API, logged in.
    """
    try:
        tasks = _data(client, "tasks.get_all", status=_LIVE, only_fields=_FIELDS)["tasks"]
        queues = _data(client, "queues.get_all", only_fields=["id", "entries"])["queues"]
    except (httpx.HTTPError, KeyError, ValueError):
        return {}
    entries = {queue["id"]: [entry["task"] for entry in queue["entries"]] for queue in queues}
    return {task["id"]: _job(task, entries) for task in tasks if _model(task)}


def _data(client: httpx.Client, endpoint: str, **body: Any) -> Any:
    return client.post(f"/{endpoint}", json=body).raise_for_status().json()["data"]


def _model(task: Mapping[str, Any]) -> str:
    for section in task.get("hyperparams", {}).values():
        if model := section.get("model", {}).get("value"):
            return str(model)
    return ""


def _job(task: Mapping[str, Any], entries: Mapping[str, list[str]]) -> Job:
    if task["status"] == "queued":
        waiting = entries.get(task.get("execution", {}).get("queue", ""), [])
        place = waiting.index(task["id"]) + 1 if task["id"] in waiting else None
        return Job(model=_model(task), place=place, waiting=len(waiting))
    since = datetime.fromisoformat(task["status_changed"]).astimezone(UTC)
    progress = str(task.get("runtime", {}).get("progress", ""))
    percent = int(progress) if progress.isdecimal() and int(progress) > 0 else None
    worker = task.get("last_worker") or "an agent"
    return Job(model=_model(task), worker=worker, since=since, percent=percent)
