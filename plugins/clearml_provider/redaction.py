"""What must not leave ClearML in text that is copied from it: keys, and what exceptions quote."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit, urlunsplit

HIDDEN = "***"
"""As Airflow masks."""
REASON_CHARS = 200

_SURE_CHARS = 6
"""A key shorter than this is hidden only where it stands as a word: it may be a part of many."""
_KEY_SHAPES = (
    re.compile(r"(?P<key>eyJ[\w-]{8,}(?:\.[\w-]*)+)"),  # a JSON web token, whole or cut
    re.compile(r"(?:access|secret)_key['\"]?\s*[=:]\s*['\"]?(?P<key>[^\s'\",;}]+)", re.IGNORECASE),
    re.compile(r"Authorization['\"]?\s*:\s*['\"]?\w+\s+(?P<key>[^\s'\"]+)", re.IGNORECASE),
    re.compile(r"\b[a-z][a-z0-9+.-]*://(?!git@)(?P<key>[^\s/@'\"]+)@", re.IGNORECASE),
)
"""clearml-agent writes ``access_key = …`` to each job's console; git writes addresses with their password."""
_EXCEPTION = re.compile(r"\w*(?:Exception|Error)\b")
_SECRET_NAME = re.compile(
    r"(?:token|secrets?|passwords?|passwd|pwd|keys?|credentials?)(?![a-z])", re.IGNORECASE
)
_VALUE_CHARS = 60


def redactor(keys: Iterable[str] = ()) -> Callable[[str], str]:
    """A function that hides *keys*, and whatever has the shape of a key, in a line."""
    own = [_exactly(key) for key in sorted({key for key in keys if key}, key=len, reverse=True)]
    shapes = (*_KEY_SHAPES, re.compile(f"(?P<key>{'|'.join(own)})")) if own else _KEY_SHAPES

    def redacted(line: str) -> str:
        # All are found before any is hidden: a key may be a part of the words that another is known by.
        spans = sorted(found.span("key") for shape in shapes for found in shape.finditer(line))
        kept, end = "", 0
        for first, last in spans:
            if first >= end:
                kept += line[end:first] + HIDDEN
            end = max(end, last)
        return kept + line[end:]

    return redacted


def shown_reason(reason: str) -> str:
    """A task's ``status_reason`` or ``status_message``, as far as logs, XComs and errors may repeat it.

    ClearML's own reasons are short sentences on one line. The SDK writes ``Exception …`` with the message of
    what ended a job that no agent ran, and the message may quote the job's data: it stays in ClearML.
    """
    lines = reason.strip().splitlines()
    if not lines:
        return ""
    first = "".join(char for char in lines[0] if char.isprintable()).strip()
    if found := _EXCEPTION.search(first):
        rest = first[found.end() :].strip(" :.")
        return first[: found.end()][:REASON_CHARS] + (" (message withheld)" if rest or lines[1:] else "")
    return redactor()(first)[:REASON_CHARS]


def shown_url(url: str) -> str:
    """An address without keys and without its query, which may hold a signature."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that cannot be read"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def shown_value(where: Iterable[object], value: object) -> str | None:
    """A wrong value for an error's message; None: by its name it is secret.

    Args:
        where: The names that lead to it.
        value: Of one that holds other values only the kind is shown: some of them may be secret.
    """
    if any(_SECRET_NAME.search(str(name)) for name in where):
        return None
    if not isinstance(value, str | int | float | bool | None):
        return f"a {type(value).__name__}"
    text = redactor()(repr(value))
    return text if len(text) <= _VALUE_CHARS else f"{text[: _VALUE_CHARS - 1]}…"


def _exactly(key: str) -> str:
    return re.escape(key) if len(key) >= _SURE_CHARS else rf"(?<!\w){re.escape(key)}(?!\w)"
