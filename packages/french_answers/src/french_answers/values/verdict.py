"""What a comparison of two values comes to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether an answer has the expected value, and how that was found."""

    equal: bool
    method: str
    """``identical``, ``number``, ``quantity``, ``expression``, ``equation``, ``region``, ``set``, ``tuple``,
    ``infinity``, ``unreadable`` or ``too_hard``."""
    reason: str
    """For a person; holds no text of the row."""
    slow: bool = False
    """Whether Math-Verify was asked."""
