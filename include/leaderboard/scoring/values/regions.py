"""Reads and joins regions of the real line: intervals, inequalities, ℝ without some points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from include.leaderboard.scoring.values import approximate
from include.leaderboard.scoring.values.figures import same_unit
from include.leaderboard.scoring.values.kinds import Interval, Region, Scalar
from include.leaderboard.scoring.values.limits import MAX_MEMBERS, UnreadableError
from include.leaderboard.scoring.values.scalars import INFINITY, read_scalar
from include.leaderboard.scoring.values.tree import Node
from include.leaderboard.scoring.values.units import Unit, read_unit

_BRACKETS = frozenset({"[", "]"})
COMPARISONS = frozenset({"<", ">", "≤", "≥", "≠"})
_NEGATIVE: Node = ("neg", INFINITY)
REALS = Interval(low=_NEGATIVE, high=INFINITY, low_open=True, high_open=True)
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
        return union([_piece(piece) for piece in _cut(marks, "∪")])
    if COMPARISONS & set(marks):
        return _inequality(marks, label)
    return None


def _with_unit(marks: list[str]) -> Region:
    """``[10;20] cm``."""
    last = max(index for index, mark in enumerate(marks) if mark in _BRACKETS)
    unit = read_unit(marks[last + 1 :])
    if unit is None or last < 4:
        raise UnreadableError("text after an interval")
    return replace(union([_piece(piece) for piece in _cut(marks[: last + 1], "∪")]), unit=unit)


def union(regions: list[Region]) -> Region:
    """Join regions, and the parts that touch.

    Raises:
        UnreadableError: An end is no number, or an interval is turned round.
    """
    parts = sorted(
        (part for region in regions for part in region.parts), key=lambda part: _position(part.low)
    )
    joined: list[Interval] = []
    for part in parts:
        low, high = _position(part.low), _position(part.high)
        if low > high or (low == high and (part.low_open or part.high_open)):
            raise UnreadableError("an interval that is turned round")
        if joined:
            end = _position(joined[-1].high)
            if low < end:
                raise UnreadableError("intervals that overlap")
            if abs(low - end) < approximate.TOLERANCE and not (part.low_open and joined[-1].high_open):
                joined[-1] = replace(joined[-1], high=part.high, high_open=part.high_open)
                continue
        joined.append(part)
    foreign = any(region.foreign for region in regions)
    return Region(
        parts=tuple(joined), unit=_common_unit([region.unit for region in regions]), foreign=foreign
    )


def intersection(regions: list[Region]) -> Region:
    """What single intervals have in common: ``x > -2 et x < 3``.

    Raises:
        UnreadableError: One has more parts, or they have nothing in common.
    """
    if any(len(region.parts) != 1 for region in regions):
        raise UnreadableError("an intersection of unions")
    parts = [region.parts[0] for region in regions]
    lows = [(_position(part.low), part.low_open, part.low) for part in parts]
    highs = [(-_position(part.high), part.high_open, part.high) for part in parts]
    _, low_open, low = max(lows, key=lambda end: end[:2])
    _, high_open, high = max(highs, key=lambda end: end[:2])
    part = Interval(low=low, high=high, low_open=low_open, high_open=high_open)
    return union([Region(parts=(part,), unit=_common_unit([region.unit for region in regions]))])


def _common_unit(units: list[Unit | None]) -> Unit | None:
    """The unit of all that have one: ``[10;20 cm]``.

    Raises:
        UnreadableError: They have different ones.
    """
    given = [unit for unit in units if unit is not None]
    if any(not same_unit(given[0], unit) for unit in given[1:]):
        raise UnreadableError("ends of different units")
    return given[0] if given else None


def _position(node: Node) -> float:
    if node == INFINITY:
        return float("inf")
    if node == _NEGATIVE:
        return float("-inf")
    value = approximate.value(node)
    if value is None or value.imag or "v" in _kinds(node):
        raise UnreadableError("an end that is no number")
    return value.real


def _kinds(node: Node) -> set[str]:
    found = {node[0]}
    for part in node[1:]:
        if isinstance(part, tuple):
            found |= _kinds(part)
    return found


def _cut(marks: Sequence[str], *separators: str) -> list[list[str]]:
    pieces: list[list[str]] = [[]]
    for mark in marks:
        if mark in separators:
            pieces.append([])
        else:
            pieces[-1].append(mark)
    if len(pieces) > MAX_MEMBERS:
        raise UnreadableError("too many parts")
    return pieces


def _piece(marks: list[str]) -> Region:
    """``[a;b[``, or the points ``{a;b}``."""
    if len(marks) >= 3 and marks[0] in {"{", "\\{"} and marks[-1] in {"}", "\\}"}:
        points = [read_scalar(piece).node for piece in _cut(marks[1:-1], ";", ",")]
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
    unit = _common_unit([end.unit for end in scalars])
    low, high = (end.node for end in scalars)
    part = Interval(low=low, high=high, low_open=marks[0] != "[", high_open=marks[-1] != "]")
    if (low == _NEGATIVE and not part.low_open) or (high == INFINITY and not part.high_open):
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
                    low=_ZERO if low else _NEGATIVE,
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
    return without(region, [read_scalar(piece).node for piece in _cut(rest, ";", ",", "et")])


def without(region: Region, points: list[Node]) -> Region:
    """Take single points out of a region.

    Raises:
        UnreadableError: A point is not in it.
    """
    parts = list(region.parts)
    for point in points:
        at = _position(point)
        for index, part in enumerate(parts):
            low, high = _position(part.low), _position(part.high)
            if low < at < high:
                parts[index : index + 1] = [
                    replace(part, high=point, high_open=True),
                    replace(part, low=point, low_open=True),
                ]
                break
            if at == low and not part.low_open:
                parts[index] = replace(part, low_open=True)
                break
            if at == high and not part.high_open:
                parts[index] = replace(part, high_open=True)
                break
        else:
            raise UnreadableError("a point outside")
    return Region(parts=tuple(parts))


def _inequality(marks: list[str], label: Callable[[Sequence[str]], str]) -> Region:
    """``x > 2``, ``2 < x``, ``-2 ≤ x < 5``, ``5 > x ≥ -2``, ``x ≠ 2``."""
    signs = [mark for mark in marks if mark in COMPARISONS]
    sides = _cut(marks, *COMPARISONS)
    named = [bool(label(side)) for side in sides]
    if len(sides) == 2 and named[0] != named[1]:
        sign = signs[0] if named[0] else _turned(signs[0])
        end = _end(sides[1] if named[0] else sides[0])
        bound = end.node
        if sign == "≠":
            return without(Region(parts=(REALS,)), [bound])
        if sign in {">", "≥"}:
            part = Interval(low=bound, high=INFINITY, low_open=sign == ">", high_open=True)
        else:
            part = Interval(low=_NEGATIVE, high=bound, low_open=True, high_open=sign == "<")
        return union([Region(parts=(part,), unit=end.unit)])
    if len(sides) == 3 and named == [False, True, False]:
        if signs[0] in {">", "≥"}:
            sides, signs = sides[::-1], [_turned(sign) for sign in signs[::-1]]
        if not set(signs) <= {"<", "≤"}:
            raise UnreadableError("signs that point both ways")
        ends = [_end(sides[0]), _end(sides[2])]
        low, high = (end.node for end in ends)
        part = Interval(
            low=low,
            high=high,
            low_open=signs[0] == "<" or low == _NEGATIVE,
            high_open=signs[1] == "<" or high == INFINITY,
        )
        return union([Region(parts=(part,), unit=_common_unit([end.unit for end in ends]))])
    raise UnreadableError("an inequality of formulas")


def _turned(sign: str) -> str:
    return {"<": ">", ">": "<", "≤": "≥", "≥": "≤"}.get(sign, sign)
