"""Reads one file of the requests dataset, tolerant of every shape met in the wild."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    PlainValidator,
    StrictBool,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from palmares.leaderboard import json_patch
from palmares.leaderboard.submissions.names import validate_model_id
from palmares.leaderboard.submissions.refusals import refused

REQUEST_MARK = "_eval_request_"
MAX_REQUEST_BYTES = 1 << 20
"""A request is a kilobyte; more is an attack or an accident."""
MAX_DEPTH = 32
"""Objects and lists in one another; a request has one of them, and a fork's a few."""
MOST_VOTES = 10**9
"""More are counted as so many."""


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


_PRECISIONS = {
    "bf16": "bfloat16",
    "fp16": "float16",
    "half": "float16",
    "fp32": "float32",
    "float": "float32",
    "gptq": "GPTQ",
}
_FRACTION = re.compile(r"(\.\d{6})\d+")


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


def parse_precision(value: str) -> str:
    """Normalise a precision: no ``torch.`` prefix, one spelling; ``bfloat16`` when empty."""
    word = (value.strip() or "bfloat16").removeprefix("torch.")
    return _PRECISIONS.get(word.lower(), word)


def parse_time(value: object) -> datetime | None:
    """Read ``2023-07-31T01:52:02Z``, with or without fractions and zone; no zone means UTC."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(_FRACTION.sub(r"\1", value.strip()))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _spelt_flag(value: object) -> object:
    words: dict[object, bool] = {"true": True, "false": False}
    return words.get(value.strip().lower()) if isinstance(value, str) else value


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("holds no name")
    return text


def _or(default: Any) -> WrapValidator:
    """Read an odd value as *default*: it makes no request unusable."""

    def validate(value: Any, inner: ValidatorFunctionWrapHandler) -> Any:
        try:
            return inner(value)
        except ValidationError:
            return default

    return WrapValidator(validate)


# Not a plain `str`: pydantic refuses lone surrogates, which JSON may hold.
_Word = Annotated[InstanceOf[str], AfterValidator(str.strip), Field(min_length=1)]
_Text = Annotated[_Word | None, _or(None)]


class RequestFile(BaseModel):
    """One request, normalised; *raw* keeps what the file says."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    path: InstanceOf[str]
    raw: InstanceOf[dict[str, Any]] = Field(repr=False)
    model_id: Annotated[InstanceOf[str], AfterValidator(_not_blank)] = Field(validation_alias="model")
    base_model: _Text = None
    """None for ``""`` and null."""
    requested_revision: Annotated[_Word, _or("main")] = Field(default="main", validation_alias="revision")
    """``main`` when the file does not say."""
    precision: Annotated[_Word, AfterValidator(parse_precision), _or("bfloat16")] = "bfloat16"
    """``bfloat16``, ``float16``, ``float32``, ``8bit``, ``4bit``, ``GPTQ``, or what the file says."""
    weight_type: Annotated[_Word, AfterValidator(str.capitalize), _or("Original")] = "Original"
    """``Original``, ``Delta``, ``Adapter``, or what the file says."""
    private: Annotated[StrictBool, _or(False)] = False
    status: Annotated[RequestStatus, PlainValidator(parse_status)] = RequestStatus.PENDING
    submitted_time: Annotated[datetime | None, PlainValidator(parse_time)] = None
    """Aware, UTC; None when absent or unreadable."""
    use_chat_template: Annotated[StrictBool | None, BeforeValidator(_spelt_flag), _or(None)] = None
    """None: the file does not say; the settings decide."""
    named_sender: _Text = Field(default=None, validation_alias="sender")
    submitted_by: _Text = None
    """The sender, as some front ends call it."""
    votes: Annotated[
        int, Field(strict=True, ge=0), AfterValidator(lambda count: min(count, MOST_VOTES)), _or(0)
    ] = 0
    """Those that a front end counted into the file; anything else counts as none."""
    params: Annotated[float | None, Field(strict=True, gt=0, allow_inf_nan=False), _or(None)] = None
    """Billions; None for 0 and null, which mean unknown."""
    model_type: _Text = None
    license: _Text = None

    @property
    def sender(self) -> str | None:
        """Who asks for the evaluation; None: the file does not say."""
        return self.named_sender or self.submitted_by


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
    try:
        request = RequestFile.model_validate({**raw, "path": path, "raw": raw})
    except ValidationError as error:
        raise refused("invalid_request", detail="the field 'model' holds no name") from error
    if request.status.waits:
        validate_model_id(request.model_id)
    return request


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

    What is not named stays byte for byte, see ``json_patch.set_members``; only a number as ``job_id`` becomes
    its text. None for a member that the file lacks adds nothing.

    Args:
        content: The file.
        changes: New values by key, anything that JSON can hold.

    Raises:
        RefusedError: ``invalid_json``: the file is not a JSON object.
    """
    present = read_object(content)
    job_id = present.get("job_id")
    if isinstance(job_id, int | float) and not isinstance(job_id, bool):
        # Forms write -1, and ClearML's ids are texts: `datasets` reads a column of one type only.
        changes = {"job_id": str(job_id), **changes}
    wanted: dict[json_patch.Path, Any] = {
        (key,): value for key, value in changes.items() if key in present or value is not None
    }
    return json_patch.set_members(content.decode(), wanted).encode()
