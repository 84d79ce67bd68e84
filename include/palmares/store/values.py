"""Conversion of values to columns (text that PostgreSQL takes, one spelling of JSON), and times to UTC."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from palmares.leaderboard.errors import StoreError


def clean_text(value: str) -> str:
    """*value* with what PostgreSQL cannot hold (NUL, lone surrogates) as U+FFFD.

    Names, logs and JSON come from strangers: one odd byte must not lose the row.
    """
    return "".join("\ufffd" if char == "\0" or "\ud800" <= char <= "\udfff" else char for char in value)


def clean_json(value: Any, *, what: str) -> Any:
    """A copy of *value* that JSONB holds and gives back equal (floats from 1e16 on may come back as ints).

    Raises:
        StoreError: It is not JSON; NaN and infinities are not JSON either.
    """
    try:
        return _clean(json.loads(json.dumps(value, allow_nan=False, default=_plain)))
    except (TypeError, ValueError) as error:
        raise StoreError(
            f"{what} cannot be stored as JSON: {error}. Pass None for a value that is not known."
        ) from error


def json_sha256(value: Any) -> str:
    """Hash of a cleaned JSON value, the same whatever the order of its keys."""
    spelled = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(spelled.encode()).hexdigest()


def utc_times(columns: Mapping[Any, Any]) -> dict[str, Any]:
    """A row's *columns* by name, times in UTC whatever the session's time zone."""
    return {
        name: value.astimezone(UTC) if isinstance(value, datetime) else value
        for name, value in columns.items()
    }


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value
