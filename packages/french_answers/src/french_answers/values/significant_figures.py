"""Rounding, scaling and the letters of formulas."""

from __future__ import annotations

from fractions import Fraction

from french_answers.values import approximate, exact
from french_answers.values.limits import UnreadableError
from french_answers.values.tree import Node
from french_answers.values.units import Unit


def letters(node: Node) -> set[str]:
    """Unknowns of a formula, with their indices."""
    if node[0] == "v":
        return {node[1]}
    found: set[str] = set()
    for part in node[1:]:
        if isinstance(part, tuple):
            found |= letters(part)
    return found


def same_unit(one: Unit, other: Unit) -> bool:
    """Whether a number of one is the same number of the other."""
    if not one.dimensions and not other.dimensions:
        return one.name == other.name
    return one.dimensions == other.dimensions and one.factor == other.factor


def scaled(node: Node, unit: Unit) -> Node:
    """Turn a number of a unit into one of the coherent unit."""
    if node[0] == "n" and not unit.pi:
        return ("n", node[1] * unit.factor)
    product: Node = ("*", node, ("n", unit.factor))
    return ("*", product, ("c", "pi")) if unit.pi else product


def rational(node: Node) -> Fraction | None:
    """The value of a formula, if it is a rational number."""
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


def digits(value: Fraction, decimals: int) -> int:
    """Significant digits of a number with so many decimals."""
    return len(str(abs(int(value * 10**decimals))))
