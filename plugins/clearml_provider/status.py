"""The states of a ClearML task, and which of them are the end."""

from __future__ import annotations

from enum import StrEnum

from clearml_provider.exceptions import ClearMLUnknownStatusError


class TaskStatus(StrEnum):
    """ClearML's task status, as the API spells it; ``StrEnum``, so that comparing with a string works."""

    CREATED = "created"
    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    STOPPED = "stopped"
    COMPLETED = "completed"
    FAILED = "failed"
    CLOSED = "closed"
    PUBLISHING = "publishing"
    PUBLISHED = "published"
    UNKNOWN = "unknown"
    """A value of ClearML's own vocabulary: the server says it does not know. Never terminal."""

    @classmethod
    def parse(cls, value: str, *, task_id: str) -> TaskStatus:
        """Read a status from an answer.

        Raises:
            ClearMLUnknownStatusError: *value* is none that this version knows; guessing whether it is
                an end would either wait for ever or give up a live job.
        """
        try:
            status = cls(value)
        except ValueError:
            status = cls.UNKNOWN
        if status is cls.UNKNOWN:
            raise ClearMLUnknownStatusError(
                f"ClearML task {task_id}: unknown status {value!r}, known are "
                f"{sorted(s.value for s in cls if s is not cls.UNKNOWN)}. Update the ClearML provider."
            )
        return status

    @property
    def is_terminal(self) -> bool:
        """Whether the job is over: nothing more will happen unless somebody enqueues the task again."""
        return self in _TERMINAL

    @property
    def is_success(self) -> bool:
        return self in _SUCCESS


_SUCCESS = frozenset({TaskStatus.COMPLETED, TaskStatus.CLOSED, TaskStatus.PUBLISHING, TaskStatus.PUBLISHED})
_TERMINAL = _SUCCESS | {TaskStatus.STOPPED, TaskStatus.FAILED}
