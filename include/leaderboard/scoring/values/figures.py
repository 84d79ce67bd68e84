"""Rounding, scaling and the letters of formulas."""

from __future__ import annotations

from fractions import Fraction

from include.leaderboard.scoring.values import approximate, exact
from include.leaderboard.scoring.values.limits import UnreadableError
from include.leaderboard.scoring.values.tree import Node
from include.leaderboard.scoring.values.units import Unit


def letters(node: Node) -> set[str]:
    if node[0] == "v":
        return {node[1]}
    found: set[str] = set()
    for part in node[1:]:
        if isinstance(part, tuple):
            found |= letters(part)
    return found


def same_unit(one: Unit, other: Unit) -> bool:
    if not one.dimensions and not other.dimensions:
        return one.name == other.name
    return one.dimensions == other.dimensions and one.factor == other.factor


def scaled(node: Node, unit: Unit) -> Node:
    if node[0] == "n" and not unit.pi:
        return ("n", node[1] * unit.factor)
    scaled: Node = ("*", node, ("n", unit.factor))
    return ("*", scaled, ("c", "pi")) if unit.pi else scaled


def rational(node: Node) -> Fraction | None:
    if node[0] == "n":
        return Fraction(node[1])
    try:
        return exact.form(node).rational()
    except UnreadableError:
        return None


def rounds_to(node: Node, rounded: Fraction | None, places: int) -> bool:
    """Whether a number rounds to another at so many decimals; a half rounds away from zero."""
    if rounded is None:
        return False
    value = rational(node)
    if value is None:
        number = approximate.value(node)
        if number is None or abs(number.imag) > approximate.TOLERANCE or letters(node):
            return False
        value = Fraction(number.real)
    scale = 10**places
    nearest = int(abs(value) * scale + Fraction(1, 2))
    return Fraction(nearest if value >= 0 else -nearest, scale) == rounded


def digits(value: Fraction) -> int:
    """Significant digits of a decimal number."""
    scaled = abs(value)
    while scaled.denominator != 1:
        scaled *= 10
    return len(str(scaled.numerator).lstrip("0"))
