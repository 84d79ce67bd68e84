"""Reads regions of the real line: intervals, inequalities, ℝ without some points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from french_answers.values.limits import MAX_MEMBERS, UnreadableError
from french_answers.values.regions import NEGATIVE, REALS, common_unit, union, without
from french_answers.values.scalars import INFINITY, read_scalar
from french_answers.values.tree import Node
from french_answers.values.units import read_unit
from french_answers.values.value_types import Interval, Region, Scalar

_BRACKETS = frozenset({"[", "]"})
COMPARISONS = frozenset({"<", ">", "≤", "≥", "≠"})
_ZERO: Node = ("n", 0)
_HALVES = {"+": ("low", "high"), "-": ("high", "low")}


def read_region(marks: list[str], label: Callable[[Sequence[str]], str]) -> Region | None:
    """Read a region; None if the marks are of another kind.

    Args:
        marks: A statement's tokens.
        label: Gives the name that tokens are, or an empty text.

    Raises:
        UnreadableError: It starts as a region and is none.
    """
    if not marks:
        return None
    for position, mark in enumerate(marks):
        if mark == "∈" and label(marks[:position]):
            marks = marks[position + 1 :]
            break
        if (
            mark == "="
            and label(marks[:position])
            and marks[position + 1 : position + 2] in (["["], ["]"], ["\\R"], ["{"])
        ):
            if marks[position + 1] == "{" and "∪" not in marks:
                break
            marks = marks[position + 1 :]
            break
    if not marks:
        return None
    if marks[0] == "\\R" or (marks[0] == "R" and marks[1:2] == ["∖"]):
        return _reals(marks)
    if marks[0] in _BRACKETS and marks[-1] not in _BRACKETS | {")"} and "∪" not in marks:
        return _with_unit(marks)
    if (
        (marks[0] in _BRACKETS and marks[1:2] != ["["])
        or (marks[0] == "(" and marks[-1] in _BRACKETS)
        or "∪" in marks
    ):
        return union([_piece(part) for part in _cut(marks, "∪")])
    if has_comparison(marks):
        return _inequality(marks, label)
    return None


def has_comparison(marks: Sequence[str]) -> bool:
    """Whether a sign of comparison stands outside all parentheses: not so in ``P(X ≤ 2) = 0,6``."""
    if COMPARISONS.isdisjoint(marks):
        return False
    depth = 0
    for mark in marks:
        if mark in {"(", "{"}:
            depth += 1
        elif mark in {")", "}"}:
            depth -= 1
        elif not depth and mark in COMPARISONS:
            return True
    return False


def _with_unit(marks: list[str]) -> Region:
    """``[10;20] cm``."""
    last = max(index for index, mark in enumerate(marks) if mark in _BRACKETS)
    unit = read_unit(marks[last + 1 :])
    if unit is None or last < 4:
        raise UnreadableError("text after an interval")
    return replace(union([_piece(part) for part in _cut(marks[: last + 1], "∪")]), unit=unit)


def _cut(marks: Sequence[str], *separators: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for mark in marks:
        if mark in separators:
            parts.append([])
        else:
            parts[-1].append(mark)
    if len(parts) > MAX_MEMBERS:
        raise UnreadableError("too many parts")
    return parts


def _piece(marks: list[str]) -> Region:
    """``[a;b[``, or the points ``{a;b}``."""
    if len(marks) >= 3 and marks[0] in {"{", "\\{"} and marks[-1] in {"}", "\\}"}:
        points = [read_scalar(part).node for part in _cut(marks[1:-1], ";", ",")]
        return Region(
            parts=tuple(Interval(low=at, high=at, low_open=False, high_open=False) for at in points)
        )
    if marks and marks[0] == "\\R":
        return _reals(marks)
    if len(marks) < 5 or marks[0] not in {"[", "]", "("} or marks[-1] not in {"[", "]", ")"}:
        raise UnreadableError("no interval")
    semicolon = ";" in marks
    ends = _cut(marks[1:-1], ";" if semicolon else ",")
    if len(ends) != 2:
        raise UnreadableError("an interval has two ends")
    scalars = [_end(end) for end in ends]
    foreign = not semicolon or "(" in marks[0] or ")" in marks[-1]
    if marks[0] == "(" and marks[-1] == ")" and "∞" not in marks:
        raise UnreadableError("a pair")
    unit = common_unit([end.unit for end in scalars])
    low, high = (end.node for end in scalars)
    part = Interval(low=low, high=high, low_open=marks[0] != "[", high_open=marks[-1] != "]")
    if (low == NEGATIVE and not part.low_open) or (high == INFINITY and not part.high_open):
        raise UnreadableError("an infinite end is open")
    return union([Region(parts=(part,), unit=unit, foreign=foreign)])


def _end(marks: Sequence[str]) -> Scalar:
    scalar = read_scalar(marks)
    if scalar.noun:
        raise UnreadableError("an end that counts something")
    return scalar


def _reals(marks: list[str]) -> Region:
    """``ℝ``, ``ℝ*``, ``ℝ₊``, ``ℝ∖{a;b}``, ``ℝ - {a}``, ``ℝ∖[a;b]`` without its last form."""
    rest = marks[1:]
    region = Region(parts=(REALS,))
    while rest[:1] in (["^"], ["_"], ["*"], ["+"]):
        mark, rest = rest[0], rest[1:]
        if mark == "*":
            region = without(region, [_ZERO])
            continue
        if mark == "+":
            rest = ["+", *rest]
        signs = []
        while rest and rest[0] in {"{", "}", "+", "-", "*", "(", ")"}:
            signs.append(rest[0])
            rest = rest[1:]
        for sign in signs:
            if sign in _HALVES:
                low = sign == "+"
                half = Interval(
                    low=_ZERO if low else NEGATIVE,
                    high=INFINITY if low else _ZERO,
                    low_open=not low,
                    high_open=low,
                )
                starred = len(region.parts) == 2
                region = Region(parts=(half,))
                region = without(region, [_ZERO]) if starred else region
            elif sign == "*":
                region = without(region, [_ZERO])
    if not rest:
        return region
    if rest[0] not in {"∖", "-", "\\"}:
        raise UnreadableError("text after the reals")
    rest = rest[1:]
    if rest[:1] in (["{"], ["\\{"]) and rest[-1:] in (["}"], ["\\}"]):
        rest = rest[1:-1]
    return without(region, [read_scalar(part).node for part in _cut(rest, ";", ",", "et")])


def _inequality(marks: list[str], label: Callable[[Sequence[str]], str]) -> Region:
    """``x > 2``, ``2 < x``, ``-2 ≤ x < 5``, ``5 > x ≥ -2``, ``x ≠ 2``, ``|x| ≤ 1``."""
    signs = [mark for mark in marks if mark in COMPARISONS]
    sides = _cut(marks, *COMPARISONS)
    names = [label(side) for side in sides]
    if len(sides) == 2 and bool(names[0]) != bool(names[1]):
        sign = signs[0] if names[0] else _turned(signs[0])
        end = _end(sides[1] if names[0] else sides[0])
        return replace(_half_line(names[0] or names[1], sign, end.node), unit=end.unit)
    if len(sides) == 3 and names[1] and not (names[0] or names[2] or names[1].startswith("|")):
        if signs[0] in {">", "≥"}:
            sides, signs = sides[::-1], [_turned(sign) for sign in signs[::-1]]
        if not set(signs) <= {"<", "≤"}:
            raise UnreadableError("signs that point both ways")
        ends = [_end(sides[0]), _end(sides[2])]
        low, high = (end.node for end in ends)
        region = _between(low, high, low_open=signs[0] == "<", high_open=signs[1] == "<")
        return replace(region, unit=common_unit([end.unit for end in ends]))
    raise UnreadableError("an inequality of formulas")


def _half_line(name: str, sign: str, bound: Node) -> Region:
    """Where a letter, or its absolute value, is above, below or not at a bound."""
    if name.startswith("|"):
        if len(name) != 3 or sign == "≠":
            raise UnreadableError("an absolute value of a formula")
        low: Node = ("neg", bound)
        if sign in {"<", "≤"}:
            return _between(low, bound, low_open=sign == "<", high_open=sign == "<")
        below = _between(NEGATIVE, low, low_open=True, high_open=sign == ">")
        return union([below, _between(bound, INFINITY, low_open=sign == ">", high_open=True)])
    if sign == "≠":
        return without(Region(parts=(REALS,)), [bound])
    if sign in {">", "≥"}:
        return _between(bound, INFINITY, low_open=sign == ">", high_open=True)
    return _between(NEGATIVE, bound, low_open=True, high_open=sign == "<")


def _between(low: Node, high: Node, *, low_open: bool, high_open: bool) -> Region:
    part = Interval(
        low=low, high=high, low_open=low_open or low == NEGATIVE, high_open=high_open or high == INFINITY
    )
    return union([Region(parts=(part,))])


def _turned(sign: str) -> str:
    return {"<": ">", ">": "<", "≤": "≥", "≥": "≤"}.get(sign, sign)
