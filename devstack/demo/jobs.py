"""What ClearML knows of the jobs that a sweep waits for: the place in the queue, or the run under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

_FIELDS = ["id", "status", "status_changed", "last_worker", "execution.queue", "hyperparams", "runtime"]
_LIVE = ["queued", "in_progress"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One live job."""

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


def clock(seconds: float) -> str:
    """``1:05``, or ``2:00:05``."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def live_jobs(client: httpx.Client) -> dict[str, Job]:
    """The queued and running jobs by the model that they evaluate; empty when ClearML does not answer.

    Args:
        client: Of the ClearML API, logged in.
    """
    try:
        tasks = _data(client, "tasks.get_all", status=_LIVE, only_fields=_FIELDS)["tasks"]
        queues = _data(client, "queues.get_all", only_fields=["id", "entries"])["queues"]
    except (httpx.HTTPError, KeyError, ValueError):
        return {}
    entries = {queue["id"]: [entry["task"] for entry in queue["entries"]] for queue in queues}
    return {model: _job(task, entries) for task in tasks if (model := _model(task))}


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
        return Job(place=place, waiting=len(waiting))
    since = datetime.fromisoformat(task["status_changed"]).astimezone(UTC)
    progress = str(task.get("runtime", {}).get("progress", ""))
    percent = int(progress) if progress.isdecimal() and int(progress) > 0 else None
    return Job(worker=task.get("last_worker") or "an agent", since=since, percent=percent)
