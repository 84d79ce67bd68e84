"""Compares two short answers in plain notation, by their mathematical kind.

Policies: a unit that only one side gives does not count, two different units do; values are equal exactly,
not by rounding; an infinity without a sign is positive; a decimal comma separates nothing unless a space
follows it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from include.leaderboard.scoring.expressions import NotAFormulaError, same_value
from include.leaderboard.scoring.notation import decimal_points
from include.leaderboard.scoring.units import canonical, split_unit

MAX_GOLD = 400
MAX_MEMBERS = 16

_INTERVAL = re.compile(r"([\[\]])\s*([^;\[\]]{1,60});([^;\[\]]{1,60}?)\s*([\[\]])")
_NAMED = re.compile(r"^[A-Za-z](?:_?\d)?\s*(?:\(\s*[a-z]\s*\))?\s*=\s*")
_SET = re.compile(r"(?:[A-Za-z]\s*=\s*)?[{⦃](.*)[}⦄]", re.DOTALL)
_TUPLE = re.compile(r"(?:[A-Z]\s*=?\s*)?\(([^()]*[;,][^()]*)\)")
_LIST_SEPARATOR = re.compile(r"\s*;\s*|\s+(?:et|ou)\s+|,\s+", re.IGNORECASE)
_TUPLE_SEPARATOR = re.compile(r"\s*;\s*|\s*,\s+|\s*,\s*")
_INFINITY = re.compile(r"\s*([+-]?)\s*oo\s*")


@dataclass(frozen=True, slots=True)
class Interval:
    left: str
    low: str
    high: str
    right: str


@dataclass(frozen=True, slots=True)
class Collection:
    """A set (order does not count) or a tuple (it does)."""

    members: tuple[str, ...]
    ordered: bool


def as_interval(text: str) -> Interval | None:
    """Read ``]0;1]``."""
    match = _INTERVAL.fullmatch(text.strip())
    return Interval(match[1], match[2], match[3], match[4]) if match else None


def same_interval(gold: Interval, text: str) -> bool:
    """Compare brackets and both ends."""
    other = as_interval(text)
    return (
        other is not None
        and (gold.left, gold.right) == (other.left, other.right)
        and same_number(gold.low, other.low)
        and same_number(gold.high, other.high)
    )


def as_collection(text: str) -> Collection | None:
    """Read ``S={-1;2}`` or ``(1;2)``."""
    match = _SET.fullmatch(text.strip())
    if match:
        return Collection(_members(match[1]), ordered=False)
    match = _TUPLE.fullmatch(text.strip())
    if match:
        members = tuple(part.strip() for part in _TUPLE_SEPARATOR.split(match[1])[: MAX_MEMBERS + 1])
        return Collection(members, ordered=True)
    return None


def same_collection(gold: Collection, text: str) -> bool:
    """Compare members one to one; a set may also be written as a list: ``x = -1 ou x = 2``."""
    other = as_collection(text)
    if other is None:
        if gold.ordered or not _LIST_SEPARATOR.search(text):
            return False
        other = Collection(_members(text), ordered=False)
    if gold.ordered != other.ordered or len(gold.members) != len(other.members):
        return False
    if gold.ordered:
        return all(same_number(one, two) for one, two in zip(gold.members, other.members, strict=True))
    left = list(other.members)
    for member in gold.members:
        found = next((position for position, one in enumerate(left) if same_number(member, one)), None)
        if found is None:
            return False
        left.pop(found)
    return True


def same_quantity(gold: str, text: str) -> bool:
    """Compare values with their units; a unit that only one side gives does not count."""
    gold_value, gold_unit = split_unit(gold)
    value, unit = split_unit(_unnamed(text) if "=" not in gold else text)
    if gold_unit and unit and canonical(gold_unit) != canonical(unit):
        return False
    if "=" in gold_value:
        return _same_equation(gold_value, value)
    return same_number(gold_value, value)


def same_number(one: str, other: str) -> bool:
    """Compare two formulas or infinities."""
    infinities = [_INFINITY.fullmatch(text) for text in (one, other)]
    if any(infinities):
        return all(infinities) and _sign(infinities[0]) == _sign(infinities[1])
    try:
        return same_value(decimal_points(one), decimal_points(other))
    except NotAFormulaError:
        return False


def _sign(match: re.Match[str] | None) -> str:
    return (match[1] if match else "") or "+"


def _members(text: str) -> tuple[str, ...]:
    parts = _LIST_SEPARATOR.split(text.strip())[: MAX_MEMBERS + 1]
    return tuple(_unnamed(part) for part in parts if part.strip())


def _unnamed(text: str) -> str:
    """Take ``x =`` or ``f(x) =`` off."""
    return _NAMED.sub("", text.strip())


def _same_equation(gold: str, text: str) -> bool:
    """Compare left with left and right with right; a bare right side counts when the left is one letter."""
    gold_left, _, gold_right = gold.partition("=")
    left, equals, right = text.partition("=")
    if not equals:
        return len(gold_left.strip()) == 1 and same_number(gold_right, text)
    return same_number(gold_left, left) and same_number(gold_right, right)
