"""Compares plain numbers without reading them as formulas: most golds and most wrong answers are such."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_QUICK = 60
"""Characters of a text that is looked at."""

_PLAIN = re.compile(
    r"\s*(?P<dollar>\$)?\s*(?:(?:≈|environ\s|\\approx)\s*)?(?P<label>[A-Za-z]\s?=\s?)?(?P<sign>[+\-−]?)\s?"
    r"(?:(?P<whole>[0-9]{1,3}(?:(?:[ \u202f\u00a0\u2009]|\\,)[0-9]{3})+(?![0-9])|[0-9]{1,15})"
    r"(?:(?:[.,]|\{,\})(?P<decimals>[0-9]{1,15}))?"
    r"|\\[dt]?frac\s?\{(?P<top>[0-9]{1,15})\}\s?\{(?P<bottom>[0-9]{1,15})\}"
    r"|(?P<over>[0-9]{1,15})\s?/\s?(?P<under>[0-9]{1,15}))"
    r"(?:(?:\s|\\[,; ]|\\text\{\s?|\\mathrm\{\s?)*"
    r"(?P<unit>\\?%|€|euros?|(?:[kcmd]m|km/h|kg)(?![\w/^.²³⁻·*]))\}?)?"
    r"\s*(?(dollar)\$)\s*\.?\s*"
)
_SHARES = frozenset({"%", "\\%"})


@dataclass(frozen=True, slots=True)
class Plain:
    """A number as a quotient of whole numbers."""

    top: int
    bottom: int
    decimals: int
    """Digits after the mark; -1 for a quotient."""
    unit: str
    label: bool


def read_plain(text: str) -> Plain | None:
    """Read a plain number; None for anything else, a division by zero too."""
    if len(text) > MAX_QUICK:
        return None
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    _, label, sign, whole, decimals, top, bottom, over, under, unit = match.groups()
    if whole is not None:
        if len(whole) > 3 and not whole.isdigit():
            whole = "".join(filter(str.isdigit, whole))
        value, divisor, places = int(whole + (decimals or "")), 10 ** len(decimals or ""), len(decimals or "")
    else:
        value, divisor, places = int(top or over), int(bottom or under), -1
        if not divisor:
            return None
    negative = sign in {"-", "−"}
    return Plain(-value if negative else value, divisor, places, unit or "", label is not None)


def same_plain(gold: Plain, text: Plain) -> bool | None:
    """Compare two plain numbers; None where units, labels or shares have to be weighed.

    Only where every policy is at its default and the instruction asks for nothing.
    """
    if gold.label or (gold.unit != text.unit and (gold.unit or text.unit in _SHARES)):
        return None
    return gold.top * text.bottom == text.top * gold.bottom
