"""Joins, meets and thins regions of the real line."""

from __future__ import annotations

from dataclasses import replace

from french_answers.values import approximate
from french_answers.values.limits import UnreadableError
from french_answers.values.scalars import INFINITY
from french_answers.values.significant_figures import same_unit
from french_answers.values.tree import Node, has_letters
from french_answers.values.units import Unit
from french_answers.values.value_types import Interval, Region

NEGATIVE: Node = ("neg", INFINITY)
REALS = Interval(low=NEGATIVE, high=INFINITY, low_open=True, high_open=True)


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
    return Region(parts=tuple(joined), unit=common_unit([region.unit for region in regions]), foreign=foreign)


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
    return union([Region(parts=(part,), unit=common_unit([region.unit for region in regions]))])


def common_unit(units: list[Unit | None]) -> Unit | None:
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
    if node == NEGATIVE:
        return float("-inf")
    value = approximate.value(node)
    if value is None or value.imag or has_letters(node):
        raise UnreadableError("an end that is no number")
    return value.real


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
