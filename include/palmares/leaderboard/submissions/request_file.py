"""Reads one file of the requests dataset, tolerant of every shape met in the wild."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from palmares.leaderboard import json_patch
from palmares.leaderboard.submissions.names import validate_model_id
from palmares.leaderboard.submissions.refusals import refused

REQUEST_MARK = "_eval_request_"
MAX_REQUEST_BYTES = 1 << 20
"""A request is a kilobyte; more is an attack or an accident."""
MAX_DEPTH = 32
"""Objects and lists in one another; a request has one of them, and a fork's a few."""


class RequestStatus(StrEnum):
    """What a request file says about itself."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    RERUN = "RERUN"
    PENDING_NEW_EVAL = "PENDING_NEW_EVAL"
    UNKNOWN = "UNKNOWN"
    """A fork's own word: nobody touches such a file."""

    @property
    def waits(self) -> bool:
        """Whether the request asks for an evaluation."""
        return self in {RequestStatus.PENDING, RequestStatus.RERUN, RequestStatus.PENDING_NEW_EVAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFile:
    """One request, normalised; *raw* keeps what the file says."""

    path: str
    raw: dict[str, Any]
    model_id: str
    base_model: str | None
    """None for ``""`` and null."""
    requested_revision: str
    """``main`` when the file does not say."""
    precision: str
    """``bfloat16``, ``float16``, ``float32``, ``8bit``, ``4bit``, ``GPTQ``, or what the file says."""
    weight_type: str
    """``Original``, ``Delta``, ``Adapter``, or what the file says."""
    private: bool
    status: RequestStatus
    submitted_time: datetime | None
    """Aware, UTC; None when absent or unreadable."""
    use_chat_template: bool | None
    """None: the file does not say; the settings decide."""
    sender: str | None
    likes: int
    params: float | None
    """Billions; None for 0 and null, which mean unknown."""
    model_type: str | None
    license: str | None


_PRECISIONS = {
    "bf16": "bfloat16",
    "fp16": "float16",
    "half": "float16",
    "fp32": "float32",
    "float": "float32",
    "gptq": "GPTQ",
}


def is_request_path(path: str) -> bool:
    """Whether a file is a request by its path: others may lie beside them, and are nobody's business.

    A path with control or direction marks is no request either: it would be shown as something else.
    """
    return REQUEST_MARK in path and path.endswith(".json") and path.isprintable()


def parse_request(path: str, content: bytes) -> RequestFile:
    """Read one request.

    Only what makes a request unusable is refused; an odd value elsewhere reads as absent. A request that
    waits has its name checked here, so that nothing downstream meets a hostile one; an old, decided file
    with a name that is no longer legal stays readable.

    Args:
        path: The file's path in the dataset; not trusted, never opened.
        content: The file.

    Raises:
        RefusedError: ``invalid_json``, ``invalid_request`` or ``invalid_name``.
    """
    if len(content) > MAX_REQUEST_BYTES:
        raise refused("invalid_json", detail=f"{len(content)} bytes, at most {MAX_REQUEST_BYTES}")
    raw = read_object(content)
    model_id = raw.get("model")
    if not isinstance(model_id, str) or not model_id.strip():
        raise refused("invalid_request", detail="the field 'model' holds no name")
    status = parse_status(raw.get("status"))
    if status.waits:
        validate_model_id(model_id)
    return RequestFile(
        path=path,
        raw=raw,
        model_id=model_id,
        base_model=_text(raw.get("base_model")),
        requested_revision=_text(raw.get("revision")) or "main",
        precision=parse_precision(raw.get("precision")),
        weight_type=(_text(raw.get("weight_type")) or "Original").capitalize(),
        private=raw.get("private") is True,
        status=status,
        submitted_time=parse_time(raw.get("submitted_time")),
        use_chat_template=_flag(raw.get("use_chat_template")),
        sender=_text(raw.get("sender")) or _text(raw.get("submitted_by")),
        likes=int(_number(raw.get("likes")) or 0),
        params=_number(raw.get("params")) or None,
        model_type=_text(raw.get("model_type")),
        license=_text(raw.get("license")),
    )


def read_object(content: bytes) -> dict[str, Any]:
    """Parse a request's JSON object; a byte-order mark is tolerated.

    Raises:
        RefusedError: ``invalid_json``: no UTF-8, no JSON, not an object, or nested too deep.
    """
    try:
        return json_patch.read_object(content.decode(), max_depth=MAX_DEPTH)
    except UnicodeDecodeError as error:
        raise refused("invalid_json", detail=f"not UTF-8 at byte {error.start}") from error
    except ValueError as error:
        raise refused("invalid_json", detail=str(error)) from error


def edit_request(content: bytes, changes: Mapping[str, Any]) -> bytes:
    """Make the least edit of a request file that sets these members.

    What is not named stays byte for byte, see ``json_patch.set_members``. None for a member that the file
    lacks adds nothing.

    Args:
        content: The file.
        changes: New values by key, anything that JSON can hold.

    Raises:
        RefusedError: ``invalid_json``: the file is not a JSON object.
    """
    present = read_object(content)
    wanted: dict[json_patch.Path, Any] = {
        (key,): value for key, value in changes.items() if key in present or value is not None
    }
    return json_patch.set_members(content.decode(), wanted).encode()


def parse_status(value: object) -> RequestStatus:
    """Normalise a status: absent is PENDING, EVALUATING is RUNNING, FINISHED_… is FINISHED."""
    if value is None:
        return RequestStatus.PENDING
    word = str(value).strip().upper()
    if word.startswith("FINISHED"):
        return RequestStatus.FINISHED
    if word == "EVALUATING":
        return RequestStatus.RUNNING
    if word == "CANCELED":
        return RequestStatus.CANCELLED
    return RequestStatus(word) if word in RequestStatus.__members__ else RequestStatus.UNKNOWN


def parse_precision(value: object) -> str:
    """Normalise a precision: no ``torch.`` prefix, one spelling; ``bfloat16`` when absent."""
    word = (_text(value) or "bfloat16").removeprefix("torch.")
    return _PRECISIONS.get(word.lower(), word)


_FRACTION = re.compile(r"(\.\d{6})\d+")


def parse_time(value: object) -> datetime | None:
    """Read ``2023-07-31T01:52:02Z``, with or without fractions and zone; no zone means UTC."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(_FRACTION.sub(r"\1", value.strip()))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _text(value: object) -> str | None:
    if isinstance(value, str) and value.strip():
        return value.strip()
    return None


def _flag(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in {"true", "false"}:
        return value.strip().lower() == "true"
    return None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
