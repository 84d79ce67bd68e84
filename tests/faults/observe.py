"""What came of a scenario, looked up in the store, on the Hub, on ClearML and among the processes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil
from palmares.leaderboard.errors import HubNotFoundError

from tests.faults.scenario import Row

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from palmares.steps.services import Services

LIVE_STATUSES = ("created", "queued", "in_progress")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to look."""

    services: Services
    api: HfApi
    call: Callable[..., Mapping[str, Any]]
    """ClearML's API."""

    def heads(self) -> dict[str, str | None]:
        """The newest commit of each dataset; None: there is none yet."""
        hub = self.services.settings.hub
        return {repo: self._head(repo) for repo in (hub.requests_repo, hub.results_repo, hub.details_repo)}

    def _head(self, repo_id: str) -> str | None:
        try:
            return self.services.hub.head(repo_id)
        except HubNotFoundError:
            return None


@dataclass(slots=True, kw_only=True)
class Seen:
    """What a scenario was about, and what was seen while it went on."""

    model_id: str
    request_path: str
    job_key: str
    hub_before: Mapping[str, str | None]
    jobs: int = 0
    """How often an agent started a process for it."""
    pids: list[int] = field(default_factory=list)
    """Of those that were met."""
    said: list[str] = field(default_factory=list)
    """What was done, with processes and moments."""
    tries: list[str] = field(default_factory=list)
    """Which tasks took more than one try, and why."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One row of docs/reference/reliability.md."""

    id: str
    step: str
    what: str
    happened: str
    final: str
    """State in the store, and the request's status."""
    attempts: tuple[str, ...]
    """Failure class of each."""
    jobs: int
    accepted: int
    publications: int
    """Commits that brought a results file of this model."""
    finished: int
    """Commits after which the request says FINISHED and before which it did not."""
    leaks: tuple[str, ...]
    seconds: float

    def problems(self, row: Row) -> list[str]:
        """What is not as it must be."""
        published = row.final == "published"
        is_other = row.or_endings is not None and self.attempts == row.or_endings
        endings = row.or_endings if is_other else row.endings
        wanted: dict[str, Any] = {
            "final": f"{row.final}, {row.status}",
            "attempts": endings,
            "jobs": len(endings or ()) if row.jobs is None else row.jobs,
            "accepted": int(published),
            "publications": int(published),
            "finished": int(published),
            "leaks": (),
        }
        return [
            f"{name}: {getattr(self, name)!r}, expected {value!r}"
            for name, value in wanted.items()
            if getattr(self, name) != value
        ]


def observe(place: Place, row: Row, seen: Seen) -> Outcome:
    """Look at everything that the scenario left."""
    store = place.services.store
    evaluation = store.evaluations.get(seen.job_key)
    assert evaluation is not None
    accepted = store.results.accepted(seen.job_key)
    return Outcome(
        id=row.id,
        step=row.step,
        what=row.what,
        happened="; ".join(_counted([_words(text) for text in (*seen.said, *seen.tries)])),
        final=f"{evaluation.state.value}, {_status(place, seen)}",
        attempts=tuple(
            attempt.failure_class or "not judged" for attempt in store.evaluations.attempts(seen.job_key)
        ),
        jobs=seen.jobs,
        accepted=int(accepted is not None),
        publications=_publications(place, seen),
        finished=_finished_writes(place, seen),
        leaks=tuple(_leaks(place, seen)),
        seconds=seen.seconds,
    )


def _words(said: str) -> str:
    words = re.sub(r"https?://\S+", "…", " ".join(said.split()))
    words = re.sub(r"\b[0-9a-f]{32,}\b", lambda found: f"{found.group()[:8]}…", words)
    return words if len(words) <= 200 else f"{words[:199]}…"


def _counted(said: list[str]) -> list[str]:
    return [f"{text} ×{said.count(text)}" if said.count(text) > 1 else text for text in dict.fromkeys(said)]


def _status(place: Place, seen: Seen) -> str:
    repo = place.services.settings.hub.requests_repo
    return _status_at(place, seen, place.services.hub.head(repo))


def _status_at(place: Place, seen: Seen, commit: str) -> str:
    repo = place.services.settings.hub.requests_repo
    content = place.services.hub.read_file(repo, seen.request_path, commit=commit)
    assert content is not None
    return str(json.loads(content)["status"])


def _commits_since(place: Place, seen: Seen, repo: str) -> list[str]:
    """Oldest first."""
    before = seen.hub_before[repo]
    if not place.api.repo_exists(repo, repo_type="dataset"):
        return []
    found = []
    for commit in place.api.list_repo_commits(repo, repo_type="dataset"):
        if commit.commit_id == before:
            break
        found.append(commit.commit_id)
    return found[::-1]


def _publications(place: Place, seen: Seen) -> int:
    """Commits that changed which results files of the model there are, or a results file itself."""
    repo = place.services.settings.hub.results_repo
    before = seen.hub_before[repo]
    known = _results_files(place, seen, before) if before else {}
    first, count = known, 0
    for commit in _commits_since(place, seen, repo):
        now = _results_files(place, seen, commit)
        count += now != known
        known = now
    assert len(known) - len(first) == count, f"{len(known)} results files of {seen.model_id}, {count} commits"
    return count


def _results_files(place: Place, seen: Seen, commit: str) -> dict[str, bytes | None]:
    repo = place.services.settings.hub.results_repo
    return {
        path: place.services.hub.read_file(repo, path, commit=commit)
        for path in place.services.hub.list_paths(repo, commit=commit, prefix=seen.model_id)
        if path.rpartition("/")[2].startswith("results_")
    }


def _finished_writes(place: Place, seen: Seen) -> int:
    repo = place.services.settings.hub.requests_repo
    statuses = [_status_at(place, seen, commit) for commit in _commits_since(place, seen, repo)]
    return sum(
        now == "FINISHED" and before != "FINISHED"
        for before, now in zip(["PENDING", *statuses], statuses, strict=False)
    )


def _leaks(place: Place, seen: Seen) -> list[str]:
    """Whatever of the job still lives."""
    tasks = place.call("tasks.get_all", tags=[f"key:{seen.job_key}"], only_fields=["id", "status", "name"])[
        "tasks"
    ]
    found = [
        f"ClearML task {task['id']} is {task['status']}" for task in tasks if task["status"] in LIVE_STATUSES
    ]
    if len(tasks) != 1:
        found.append(f"{len(tasks)} ClearML tasks of one key")
    queues = place.call("queues.get_all", only_fields=["id", "entries"])["queues"]
    ids = {task["id"] for task in tasks}
    found += [
        f"queue entry of {entry['task']}"
        for queue in queues
        for entry in queue.get("entries") or []
        if entry["task"] in ids
    ]
    return found + [f"job process {pid}" for pid in sorted(set(seen.pids)) if is_alive(pid)]


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and not only its number that nobody has asked for yet."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
