"""Sets members of nested JSON objects in a text, and leaves every other character as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Path = tuple[str, ...]
"""Keys from the outermost object inwards."""

_WHITESPACE = re.compile(r"[ \t\n\r]*")
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)|([\[{])|[\]}]', re.DOTALL)
_DECODER = json.JSONDecoder()
_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class _Member:
    """One key and value, as positions in the text."""

    key: str
    key_start: int
    key_end: int
    value_start: int
    value_end: int
    value: Any


@dataclass(frozen=True, slots=True)
class _Object:
    start: int
    """Position of ``{``."""
    end: int
    """Position after ``}``."""
    members: tuple[_Member, ...]


def read_object(text: str, *, max_depth: int | None = None) -> dict[str, Any]:
    """Parse a JSON object; a byte-order mark is tolerated, and the last of two equal keys counts.

    Args:
        text: The document.
        max_depth: Objects and lists in one another that are allowed; None: as many as Python parses.

    Raises:
        ValueError: It is no JSON, no object, or nested too deep.
    """
    if max_depth is not None:
        _check_depth(text, max_depth)
    return {member.key: member.value for member in _document(text).members}


def set_members(text: str, changes: Mapping[Path, Any]) -> str:
    """Set values by their paths, in order; objects that a path needs are made.

    Order, indentation, separators, line ends, spellings of numbers and unknown members stay. A member that
    has the value already is not touched; a new one goes to the end, in the style of its neighbours. Of a key
    that is written twice the last one counts, as for every reader.

    Raises:
        ValueError: The text is no JSON object, or a path leads through something that is no object.
    """
    _document(text)
    ascii_only = text.isascii()
    for path, value in changes.items():
        text = _set(text, path, value, ascii_only)
    return text


def _set(text: str, path: Path, value: Any, ascii_only: bool) -> str:
    position = _start(text)
    unit = _indentation(text, position)
    for depth, key in enumerate(path):
        if text[position : position + 1] != "{":
            raise ValueError(f"{'.'.join(path[:depth])} is no object")
        holder = _object(text, position)
        found = next((member for member in reversed(holder.members) if member.key == key), None)
        if found is None:
            for inner in reversed(path[depth + 1 :]):
                value = {inner: value}
            return _append(text, holder, key, value, unit=unit, depth=depth, ascii_only=ascii_only)
        if depth == len(path) - 1:
            if _is_same(found.value, value):
                return text
            new = _dump(value, unit, depth + 1, ascii_only)
            return text[: found.value_start] + new + text[found.value_end :]
        position = found.value_start
    raise ValueError("an empty path")


def _append(
    text: str, holder: _Object, key: str, value: Any, *, unit: str | None, depth: int, ascii_only: bool
) -> str:
    """Add a member after the last one of *holder*."""
    name = _dump(key, None, 0, ascii_only)
    if holder.members:
        last = holder.members[-1]
        colon = text[last.key_end : last.value_start]
        if len(holder.members) > 1:
            comma = text[holder.members[-2].value_end : last.key_start]
        else:
            gap = text[holder.start + 1 : last.key_start]
            comma = "," + (gap if "\n" in gap else " " if colon.endswith(" ") else "")
        own_unit = unit if "\n" in comma else None
        body = f"{comma}{name}{colon}{_dump(value, own_unit, depth + 1, ascii_only)}"
        return text[: last.value_end] + body + text[last.value_end :]
    if unit is None:
        body = f"{name}: {_dump(value, None, 0, ascii_only)}"
        return text[: holder.start + 1] + body + text[holder.start + 1 :]
    inner, outer = "\n" + unit * (depth + 1), "\n" + unit * depth
    body = f"{inner}{name}: {_dump(value, unit, depth + 1, ascii_only)}{outer}"
    return text[: holder.start + 1] + body + text[holder.end - 1 :]


def _document(text: str) -> _Object:
    found = _object(text, _start(text))
    if _skip(text, found.end) != len(text):
        raise json.JSONDecodeError("text after the object", text, found.end)
    return found


def _start(text: str) -> int:
    return _skip(text, 1 if text.startswith(_BOM) else 0)


def _object(text: str, start: int) -> _Object:
    """Members of the object that opens at *start*."""
    if text[start : start + 1] != "{":
        raise json.JSONDecodeError("expected an object", text, start)
    members: list[_Member] = []
    position = _skip(text, start + 1)
    if text[position : position + 1] == "}":
        return _Object(start, position + 1, ())
    while True:
        member = _member(text, position)
        members.append(member)
        position = _skip(text, member.value_end)
        mark = text[position : position + 1]
        if mark == "}":
            return _Object(start, position + 1, tuple(members))
        if mark != ",":
            raise json.JSONDecodeError("expected ',' or '}'", text, position)
        position = _skip(text, position + 1)


def _member(text: str, position: int) -> _Member:
    if text[position : position + 1] != '"':
        raise json.JSONDecodeError("expected a key in double quotes", text, position)
    key, key_end = _DECODER.raw_decode(text, position)
    colon = _skip(text, key_end)
    if text[colon : colon + 1] != ":":
        raise json.JSONDecodeError("expected ':'", text, colon)
    value_start = _skip(text, colon + 1)
    if value_start >= len(text):
        raise json.JSONDecodeError("expected a value", text, value_start)
    try:
        value, value_end = _DECODER.raw_decode(text, value_start)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    return _Member(key, position, key_end, value_start, value_end, value)


def _check_depth(text: str, most: int) -> None:
    """Refuse a text that is nested too deep before it is parsed, in linear time."""
    if text.count("[") + text.count("{") <= most:
        return
    depth = 0
    for found in _BRACKETS.finditer(text):
        if found[1]:
            depth += 1
        elif found[0] in "]}":
            depth -= 1
        if depth > most:
            raise ValueError(f"nested more than {most} deep")


def _indentation(text: str, position: int) -> str | None:
    """One level of the text's indentation; None: it is written in one line."""
    gap = text[position + 1 : _skip(text, position + 1)]
    return gap.rpartition("\n")[2] if "\n" in gap else None


def _skip(text: str, position: int) -> int:
    match = _WHITESPACE.match(text, position)
    assert match is not None  # the pattern matches nothing, too
    return match.end()


def _is_same(old: Any, new: Any) -> bool:
    """Compare as JSON: True is not 1, 1 is not 1.0."""
    return json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)


def _dump(value: Any, unit: str | None, depth: int, ascii_only: bool) -> str:
    indent = unit if isinstance(value, dict | list) else None
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8: escape it
        text = json.dumps(value, ensure_ascii=True, indent=indent)
    return text if indent is None else text.replace("\n", "\n" + indent * depth)
