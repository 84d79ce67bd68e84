"""Reads units of measurement, French and SI, and says how one turns into another.

Their factors are in ``unit_table.py``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from french_answers.values.unit_table import OTHERS, PLAIN, PREFIX_WORDS, PREFIXES, SI

MAX_UNIT_TOKENS = 16
Dimensions = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit, by what it measures."""

    dimensions: Dimensions
    """Base quantities with their exponents, in order; empty for %, ‰, ° and rad."""
    factor: Fraction
    """To the coherent unit of the same dimensions."""
    pi: bool = False
    """Whether the factor is to be multiplied by π besides: degrees."""
    name: str = ""
    """``percent``, ``degree`` or ``radian`` for the units without dimensions; else how it was written."""
    glued: bool = False
    """One letter right behind the number, that may be a variable as well."""

    @property
    def is_share(self) -> bool:
        return self.name in {"percent", "permille"}

    @property
    def is_angle(self) -> bool:
        return self.name in {"degree", "radian"}


_DIMENSION = re.compile(r"([^\W\d]+|°C|°F)(-?\d*)")
_POWER_WORDS = {"carre": 2, "cube": 3}
UNSAFE_GLUED = frozenset("hslLACN")
"""One-letter symbols that may be letters of formulas as well, where no space stands before them: ``3h``."""
LETTERS_GLUED = frozenset("tquaodjTFHB")
"""One-letter symbols that are letters of formulas where no space stands before them: ``3t``."""


def _dimensions(text: str) -> dict[str, int]:
    return {name: int(power or 1) for name, power in _DIMENSION.findall(text)}


def _powers(parts: dict[str, int]) -> Dimensions:
    return tuple(sorted((name, power) for name, power in parts.items() if power))


@cache
def _table() -> dict[str, tuple[Dimensions, Fraction, str]]:
    """Symbols as they are written, and names in lower case without accents and plural."""
    found: dict[str, tuple[Dimensions, Fraction, str]] = {}
    for symbol, (dimensions, factor, names) in OTHERS.items():
        for name in (symbol, *names):
            found[name] = (_powers(_dimensions(dimensions)), Fraction(factor), "")
    for symbol, (dimensions, factor, names) in SI.items():
        entry = _powers(_dimensions(dimensions))
        for name in (symbol, *names):
            found[name] = (entry, Fraction(factor), "")
        for prefix, power in PREFIXES.items():
            found.setdefault(prefix + symbol, (entry, Fraction(factor) * Fraction(10) ** power, ""))
        for name in names:
            for prefix, power in PREFIX_WORDS.items():
                found[prefix + name] = (entry, Fraction(factor) * Fraction(10) ** power, "")
    for symbol, (name, factor, _) in PLAIN.items():
        found[symbol] = ((), Fraction(factor), name)
    return found


def fold(word: str) -> str:
    """Lower case without accents."""
    word = word.casefold()
    if word.isascii():
        return word
    return "".join(sign for sign in unicodedata.normalize("NFD", word) if not unicodedata.combining(sign))


@cache
def _units() -> dict[str, Unit]:
    """The table's entries as units."""
    return {
        word: Unit(dimensions=dimensions, factor=factor, pi=name == "degree", name=name)
        for word, (dimensions, factor, name) in _table().items()
    }


def lookup(word: str) -> tuple[Dimensions, Fraction, str] | None:
    """Find a symbol (case decides) or a name (it does not)."""
    table = _table()
    entry = table.get(word)
    if entry is None and len(word) > 2:
        folded = fold(word)
        entry = table.get(folded) or (table.get(folded[:-1]) if folded[-1] in "sx" else None)
    return entry


def unit_at_end(tokens: Sequence[str]) -> tuple[int, Unit | None]:
    """Find a unit that the tokens end with, and where it starts; their number, if there is none.

    A unit starts with a symbol or name from the table, right after a number, a closing mark, π or a letter of
    a unit that ``carrés`` or ``par`` continues.
    """
    last = tokens[-1]
    if not (last[0].isalnum() or last in _LAST):
        return len(tokens), None
    for start in range(max(1, len(tokens) - MAX_UNIT_TOKENS), len(tokens)):
        mark = tokens[start]
        if not (mark[0].isalpha() or mark in _FIRST):
            continue
        before = tokens[start - 1]
        if not (before[0].isdigit() or before in _BEFORE) or (before == "}" and mark == "{"):
            continue
        first = (
            tokens[start + 1]
            if tokens[start] in {"{", "^", "*"} and start + 1 < len(tokens)
            else tokens[start]
        )
        if first[0].isalpha() or first in _MARKS:
            unit = read_unit(tokens[start:])
            if unit is not None:
                return start, unit
    return len(tokens), None


