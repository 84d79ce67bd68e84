"""From the store to the public leaderboard: contents table, card and charts, made anew when they change."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

from pydantic import ValidationError

from palmares.leaderboard.errors import HubNotFoundError
from palmares.leaderboard.planning import JobPlan
from palmares.leaderboard.publishing import (
    CONTENTS_PATH,
    Contents,
    PublishedResult,
    contents_of,
    contents_parquet,
    cost_of,
)
from palmares.leaderboard.publishing.card import CARD_PATH, edit_card
from palmares.leaderboard.publishing.card_section import card_section
from palmares.leaderboard.publishing.charts import charts
from palmares.leaderboard.publishing.rank_intervals import with_rank_intervals
from palmares.leaderboard.results import Manifest
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.leaderboard.evaluated_rows import evaluated_rows
from palmares.steps.outbox import check_written, write_everything
from palmares.steps.services import Services
from palmares.store.outbox.queue import OutboxEntry
from palmares.store.store import PublishedRecord

log = logging.getLogger(__name__)

CONFIG = {"config_name": "default", "data_files": [{"split": "train", "path": CONTENTS_PATH}]}
"""What lets `datasets` load the table, and the Hub show it."""


def is_quiet(services: Services, *, waited_s: float) -> bool:
    """Whether a burst of results is over, so that one rebuild tells of all of them.

    Args:
        services: Open handles.
        waited_s: How long the rebuild has waited; its patience ends.
    """
    publishing = services.settings.publishing
    last_s = services.store.results.last_published_s()
    return last_s is None or last_s >= publishing.linger_s or waited_s >= publishing.patience_s


def read_contents(services: Services) -> Contents:
    """Put the leaderboard together from the store alone: whoever missed an event misses nothing."""
    suite = services.settings.suite()
    records = services.store.results.published()
    found = [_result(services, record) for record in records]
    contents = contents_of(
        [result for result in found if result is not None],
        suite=suite,
        moderation=services.store.moderation.current(),
    )
    ranked = {row.result.submission.job_key for row in contents.ranked}
    rows = evaluated_rows(services, [record for record in records if record.job_key in ranked], suite)
    return with_rank_intervals(contents, rows, seed=suite.seed)


def publish_leaderboard(services: Services) -> dict[str, Any]:
    """Write the contents table, card and charts if they changed, and whatever else waits for the Hub.

    Returns:
        ``models`` and ``ranked`` (how many), ``incomplete`` (model → tasks without a score), ``changed``
        (paths), and ``commits`` (repository → commits that this call made).

    Raises:
        HubError: The Hub cannot be read, or an entry can never be written.
        OutboxWaitError: The files wait, for what it says; they are written when that is over.
    """
    repo_id = services.settings.contents_repo
    # One rebuild at a time, also by hand: an older leaderboard must not be queued after a newer one.
    with services.store.database.advisory_lock(f"leaderboard {repo_id}", timeout_s=120):
        contents = read_contents(services)
        entries = _entries(services, contents, repo_id)
        services.store.outbox.add(entries)
    commits = write_everything(services)
    check_written(services, [entry.key for entry in entries])
    changed = [entry.path for entry in entries]
    log.info("%s models, %s of them ranked; changed: %s", len(contents.rows), len(contents.ranked), changed)
    return {
        "models": len(contents.rows),
        "ranked": len(contents.ranked),
        "incomplete": {model: list(tasks) for model, tasks in contents.incomplete.items()},
        "changed": changed,
        "commits": commits,
    }


def _result(services: Services, record: PublishedRecord) -> PublishedResult | None:
    try:
        plan = JobPlan.from_json(record.plan)
        manifest = Manifest.model_validate(record.manifest)
        submission = Submission.from_json(record.submission)
    except ValidationError as error:
        # One old row that this version cannot read must not take the leaderboard down.
        log.error(  # noqa: TRY400 - the sentence is enough, and the error is raised below
            "the published result %s cannot be read and is not displayed: %s problems, the first at %s",
            record.job_key,
            error.error_count(),
            error.errors()[0]["loc"],
        )
        return None
    cluster = services.settings.clusters.get(plan.cluster)
    return PublishedResult(
        submission=submission,
        manifest=manifest,
        plan=plan,
        scores=record.scores,
        cost=cost_of(plan, duration_s=manifest.duration_s, cluster=cluster),
        claimed_at=record.created_at,
    )


def _entries(services: Services, contents: Contents, repo_id: str) -> list[OutboxEntry]:
    """One entry a file that differs from what the Hub has."""
    settings = services.settings
    publishing = settings.publishing.at(services.hub.endpoint)
    try:
        head = services.hub.head(repo_id)
    except HubNotFoundError:
        head = None

    def current(path: str) -> bytes | None:
        return None if head is None else services.hub.read_file(repo_id, path, commit=head)

    section = card_section(
        contents,
        publishing,
        repo_id=repo_id,
        results_repo=settings.hub.results_repo,
        requests_repo=settings.hub.requests_repo,
    )
    defaults = {
        "pretty_name": f"{publishing.title}: contents",
        "tags": ["leaderboard"],
        "language": list(publishing.languages),
    }
    changes = {"section": section, "config": CONFIG, "defaults": defaults}
    files = {
        CONTENTS_PATH: contents_parquet(contents, hub_url=publishing.hub_url),
        **charts(contents, most=publishing.card_rows),
    }
    message = f"Leaderboard of {len(contents.rows)} models"
    entries = [
        OutboxEntry(
            key=_key(path, content, head),
            repo_id=repo_id,
            private=False,
            kind="put",
            path=path,
            content=content,
            message=message,
        )
        for path, content in files.items()
        if content != current(path)
    ]
    card = current(CARD_PATH)
    if (written := edit_card(card, changes)) != card:
        # An edit, not the file: a person may write beside our section until it is committed.
        entries.append(
            OutboxEntry(
                key=_key(CARD_PATH, written, head),
                repo_id=repo_id,
                private=False,
                kind="edit_card",
                path=CARD_PATH,
                changes=changes,
                message=message,
            )
        )
    return entries


def _key(path: str, content: bytes, head: str | None) -> str:
    """With the commit that the file was compared to: a leaderboard may come back to what it was."""
    return f"contents:{path}:{hashlib.sha256(content).hexdigest()[:16]}:{head}"
