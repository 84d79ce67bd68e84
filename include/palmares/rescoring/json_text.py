"""Sets members of nested JSON objects in a text, and leaves every other character as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()

Path = tuple[str, ...]
"""Keys from the outermost object inwards."""


@dataclass(frozen=True, slots=True)
class _Member:
    key: str
    start: int
    """Of the key."""
    key_end: int
    value_start: int
    value_end: int


def set_members(text: str, changes: Mapping[Path, Any]) -> str:
    """Set values by their paths, in order; objects that a path needs are made.

    Order, indentation, spellings of numbers and unknown members stay. Of a key that is written twice the
    last one counts, as for every reader.

    Raises:
        ValueError: The text is no JSON object, or a path leads through something that is no object.
    """
    for path, value in changes.items():
        text = _set(text, path, value)
    return text


def _set(text: str, path: Path, value: Any) -> str:
    position = _skip(text, 1 if text.startswith("\ufeff") else 0)
    unit = _unit(text, position)
    ascii_only = text.isascii()
    for depth, key in enumerate(path):
        if text[position : position + 1] != "{":
            raise ValueError(f"{'.'.join(path[:depth]) or 'the document'} is no object")
        members = _members(text, position)
        found = next((member for member in reversed(members) if member.key == key), None)
        if found is None:
            rest: Any = value
            for inner in reversed(path[depth + 1 :]):
                rest = {inner: rest}
            return _append(text, position, members, key, rest, unit, depth, ascii_only)
        if depth == len(path) - 1:
            new = _dump(value, unit, depth + 1, ascii_only)
            return text[: found.value_start] + new + text[found.value_end :]
        position = found.value_start
    raise ValueError("an empty path")


def _append(
    text: str,
    position: int,
    members: list[_Member],
    key: str,
    value: Any,
    unit: str | None,
    depth: int,
    ascii_only: bool,
) -> str:
    own = json.dumps(key, ensure_ascii=ascii_only)
    colon = ": "
    if members:
        last = members[-1]
        before = text[position + 1 : members[0].start]
        one_line = "\n" not in before
        colon = text[last.key_end : last.value_start]
        comma = ", " if one_line and colon != ":" else f",{'' if one_line else before}"
        body = f"{comma}{own}{colon}{_dump(value, None if one_line else unit, depth + 1, ascii_only)}"
        return text[: last.value_end] + body + text[last.value_end :]
    if unit is None:
        return f"{text[: position + 1]}{own}{colon}{_dump(value, None, 0, ascii_only)}{text[position + 1 :]}"
    inner, outer = "\n" + unit * (depth + 1), "\n" + unit * depth
    end = text.index("}", position)
    body = f"{inner}{own}{colon}{_dump(value, unit, depth + 1, ascii_only)}{outer}"
    return text[: position + 1] + body + text[end:]


def _members(text: str, position: int) -> list[_Member]:
    """Members of the object that opens at *position*."""
    members: list[_Member] = []
    position = _skip(text, position + 1)
    if text[position : position + 1] == "}":
        return members
    while True:
        start = position
        if text[position : position + 1] != '"':
            raise ValueError(f"a key was expected at character {position}")
        key, key_end = _DECODER.raw_decode(text, position)
        position = _skip(text, key_end)
        if text[position : position + 1] != ":":
            raise ValueError(f"a colon was expected at character {position}")
        value_start = _skip(text, position + 1)
        try:
            _, value_end = _DECODER.raw_decode(text, value_start)
        except RecursionError as error:
            raise ValueError("nested too deep") from error
        members.append(_Member(key, start, key_end, value_start, value_end))
        position = _skip(text, value_end)
        mark = text[position : position + 1]
        if mark == "}":
            return members
        if mark != ",":
            raise ValueError(f"a comma was expected at character {position}")
        position = _skip(text, position + 1)


def _unit(text: str, position: int) -> str | None:
    """One level of the text's indentation; None: it is written in one line."""
    gap = text[position + 1 : _skip(text, position + 1)]
    return gap.rpartition("\n")[2] if "\n" in gap else None


def _dump(value: Any, unit: str | None, depth: int, ascii_only: bool) -> str:
    if unit is None or not isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=ascii_only)
    lines = json.dumps(value, ensure_ascii=ascii_only, indent=unit)
    return lines.replace("\n", "\n" + unit * depth)


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    assert match is not None  # the pattern matches nothing, too
    return match.end()
