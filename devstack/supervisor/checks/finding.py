"""What a check found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one check, in words."""

    name: str
    level: Literal["ok", "warning", "error"]
    """``warning``: the commands cope with it by themselves. ``error``: they refuse."""
    message: str
    fix: str = ""
    """What to do; empty where nothing is to be done."""

    def to_json(self) -> dict[str, str]:
        return asdict(self)


def fine(name: str, message: str) -> Finding:
    return Finding(name=name, level="ok", message=message)


def warning(name: str, message: str, fix: str) -> Finding:
    return Finding(name=name, level="warning", message=message, fix=fix)


def broken(name: str, message: str, fix: str) -> Finding:
    return Finding(name=name, level="error", message=message, fix=fix)
