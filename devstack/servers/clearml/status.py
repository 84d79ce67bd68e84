"""The status machine of a ClearML task, pure: which status may follow which."""

from __future__ import annotations

from enum import StrEnum

from devstack.servers.clearml.protocol import ApiError


class Status(StrEnum):
    """A task's status on the wire."""

    CREATED = "created"
    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    STOPPED = "stopped"
    PUBLISHED = "published"
    PUBLISHING = "publishing"
    CLOSED = "closed"
    FAILED = "failed"
    COMPLETED = "completed"
    UNKNOWN = "unknown"


NEXT: dict[Status, frozenset[Status]] = {
    Status.CREATED: frozenset({Status.QUEUED, Status.IN_PROGRESS}),
    Status.QUEUED: frozenset({Status.CREATED, Status.IN_PROGRESS, Status.STOPPED}),
    Status.IN_PROGRESS: frozenset({Status.STOPPED, Status.FAILED, Status.CREATED, Status.COMPLETED}),
    Status.STOPPED: frozenset(
        {
            Status.CLOSED,
            Status.CREATED,
            Status.FAILED,
            Status.QUEUED,
            Status.IN_PROGRESS,
            Status.PUBLISHED,
            Status.PUBLISHING,
            Status.COMPLETED,
        }
    ),
    Status.CLOSED: frozenset(
        {Status.CREATED, Status.FAILED, Status.PUBLISHED, Status.PUBLISHING, Status.STOPPED}
    ),
    Status.FAILED: frozenset({Status.QUEUED, Status.CREATED, Status.STOPPED, Status.PUBLISHED}),
    Status.PUBLISHING: frozenset({Status.PUBLISHED}),
    Status.PUBLISHED: frozenset(),
    Status.COMPLETED: frozenset({Status.PUBLISHED, Status.IN_PROGRESS, Status.CREATED}),
    Status.UNKNOWN: frozenset(),
}


def is_allowed(current: Status, new: Status) -> bool:
    """Whether *new* may follow *current*; staying is allowed."""
    return new == current or new in NEXT[current]


def check_transition(current: Status, new: Status, *, force: bool) -> None:
    """Refuse a step that the table does not have; *force* allows every step.

    Raises:
        ApiError: 400/110.
    """
    if not force and not is_allowed(current, new):
        raise ApiError(400, 110, "Invalid status change", current_status=current, new_status=new)
