"""The verdict on one answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """A verdict, the answer that it is about, and why."""

    correct: bool
    extracted: str | None
    """The answer that was judged; as private as the generation. None: the text holds none."""
    method: str
    """The comparison that decided, e.g. ``number``, ``letters``, ``no_answer``; may be shown."""
    reason: str
    """For a person; holds no text of the row."""
    unsure: bool = False
    """A person should look: two rivals, a hedge, or nothing found in a text that goes on. Counts as wrong."""
    slow: bool = False
    """The symbolic engine was asked; for figures."""
