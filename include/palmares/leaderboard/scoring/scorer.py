"""What a scorer is: it grades one stored generation, and says who it is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from palmares.leaderboard.details.rows import DetailsRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """A verdict on one row."""

    correct: bool
    extracted: str | None
    """The answer that was judged; private like the generation. None: the text holds none."""
    method: str
    """What decided, e.g. ``number``, ``letter``, ``no_answer``; may be shown."""
    reason: str
    """For a person; holds no text of the row."""
    slow: bool = False
    """The symbolic engine was asked; for figures."""


class Scorer(Protocol):
    """Grades rows; deterministic, and bounded in time and memory whatever a model wrote."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str:
        """Raised by hand when verdicts change."""
        ...

    @property
    def code_hash(self) -> str:
        """Changes whenever the code does, forgotten version or not."""
        ...

    def grade(self, row: DetailsRow) -> Grade: ...


@cache
def hash_sources(*paths: Path, notes: tuple[str, ...] = ()) -> str:
    """Hash a scorer's own source files, in the order given, and notes such as versions; 64 hex digits."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    for note in notes:
        digest.update(note.encode() + b"\0")
    return digest.hexdigest()
