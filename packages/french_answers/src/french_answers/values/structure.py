"""Cuts tokens at separators, looks inside marks, and tells names from formulas."""

from __future__ import annotations

import re
from collections.abc import Sequence

from french_answers.values.limits import MAX_MEMBERS, UnreadableError

_OPENING = {"(": ")", "{": "}", "\\{": "\\}"}
_LABEL = re.compile(
    r"(?:\\lim.*|\|.{1,12}\||[A-Za-zα-ωΑ-Ω]{1,4}'*(?:_\{?[\w+-]{1,6}\}?)?(?:\(.{0,12}\))?|[^\W\d_]{3,}(?:\(.{0,12}\))?)"
)


def split_at(marks: Sequence[str], separators: frozenset[str]) -> tuple[list[list[str]], list[str]]:
    """Cut at separators outside all parentheses and braces."""
    parts: list[list[str]] = [[]]
    found: list[str] = []
    depth = 0
    for mark in marks:
        if mark in _OPENING or mark == "\\begin":
            depth += 1 if mark != "\\begin" else 8
        elif mark in {")", "}", "\\}"}:
            depth -= 1
        elif mark == "\\end":
            depth -= 8
        elif not depth and mark in separators:
            parts.append([])
            found.append(mark)
            continue
        parts[-1].append(mark)
    if len(parts) > MAX_MEMBERS:
        raise UnreadableError("too many members")
    return parts, found


def inside(marks: Sequence[str]) -> list[str] | None:
    """What one pair of marks encloses, if it encloses all."""
    closing = _OPENING.get(marks[0])
    if closing is None or marks[-1] != closing:
        return None
    depth = 0
    for position, mark in enumerate(marks):
        if mark in _OPENING:
            depth += 1
        elif mark in {")", "}", "\\}"}:
            depth -= 1
            if not depth and position != len(marks) - 1:
                return None
    return list(marks[1:-1]) if not depth else None


def label_of(marks: Sequence[str]) -> str:
    """The name that tokens are, as ``x``, ``f(x)``, ``P(X ≤ 2)``; empty for a formula."""
    joined = "".join(marks)
    return joined if _LABEL.fullmatch(joined) and joined not in {"e", "i", "π", "pi"} else ""
