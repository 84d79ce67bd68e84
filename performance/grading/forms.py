"""One expected answer in the notations that are right and in those that are wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Forms:
    """Every text of ``right`` says the gold, none of ``wrong`` does: true by how they are made."""

    gold: str
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    instruction: str | None = None


_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def superscript(number: int) -> str:
    """``23`` as ``²³``."""
    return str(number).translate(_SUPERSCRIPTS)
