"""When a commit is worth making: full, quiet or old, so that siblings' publications share it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from palmares.store.outbox_entries import QueueState
from palmares.store.outbox_hub import OutboxLimits

if TYPE_CHECKING:
    from palmares.store.hub_commits import CommitUse
    from palmares.store.store import Store

FREELY = 2 / 3
"""Share of the hour's commits that is given to whoever comes; the rest is spread over the hour."""
_POLL_S = 0.1


def spacing_s(use: CommitUse, limits: OutboxLimits) -> float:
    """How long entries have to wait because commits are short; 0 while they are plenty.

    What is left of the budget is spread evenly over the time until the oldest commit is an hour old.
    """
    left = limits.commits_per_hour - use.used
    if use.used < FREELY * limits.commits_per_hour:
        return 0.0
    return use.frees_in_s / max(1, left)


def is_due(queue: QueueState, limits: OutboxLimits, *, spacing: float = 0.0) -> bool:
    """Whether what waits for a repository should be committed now.

    Args:
        queue: What waits.
        limits: A full commit never waits: waiting cannot make it better.
        spacing: Of `spacing_s`.
    """
    if queue.entries == 0:
        return False
    if queue.paths >= limits.files_per_commit or queue.content_bytes >= limits.bytes_per_commit:
        return True
    if queue.oldest_s >= max(limits.at_most_s, spacing):
        return True
    return spacing == 0.0 and queue.held == 0 and queue.newest_s >= limits.quiet_s


def wait_until_due(
    store: Store, endpoint: str, repo_id: str, limits: OutboxLimits, *, deadline: float
) -> bool:
    """Wait for siblings until a commit is due.

    Args:
        deadline: Of `time.monotonic`: when to give up.

    Returns:
        False: nothing waits any more, commits are short, or the time is up; a later one writes what waits.
    """
    while True:
        queue = store.outbox_queue(repo_id)
        spacing = spacing_s(store.commit_use(endpoint), limits)
        if time.monotonic() > deadline:
            return False
        if is_due(queue, limits, spacing=spacing):
            return True
        if queue.entries == 0 or spacing:
            return False
        time.sleep(min(_POLL_S, max(0.0, limits.quiet_s - queue.newest_s) + 0.005))
