"""One load: models published by workers against a Hub, then every file compared with what it should be."""

from __future__ import annotations

import json
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg
from palmares.hub import Hub
from palmares.hub.commit import KEY_PREFIX
from palmares.leaderboard.settings import HubSettings, Settings, load_settings
from palmares.store.outbox.commit_log import HOUR_S

from performance.publishing.faulty_hub import FAULTS, TOKEN, FaultyHub, SecondWriter
from performance.publishing.models import files_of, request_file, request_path
from performance.publishing.workers import publish_all, services_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much, by whom, and against what."""

    models: int
    workers: int = 8
    faults: bool = True
    """Late, lost, cut and refused answers, a second writer, and an absence."""
    away_s: float = 3.0
    """How long the Hub is away, once."""
    retry_s: float | None = None
    """``hub.longest_linger_s``, and the longest pause of a task; None: as in production."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it."""

    models: int
    workers: int
    duration_s: float
    commits: dict[str, int]
    """Ours, by repository, counted in the Hub's histories."""
    commits_noted: int
    """Commits that our store calls made."""
    files_committed: int
    """Files over all our commits: one more than there are, and one was written twice."""
    files_wanted: int
    wrong: list[str]
    """What is not as it should be."""
    most_in_an_hour: int
    """Commits of the hour that had most."""
    task_starts: int
    injected: dict[str, int]
    others_commits: int
    overtaken_others: int

    @property
    def all_commits(self) -> int:
        return sum(self.commits.values())

    def to_json(self) -> dict[str, object]:
        return asdict(self) | {
            "all_commits": self.all_commits,
            "commits_a_model": round(self.all_commits / self.models, 3),
        }


def run(load: Load, *, hub: FaultyHub, store_url: str, scratch: Path) -> Outcome:
    """Publish, and look at everything."""
    settings = _settings(load)
    _seed(hub, settings.hub, load.models)
    requests = [request_path(number) for number in range(load.models)]
    started = time.monotonic()
    with ExitStack() as stack:
        second = SecondWriter(hub.endpoint, settings.hub.requests_repo, requests, every_s=0.7)
        if load.faults:
            hub.plan(FAULTS)
            stack.enter_context(second)
            absence = threading.Timer(3.0, _be_away, args=(hub, load.away_s))
            absence.start()
            stack.callback(absence.join)
        slots = publish_all(
            lambda: services_at(
                settings, endpoint=hub.endpoint, token=TOKEN, store_url=store_url, scratch=scratch
            ),
            range(load.models),
            workers=load.workers,
            retry_s=settings.hub.longest_linger_s,
        )
        duration_s = time.monotonic() - started
    hub.plan([])
    commits = _our_commits(hub, settings.hub)
    noted, files = _noted(store_url)
    wrong = _wrong_files(hub, settings.hub, load.models, second) + _wrong_entries(store_url)
    hub.stop()
    hub.start()
    return Outcome(
        models=load.models,
        workers=load.workers,
        duration_s=round(duration_s, 1),
        commits={repo_id: len(oids) for repo_id, oids in commits.items()},
        commits_noted=noted,
        files_committed=files,
        files_wanted=sum(len(files_of(number, settings.hub)) + 1 for number in range(load.models)),
        wrong=wrong,
        most_in_an_hour=_most_in_an_hour(store_url),
        task_starts=slots.tries,
        injected=dict(hub.injected),
        others_commits=len(second.submitted),
        overtaken_others=second.overtaken,
    )


def _settings(load: Load) -> Settings:
    settings = load_settings()
    if load.retry_s is None:
        return settings
    hub = settings.hub.model_copy(update={"longest_linger_s": load.retry_s})
    return settings.model_copy(update={"hub": hub})


def _seed(hub: FaultyHub, repositories: HubSettings, models: int) -> None:
    client = Hub(endpoint=hub.endpoint, token=TOKEN)
    client.ensure_dataset(repositories.requests_repo, private=False)
    client.commit_files(
        repositories.requests_repo,
        {request_path(number): request_file(number) for number in range(models)},
        message="Requests",
        parent_commit=client.head(repositories.requests_repo),
    )


def _be_away(hub: FaultyHub, away_s: float) -> None:
    hub.stop()
    time.sleep(away_s)
    hub.start()
    hub.plan(FAULTS)


def _our_commits(hub: FaultyHub, repositories: HubSettings) -> dict[str, list[str]]:
    from huggingface_hub import HfApi

    api = HfApi(endpoint=hub.endpoint, token=TOKEN)
    return {
        repo_id: [
            commit.commit_id
            for commit in api.list_repo_commits(repo_id, repo_type="dataset")
            if KEY_PREFIX in commit.message
            and commit.title != "Requests"
            and not commit.title.startswith("Like ")
        ]
        for repo_id in (repositories.details_repo, repositories.results_repo, repositories.requests_repo)
    }


def _wrong_files(hub: FaultyHub, repositories: HubSettings, models: int, second: SecondWriter) -> list[str]:
    client = Hub(endpoint=hub.endpoint, token=TOKEN)
    wrong: list[str] = []
    expected = {
        key: value for number in range(models) for key, value in files_of(number, repositories).items()
    }
    for repo_id in (repositories.details_repo, repositories.results_repo):
        head = client.head(repo_id)
        paths = [path for repo, path in expected if repo == repo_id]
        found = client.read_files(repo_id, paths, commit=head)
        wrong += [f"{repo_id}/{path}" for path in paths if found.get(path) != expected[repo_id, path]]
        wrong += [
            f"{repo_id}/{path} is nobody's"
            for path in set(client.list_paths(repo_id, commit=head)) - set(paths) - {".gitattributes"}
        ]
    head = client.head(repositories.requests_repo)
    found = client.read_files(
        repositories.requests_repo, [*map(request_path, range(models)), *second.submitted], commit=head
    )
    for number in range(models):
        path = request_path(number)
        wanted = json.loads(request_file(number)) | {"status": "FINISHED"}
        wanted |= {"result_metrics_average": number / 1000}
        request = json.loads(found.get(path, b"{}"))
        if request.pop("likes", 0) not in second.liked.get(path, {0}) or request != wanted:
            wrong.append(f"{repositories.requests_repo}/{path}: {found.get(path)!r}")
    return wrong + [path for path in second.submitted if path not in found]


def _wrong_entries(store_url: str) -> list[str]:
    with psycopg.connect(store_url) as connection:
        return [
            f"outbox entry {key} is {status}, commit {commit}"
            for key, status, commit in connection.execute(
                "SELECT key, status, commit_oid FROM outbox WHERE status <> 'done' OR commit_oid IS NULL"
            )
        ]


def _noted(store_url: str) -> tuple[int, int]:
    with psycopg.connect(store_url) as connection:
        row = connection.execute(
            "SELECT count(*), coalesce(sum(files), 0) FROM hub_commits WHERE status = 'made'"
        ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def _most_in_an_hour(store_url: str) -> int:
    with psycopg.connect(store_url) as connection:
        times = [
            row[0].timestamp()
            for row in connection.execute(
                "SELECT sent_at FROM hub_commits WHERE status <> 'void' ORDER BY sent_at"
            )
        ]
    return max((sum(start <= one < start + HOUR_S for one in times) for start in times), default=0)
