"""Reads from an instruction which form, precision or unit an answer is asked in."""

from __future__ import annotations

import re
from dataclasses import dataclass

from french_answers.values.text import clean, tokens
from french_answers.values.units import Unit, fold, read_unit

MAX_INSTRUCTION = 2000

_PLACES = {
    "unite": 0, "entier": 0, "dixieme": 1, "centieme": 2, "millieme": 3, "dix-millieme": 4, "dix millieme": 4,
    "cent-millieme": 5, "millionieme": 6,
}  # fmt: skip
_TRIGGER = re.compile(
    r"arrond|pr[eè]s|irr[ée]ductible|scientifique|factoris|d[ée]velopp|alg[ée]brique|trigonom|exponentielle|polaire|\ben\b"
    r"|pourcentage|[ée]quation|d[ée]cimale|chiffres?|valeur approch",
    re.IGNORECASE,
)
_ROUNDED = re.compile(
    r"(?:arrond\w*|valeur approch\w*)[^.;]{0,40}?\b(?P<place>unit[ée]|entier|dix-?\s?milli[eè]me"
    r"|cent-milli[eè]me|dixi[eè]me|centi[eè]me|milli[eè]me|millioni[eè]me)",
    re.IGNORECASE,
)
_POWER = re.compile(r"10\^[({]?-(\d{1,2})[)}]?\s+pr[eè]s", re.IGNORECASE)
_WITHIN = re.compile(r"\b0[.,](0{0,8})1\s+pr[eè]s|au (\S+) pr[eè]s|[àa] l'(unit[ée]) pr[eè]s", re.IGNORECASE)
_DECIMALS = re.compile(
    r"(?:avec|[àa]) (\d|un|une|deux|trois|quatre) (?:d[ée]cimales?|chiffres? apr[eè]s)", re.IGNORECASE
)
_COUNTS = {"un": 1, "une": 1, "deux": 2, "trois": 3, "quatre": 4}
_UNIT = re.compile(
    r"\ben (?P<unit>[^\s,;.!?()]+(?:[.·][^\s,;.!?()]+)*(?: (?:par|carr[ée]s?|cubes?)(?: [^\s,;.!?()]+)?)*)",
    re.IGNORECASE,
)
_FORMS = (
    ("irreducible", re.compile(r"irr[ée]ductible", re.IGNORECASE)),
    ("scientific", re.compile(r"(?:notation|[ée]criture|forme) scientifique", re.IGNORECASE)),
    ("factorised", re.compile(r"factoris", re.IGNORECASE)),
    ("expanded", re.compile(r"d[ée]velopp", re.IGNORECASE)),
    ("algebraic", re.compile(r"alg[ée]brique", re.IGNORECASE)),
    ("exponential", re.compile(r"forme exponentielle", re.IGNORECASE)),
    ("polar", re.compile(r"trigonom[ée]trique|polaire", re.IGNORECASE)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFormat:
    """What an instruction asks of an answer's form."""

    places: int | None = None
    """Decimals to round to; None: no rounding is asked."""
    forms: tuple[str, ...] = ()
    unit: Unit | None = None
    percent: bool = False
    """Whether a percentage is asked for, so that its sign may be left out or put."""
    equation: bool = False


NOTHING = AnswerFormat()


def read_instruction(instruction: str | None) -> AnswerFormat:
    """Find what is asked; at most the first 2,000 characters are read."""
    if not instruction:
        return NOTHING
    text = instruction[:MAX_INSTRUCTION]
    if not _TRIGGER.search(text):
        return NOTHING
    text = clean(text)
    forms = tuple(name for name, pattern in _FORMS if pattern.search(text))
    return AnswerFormat(
        places=_places(text),
        forms=forms,
        unit=_unit(text),
        percent=re.search(r"pourcentage|pour cent|en %", text, re.IGNORECASE) is not None,
        equation=re.search(r"[ée]quation (?:r[ée]duite|cart[ée]sienne|de)", text, re.IGNORECASE) is not None,
    )


def _places(text: str) -> int | None:
    match = _ROUNDED.search(text)
    if match:
        return _PLACES.get(fold(match["place"]).replace("dixmillieme", "dix-millieme"))
    match = _POWER.search(text)
    if match:
        return int(match[1])
    match = _WITHIN.search(text)
    if match:
        if match[1] is not None:
            return len(match[1]) + 1
        return _PLACES.get(fold(match[2] or match[3]))
    match = _DECIMALS.search(text)
    if match:
        return int(_COUNTS.get(match[1].lower(), match[1] if match[1].isdigit() else 1))
    return None


def _unit(text: str) -> Unit | None:
    for match in _UNIT.finditer(text):
        marks = tokens(match["unit"])
        unit = read_unit(marks) if marks else None
        if unit is not None and unit.name not in {"percent", "permille"}:
            return unit
    return None
