"""Publishes the queue: each waiting request's place, expected start and reasons, for the public site."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from palmares.leaderboard.errors import HubNotFoundError
from palmares.leaderboard.publishing.contents_table import QUEUE_PATH
from palmares.steps.outbox import check_written, write_out
from palmares.steps.requests.overview import Row, overview
from palmares.steps.services import Services
from palmares.store.outbox.queue import OutboxEntry
from palmares.store.store import EvaluationState

log = logging.getLogger(__name__)

BEFORE_THE_MACHINES = frozenset({EvaluationState.CLAIMED.value, EvaluationState.PLANNED.value})


def publish_queue(services: Services, *, now: datetime | None = None) -> dict[str, Any]:
    """Write ``queue.json`` beside the contents table, unless what it says is there already.

    Args:
        services: Open handles.
        now: Aware; None: this moment.

    Returns:
        ``waiting`` and ``running`` (how many), and ``changed``.

    Raises:
        HubError: The Hub cannot be read.
        OutboxWaitError: The file waits, for what it says.
    """
    now = now or datetime.now(UTC)
    rows = queue_rows(overview(services, now=now).rows)
    counts = {state: sum(row["state"] == state for row in rows) for state in ("waiting", "running")}
    repo_id = services.settings.contents_repo
    if rows == _published(services, repo_id):
        log.info("the queue is as it was published: %s", counts)
        return counts | {"changed": False}
    document = {"generated_at": now.astimezone(UTC).isoformat(timespec="seconds"), "requests": rows}
    content = (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()
    entry = OutboxEntry(
        key=f"queue:{hashlib.sha256(content).hexdigest()}",
        repo_id=repo_id,
        private=False,
        kind="put",
        path=QUEUE_PATH,
        content=content,
        message="The queue",
    )
    services.store.outbox.add([entry])
    write_out(services, repo_id)
    check_written(services, [entry.key])
    log.info("the queue was published: %s", counts)
    return counts | {"changed": True}


def queue_rows(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """What the site shows of the requests that wait or run, in the queue's order."""
    found = []
    for row in rows:
        if row.position is not None:
            found.append(
                {
                    "path": row.path,
                    "state": "waiting",
                    "place": row.position,
                    "starts": None if row.starts is None else row.starts.isoformat(),
                    "why": {"en": list(row.why), "fr": list(row.why_fr)},
                }
            )
        elif row.status == "RUNNING":
            phase = "queued" if row.state in BEFORE_THE_MACHINES else None
            found.append({"path": row.path, "state": "running", "phase": phase})
    return found


def _published(services: Services, repo_id: str) -> object:
    """The rows that the Hub has; None: none that can be read."""
    try:
        content = services.hub.read_file(repo_id, QUEUE_PATH, commit=services.hub.head(repo_id))
    except HubNotFoundError:
        return None
    try:
        document = json.loads(content or b"")
    except ValueError:
        return None
    return document.get("requests") if isinstance(document, dict) else None
