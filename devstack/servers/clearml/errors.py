"""The errors of ClearML's protocol: HTTP code, subcode, and the text that clients match on."""

from __future__ import annotations

from typing import Any

from palmares.leaderboard.errors import LeaderboardError

_TEXTS = {
    (400, 12): "Validation error",
    (400, 21): "Malformed regular expression",
    (400, 101): "Invalid task id",
    (400, 110): "Invalid task status",
    (400, 121): "Failed changing task status. probably someone changed it before you",
    (400, 122): "Task is missing expected fields",
    (400, 123): "Task cannot be deleted",
    (400, 131): "Events not added",
    (400, 201): "Invalid model id",
    (400, 401): "Invalid project id",
    (400, 402): "Project has associated tasks",
    (400, 701): "Invalid queue id",
    (400, 702): "Queue is not empty",
    (400, 703): "Invalid queue id or task not in queue",
    (400, 706): "Failed adding task to queue since task is already queued",
    (400, 707): "No queue is tagged as the default queue for this company",
    (400, 800): "Data validation error",
    (400, 801): "Value combination already exists",
    (400, 1001): "Invalid worker id",
    (401, 20): "Unauthorized (missing credentials)",
    (401, 21): "Unauthorized (malformed credentials)",
    (401, 22): "Unauthorized (invalid credentials)",
    (401, 30): "Invalid token",
    (404, 0): "Unable to find endpoint",
    (413, 0): "Request is too large",
    (500, 1): "Internal server error",
    (500, 100): "General data error",
    (507, 0): "Insufficient storage",
}


class ApiError(LeaderboardError):
    """What the server answers when it refuses: ``text (why): key=value, …``.

    Attributes:
        code: HTTP status, also the envelope's ``result_code``.
        subcode: ClearML's finer number, e.g. 706.
    """

    def __init__(self, code: int, subcode: int, why: str = "", **values: Any) -> None:
        self.code = code
        self.subcode = subcode
        message = _TEXTS[code, subcode]
        if why:
            message += f" ({why})"
        if values:
            message += ": " + ", ".join(f"{key}={_shown(value)}" for key, value in values.items())
        super().__init__(message)


class UnknownEndpointError(ApiError):
    """No such endpoint; the text is the real server's."""

    def __init__(self, name: str, version: str) -> None:
        super().__init__(404, 0)
        self.args = (f"Unable to find endpoint for name {name} and version {version}",)


class PathCollisionError(ApiError):
    """``only_fields`` names a field together with its own sub-field: MongoDB refuses the projection."""

    def __init__(self, field: str) -> None:
        super().__init__(500, 1)
        said = f"Path collision at {field}"
        full = {"ok": 0.0, "errmsg": said, "code": 31250, "codeName": "Location31250"}
        self.args = (f"Internal server error: err={said}, full error: {full}",)


class InternalError(ApiError):
    """The real server's answer where it stumbles: HTTP 500 with Python's own words."""

    def __init__(self, words: str) -> None:
        super().__init__(500, 100)
        self.args = (words,)


def _shown(value: Any) -> str:
    return f"({', '.join(map(str, value))})" if isinstance(value, (list, tuple)) else str(value)
