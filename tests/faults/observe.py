"""What came of a scenario, looked up in the store, on the Hub, on ClearML and among the processes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from tests.faults.play import Played
from tests.faults.scenario import Scenario
from tests.faults.world import World, is_alive

LIVE_STATUSES = ("created", "queued", "in_progress")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One row of docs/reliability.md."""

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

    def problems(self, scenario: Scenario) -> list[str]:
        """What is not as it must be."""
        published = scenario.final == "published"
        wanted: dict[str, Any] = {
            "final": f"{scenario.final}, {scenario.status}",
            "attempts": scenario.endings,
            "jobs": scenario.expected_jobs,
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


def observe(world: World, scenario: Scenario, played: Played) -> Outcome:
    """Look at everything that the scenario left."""
    store = world.services.store
    evaluation = store.get(played.job_key)
    assert evaluation is not None
    accepted = store.accepted_results(played.job_key)
    tries = ", ".join(
        f"{task.rpartition('.')[2]} {played.run.tries[task]}×{_first_words(errors)}"
        for task, errors in played.run.errors.items()
    )
    return Outcome(
        id=scenario.id,
        step=scenario.step,
        what=scenario.what,
        happened="; ".join([*_counted(played.said), *([f"tries: {tries}"] if tries else [])]),
        final=f"{evaluation.state.value}, {_status(world, played)}",
        attempts=tuple(attempt.failure_class or "not judged" for attempt in store.attempts(played.job_key)),
        jobs=sum(job is not None for job in played.agent.pulled),
        accepted=int(accepted is not None),
        publications=_publications(world, played),
        finished=_finished_writes(world, played),
        leaks=tuple(_leaks(world, played)),
        seconds=played.seconds,
    )


def _first_words(errors: list[str]) -> str:
    words = re.sub(r"https?://\S+", "…", errors[0])
    words = re.sub(r"\b[0-9a-f]{32,}\b", lambda found: f"{found.group()[:8]}…", words)
    return f" ({words[:150]}{'…' if len(words) > 150 else ''})"


def _counted(said: list[str]) -> list[str]:
    return [f"{text} ×{said.count(text)}" if said.count(text) > 1 else text for text in dict.fromkeys(said)]


def _status(world: World, played: Played) -> str:
    repo = world.services.settings.hub.requests_repo
    return _status_at(world, played, world.services.hub.head(repo))


def _status_at(world: World, played: Played, commit: str) -> str:
    repo = world.services.settings.hub.requests_repo
    content = world.services.hub.read_file(repo, played.request_path, commit=commit)
    assert content is not None
    return str(json.loads(content)["status"])


def _commits_since(world: World, played: Played, repo: str) -> list[str]:
    """Oldest first."""
    before = played.hub_before[repo]
    if not world.api.repo_exists(repo, repo_type="dataset"):
        return []
    found = []
    for commit in world.api.list_repo_commits(repo, repo_type="dataset"):
        if commit.commit_id == before:
            break
        found.append(commit.commit_id)
    return found[::-1]


def _publications(world: World, played: Played) -> int:
    """Commits that changed which results files of the model there are, or a results file itself."""
    repo = world.services.settings.hub.results_repo
    seen: dict[str, bytes | None] = {}
    count = 0
    for commit in _commits_since(world, played, repo):
        paths = world.services.hub.list_paths(repo, commit=commit, prefix=played.model_id)
        now = {
            path: world.services.hub.read_file(repo, path, commit=commit)
            for path in paths
            if path.rpartition("/")[2].startswith("results_")
        }
        count += now != seen
        seen = now
    assert len(seen) == count, f"{len(seen)} results files of {played.model_id} in {count} commits"
    return count


def _finished_writes(world: World, played: Played) -> int:
    repo = world.services.settings.hub.requests_repo
    statuses = [_status_at(world, played, commit) for commit in _commits_since(world, played, repo)]
    return sum(
        now == "FINISHED" and before != "FINISHED"
        for before, now in zip(["PENDING", *statuses], statuses, strict=False)
    )


def _leaks(world: World, played: Played) -> list[str]:
    """Whatever of the job still lives."""
    tasks = world.servers.call(
        "tasks.get_all", tags=[f"key:{played.job_key}"], only_fields=["id", "status", "name"]
    )["tasks"]
    found = [
        f"ClearML task {task['id']} is {task['status']}" for task in tasks if task["status"] in LIVE_STATUSES
    ]
    if len(tasks) != 1:
        found.append(f"{len(tasks)} ClearML tasks of one key")
    queues = world.servers.call("queues.get_all", only_fields=["id", "entries"])["queues"]
    ids = {task["id"] for task in tasks}
    found += [
        f"queue entry of {entry['task']}"
        for queue in queues
        for entry in queue.get("entries") or []
        if entry["task"] in ids
    ]
    found += [
        f"job process {job.pid}" for job in played.agent.pulled if job is not None and is_alive(job.pid)
    ]
    return found
