"""Which fault hits which call: the plan that a test gives an embedded server, and what is left of it."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Kind = Literal[
    "latency",
    "status",
    "drop_before",
    "drop_after",
    "truncate",
    "expired_token",
    "crash_before",
    "crash_after",
]


class Fault(BaseModel):
    """What goes wrong, where, and how often."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: str = Field(min_length=1)
    """As in the shell, ``*`` is anything: ``tasks.enqueue`` or ``tasks.*`` on the ClearML API,
    ``POST /api/datasets/*/commit/*`` (method and decoded path) on the file server and the Hub."""
    kind: Kind
    status: int = 503
    """Of ``status``: the HTTP status, 400 to 599."""
    retry_after_s: int | None = Field(default=None, ge=0)
    """Of ``status``: the header Retry-After; None for none."""
    rate_limit_s: int | None = Field(default=None, ge=0)
    """Of ``status``: the wait in the header RateLimit, as the Hub sends it; None for none."""
    message: str | None = Field(default=None, max_length=300, pattern=r"^[ -~]+$")
    """Of ``status`` on the Hub: its words (``Private repository storage limit reached``); None: the usual."""
    after: bool = False
    """Of ``status``: answered once the effect is there, as by a proxy that gave up waiting."""
    seconds: float = Field(default=1.0, ge=0)
    """Of ``latency``: how long the request waits before the server sees it."""
    close: bool = True
    """Of ``truncate``: the connection ends in the middle of the announced length. False: the length
    announced is the cut one's, so that the body arrives whole and only its content is broken."""
    count: int | None = Field(default=1, ge=1)
    """How many calls it hits; None: all, until it is cleared."""
    skip: int = Field(default=0, ge=0)
    """How many calls it lets through first."""

    @field_validator("status")
    @classmethod
    def _is_a_refusal(cls, status: int) -> int:
        if status < 400 or status not in set(HTTPStatus):
            raise ValueError(f"{status} is no HTTP status from 400 to 599")
        return status


class Plan(BaseModel):
    """The body of a request that replaces the plan."""

    model_config = ConfigDict(extra="forbid")

    faults: list[Fault]


@dataclass(slots=True)
class Armed:
    """A fault and how much of it is left."""

    fault: Fault
    skip: int
    left: int | None

    def takes(self, endpoint: str) -> bool:
        """Whether it hits this call, which counts."""
        if self.left == 0 or not fnmatchcase(endpoint, self.fault.endpoint):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.left is not None:
            self.left -= 1
        return True
