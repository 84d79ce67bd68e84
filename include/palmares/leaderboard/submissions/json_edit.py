"""Changes single members of a JSON object's text and leaves every other byte as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from palmares.leaderboard.submissions.refusals import refused

MAX_DEPTH = 32
"""Objects and lists in one another; a request has one of them, and a fork's a few."""


_WHITESPACE = re.compile(r"[ \t\n\r]*")
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)|([\[{])|[\]}]', re.DOTALL)
_DECODER = json.JSONDecoder()
_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class _Member:
    """One key and value at the top level, as positions in the text."""

    key: str
    key_start: int
    key_end: int
    value_start: int
    value_end: int
    value: Any


@dataclass(frozen=True, slots=True)
class _Object:
    text: str
    open: int
    """Position after ``{``."""
    members: tuple[_Member, ...]


def read_object(content: bytes) -> dict[str, Any]:
    """Parse a JSON object; a byte-order mark is tolerated.

    Raises:
        RefusedError: ``invalid_json``: no UTF-8, no JSON, not an object, or nested too deep.
    """
    return {member.key: member.value for member in _scan(content).members}


def edit_request(content: bytes, changes: Mapping[str, Any]) -> bytes:
    """Make the least edit of a request file that sets these members.

    Order, indentation, separators, line ends, number spellings and unknown members stay byte for byte. A
    member that already has the value is not touched; a new one goes to the end, in the style of its
    neighbours. None for a member that the file lacks adds nothing.

    Args:
        content: The file.
        changes: New values by key, anything that JSON can hold.

    Raises:
        RefusedError: ``invalid_json``: the file is not a JSON object.
    """
    parsed = _scan(content)
    last = {member.key: member for member in parsed.members}  # a key written twice: the last one counts
    ascii_only = parsed.text.isascii()
    text = parsed.text
    for member in sorted(last.values(), key=lambda member: member.value_start, reverse=True):
        if member.key in changes and not _same(member.value, changes[member.key]):
            text = (
                text[: member.value_start] + _dump(changes[member.key], ascii_only) + text[member.value_end :]
            )
    added = [(key, value) for key, value in changes.items() if key not in last and value is not None]
    if added:
        text = _append(text, added, ascii_only)
    return text.encode()


def _append(text: str, added: list[tuple[str, Any]], ascii_only: bool) -> str:
    parsed = _scan(text.encode())
    members = parsed.members
    if not members:
        body = ", ".join(f"{_dump(key, ascii_only)}: {_dump(value, ascii_only)}" for key, value in added)
        return text[: parsed.open] + body + text[parsed.open :]
    tail = members[-1]
    colon = text[tail.key_end : tail.value_start]
    if len(members) > 1:
        comma = text[members[-2].value_end : tail.key_start]
    else:
        indent = text[parsed.open : tail.key_start]
        comma = "," + (indent if "\n" in indent else " " if colon.endswith(" ") else "")
    body = "".join(
        f"{comma}{_dump(key, ascii_only)}{colon}{_dump(value, ascii_only)}" for key, value in added
    )
    return text[: tail.value_end] + body + text[tail.value_end :]


def _scan(content: bytes) -> _Object:
    try:
        text = content.decode()
        return _scan_text(text)
    except UnicodeDecodeError as error:
        raise refused("invalid_json", detail=f"not UTF-8 at byte {error.start}") from error
    except ValueError as error:
        raise refused("invalid_json", detail=str(error)) from error


def _scan_text(text: str) -> _Object:
    _check_depth(text)
    position = _skip(text, 1 if text.startswith(_BOM) else 0)
    if text[position : position + 1] != "{":
        raise json.JSONDecodeError("expected an object", text, position)
    opening = position + 1
    members: list[_Member] = []
    position = _skip(text, opening)
    if text[position : position + 1] == "}":
        position += 1
    else:
        while True:
            member = _scan_member(text, position)
            members.append(member)
            position = _skip(text, member.value_end)
            mark = text[position : position + 1]
            position += 1
            if mark == "}":
                break
            if mark != ",":
                raise json.JSONDecodeError("expected ',' or '}'", text, position - 1)
            position = _skip(text, position)
    if _skip(text, position) != len(text):
        raise json.JSONDecodeError("text after the object", text, position)
    return _Object(text, opening, tuple(members))


def _check_depth(text: str) -> None:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for found in _BRACKETS.finditer(text):
        if found[1]:
            depth += 1
        elif found[0] in "]}":
            depth -= 1
        if depth > MAX_DEPTH:
            raise ValueError(f"nested more than {MAX_DEPTH} deep")


def _scan_member(text: str, position: int) -> _Member:
    if text[position : position + 1] != '"':
        raise json.JSONDecodeError("expected a key in double quotes", text, position)
    key, key_end = _DECODER.raw_decode(text, position)
    colon = _skip(text, key_end)
    if text[colon : colon + 1] != ":":
        raise json.JSONDecodeError("expected ':'", text, colon)
    value_start = _skip(text, colon + 1)
    if value_start >= len(text):
        raise json.JSONDecodeError("expected a value", text, value_start)
    value, value_end = _DECODER.raw_decode(text, value_start)
    return _Member(key, position, key_end, value_start, value_end, value)


def _skip(text: str, position: int) -> int:
    match = _WHITESPACE.match(text, position)
    assert match is not None  # the pattern matches nothing, too
    return match.end()


def _same(old: Any, new: Any) -> bool:
    """Compare as JSON: True is not 1, 1 is not 1.0."""
    return json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)


def _dump(value: Any, ascii_only: bool) -> str:
    text = json.dumps(value, ensure_ascii=ascii_only)
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8: escape it
        return json.dumps(value, ensure_ascii=True)
    return text