_MARKS = frozenset("%‰°€$£")
_FIRST = _MARKS | {"{", "^", "*"}
_LAST = _MARKS | {"}", ")"}
_BEFORE = frozenset({")", "}", "π", "!"})
_IGNORED = frozenset({"{", "}", "(", ")"})


def read_unit(tokens: Sequence[str]) -> Unit | None:
    """Read ``m/s²``, ``m.s^{-1}``, ``kilomètres par heure``, ``°C``; None if a mark is no part of a unit."""
    if len(tokens) == 1:
        unit = _units().get(tokens[0])
        if unit is not None:
            return unit
    dimensions: dict[str, int] = {}
    factor, pi, name, sign, expect = Fraction(1), False, "", 1, True
    position, count = 0, 0
    while position < len(tokens):
        mark = tokens[position]
        position += 1
        if mark in _IGNORED or (mark in {"d", "'", "de", "^", "*", "."} and _separates(tokens, position)):
            continue
        if mark in {"/", "par"}:
            if not count:
                return None
            sign, expect = -1, True
            continue
        if mark == "°" and position < len(tokens) and tokens[position] in {"{", "C", "F"}:
            letters = [other for other in tokens[position : position + 3] if other not in _IGNORED]
            if letters[:1] in (["C"], ["F"]):
                mark = "°" + letters[0]
                position += 1 + (tokens[position] == "{") * 2
        if mark in {"k", "M", "Md"} and tokens[position : position + 1] == ["€"]:
            mark, position = mark + "€", position + 1
        if (
            mark[0] in "dD"
            and fold(mark) in {"degre", "degres"}
            and position < len(tokens)
            and fold(tokens[position]) in _SCALES
        ):
            mark, position = _SCALES[fold(tokens[position])], position + 1
        entry = lookup(mark)
        if entry is None:
            return None
        power, position = _exponent(tokens, position, compound=count > 0)
        if power is None or not -9 <= power <= 9:
            return None
        base, scale, plain = entry
        if plain:
            name, pi = plain, pi or plain == "degree"
            if count or position < len(tokens) or power != 1:
                return None
        times = power * sign
        for dimension, exponent in base:
            dimensions[dimension] = dimensions.get(dimension, 0) + exponent * times
        factor *= scale if times == 1 else scale**times
        count += 1
        # "m/s/s" divides twice, "m/s.kg" is not written in schools.
        expect = False
    if not count or expect:
        return None
    return Unit(dimensions=_powers(dimensions), factor=factor, pi=pi, name=name)


_SCALES = {"celsius": "°C", "fahrenheit": "°F", "c": "°C"}


def _separates(tokens: Sequence[str], position: int) -> bool:
    """Whether the mark before *position* only joins two factors, or lifts a degree sign."""
    return position < len(tokens) and (tokens[position][0].isalpha() or tokens[position] in {"°", "{"})


def _exponent(tokens: Sequence[str], position: int, *, compound: bool) -> tuple[int | None, int]:
    """Read ``^{-2}``, ``^2``, ``2``, ``carrés`` or, after another unit, ``-1``; 1 if there is none."""
    if position >= len(tokens):
        return 1, position
    rest = list(tokens[position : position + 6])
    if rest[0].isalpha() and fold(rest[0]).rstrip("s") in _POWER_WORDS:
        return _POWER_WORDS[fold(rest[0]).rstrip("s")], position + 1
    skipped = 0
    while rest[skipped : skipped + 1] in (["}"], [")"]):
        skipped += 1
    marks = rest[skipped:]
    if marks[:1] == ["^"] and marks[1:2] != ["°"]:
        digits = "".join(mark for mark in marks[1:5] if mark in "-+" or mark.isdigit())
        used = 1
        for mark in marks[1:5]:
            if mark not in {"{", "}", "(", ")", "-", "+"} and not mark.isdigit():
                break
            used += 1
            if mark.isdigit():
                used += marks[used : used + 1] in (["}"], [")"])
                break
        try:
            return int(digits), position + skipped + used
        except ValueError:
            return None, position
    if compound and rest[:1] == ["-"] and rest[1:2] in (["1"], ["2"], ["3"]):
        return -int(rest[1]), position + 2
    if rest and rest[0] in {"2", "3"}:
        return int(rest[0]), position + 1
    return 1, position
