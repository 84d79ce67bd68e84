"""Splits a quantity into number and unit, and compares units."""

from __future__ import annotations

import re

SYMBOLS = frozenset(
    {
        "m", "cm", "mm", "km", "dm", "nm", "kg", "g", "mg", "t", "s", "ms", "min", "h", "j", "l", "cl",
        "ml", "dl", "n", "kn", "kj", "w", "kw", "mw", "kwh", "wh", "v", "mv", "a", "ma", "hz", "khz",
        "mhz", "pa", "hpa", "kpa", "bar", "k", "c", "mol", "rad", "ohm", "f", "ev", "mev", "bq",
    }
)  # fmt: skip
"""Lower-cased symbols that follow a number; one-letter variables of formulas (x, y, i, e) are none."""

_MARKS = {"€": "euro", "$": "dollar", "%": "percent", "°": "degree", "°c": "celsius"}
_WORDS = {
    "euros": "euro", "euro": "euro", "pour cent": "percent", "pourcent": "percent", "degres": "degree",
    "degre": "degree", "degrés": "degree", "degré": "degree", "metres": "m", "mètres": "m", "secondes": "s",
    "heures": "h", "minutes": "min", "kilometres": "km", "kilomètres": "km", "litres": "l", "grammes": "g",
}  # fmt: skip
_FUNCTION_NAMES = frozenset({"sqrt", "exp", "sin", "cos", "tan", "log", "ln", "pi", "oo"})
_QUANTITY = re.compile(
    r"(?P<number>[+-]?\d[\d.,]*(?:\s*(?:/\s*\d+|\*\s*10\^\(?[+-]?\d+\)?))?)"
    r"\s*(?P<unit>[^\d\s+\-*/^.,;:=()\[\]{}].{0,40})"
)
_FACTOR = re.compile(
    r"(?P<op>[*/.]?)\s*(?P<symbol>[A-Za-zµΩ]+|°C?|%|€)\s*(?:\^\s*\(?(?P<power>[+-]?\d{1,2})\)?)?"
)


def split_unit(text: str) -> tuple[str, str | None]:
    """Split ``25 km/h`` into ``25`` and ``km/h``; None for no unit.

    A name of three letters or more counts as a unit or a counted thing (``12 cases``); a shorter one only if
    it is a known symbol, so that ``2x`` and ``2e`` stay formulas.
    """
    match = _QUANTITY.fullmatch(text.strip())
    if not match:
        return text, None
    unit = match["unit"].strip()
    head = re.match(r"[^\W\d_]+", unit)
    if unit[0] in "€%°$":
        return match["number"], unit
    if head is None or head.group() in _FUNCTION_NAMES:
        return text, None
    if len(head.group()) >= 3 or head.group().lower() in SYMBOLS:
        return match["number"], unit
    return text, None


def canonical(unit: str) -> tuple[tuple[str, int], ...]:
    """Write a unit as sorted symbols with their powers: ``m/s²`` and ``m.s^-2`` are one."""
    text = unit.strip().rstrip(".").strip()
    lowered = text.casefold()
    if lowered in _MARKS or lowered in _WORDS:
        return ((_MARKS.get(lowered) or _WORDS[lowered], 1),)
    powers: dict[str, int] = {}
    position = 0
    while position < len(text):
        match = _FACTOR.match(text, position)
        if match is None or match.end() == position:
            return ((lowered, 1),)
        symbol = match["symbol"]
        name = _MARKS.get(symbol.casefold()) or _WORDS.get(symbol.casefold()) or symbol
        power = int(match["power"] or 1) * (-1 if match["op"] == "/" else 1)
        powers[name] = powers.get(name, 0) + power
        position = match.end()
    return tuple(sorted((name, power) for name, power in powers.items() if power))
