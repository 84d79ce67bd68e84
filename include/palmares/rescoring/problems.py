"""What goes wrong with one file while the others go on."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal[
    "unreadable", "duplicate", "no_scores", "mismatch", "missing_task", "missing_metric", "cannot_write",
    "grader_died", "sanity_baseline",
]  # fmt: skip

NO_USE_GOING_ON = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""What no other file of the same place will fare better with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One file that was left as it was; no text of a row is in it."""

    kind: Kind
    path: Path
    message: str
    """What happened, and what to do; names the file."""

    def to_json(self) -> dict[str, str]:
        return {"kind": self.kind, "path": str(self.path), "message": self.message}


def cannot_write(path: Path, error: OSError) -> Problem:
    """A place that takes no file: full, read-only, or somebody else's."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        then = "Free some space and run again: what is done is kept."
    else:
        then = "Make it writable and run again: what is done is kept."
    return Problem(
        kind="cannot_write",
        path=path,
        message=f"{path.parent} cannot be written for {path.name} ({error.strerror or error}). {then}",
    )
