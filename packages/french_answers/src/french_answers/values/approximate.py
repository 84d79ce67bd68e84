"""Evaluates formulas with floating point, to tell different ones apart at once; it never proves equality."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable

from french_answers.values.tree import Node, has_letters

TOLERANCE = 1e-9
"""Relative; rounding errors of school formulas stay far below, and what is nearer is compared exactly."""
_POINTS = (0.6180339887, 1.3247179572)
_CONSTANTS = {"pi": complex(math.pi), "e": complex(math.e), "i": 1j}
_FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    "ln": cmath.log, "log": cmath.log10, "sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan,
    "arcsin": cmath.asin, "arccos": cmath.acos, "arctan": cmath.atan, "sinh": cmath.sinh, "cosh": cmath.cosh,
    "tanh": cmath.tanh, "cot": lambda value: 1 / cmath.tan(value), "abs": lambda value: complex(abs(value)),
}  # fmt: skip


def value(node: Node, point: int = 0) -> complex | None:
    """Evaluate at one of two points, where each letter has a positive value of its own.

    Returns:
        None for what is undefined or too large.
    """
    try:
        result = _evaluate(node, _POINTS[point])
    except (ArithmeticError, ValueError):
        return None
    return result if cmath.isfinite(result) else None


def may_be_equal(one: Node, other: Node) -> bool:
    """False if two formulas surely differ at a point."""
    for point in range(len(_POINTS)):
        left, right = value(one, point), value(other, point)
        if left is None or right is None:
            return False
        if abs(left - right) > TOLERANCE * max(abs(left), abs(right)):
            return False
        if not (has_letters(one) or has_letters(other)):
            break
    return True


def _evaluate(node: Node, point: float) -> complex:
    kind = node[0]
    if kind == "n":
        return complex(float(node[1]))
    if kind == "c":
        if node[1] not in _CONSTANTS:
            raise ValueError("an infinity")
        return _CONSTANTS[node[1]]
    if kind == "v":
        # Each letter has its own value, so that x + 2y is not 2x + y.
        return complex(
            point + sum(ord(sign) * 37 * (place + 1) for place, sign in enumerate(node[1])) % 1009 / 877
        )
    if kind == "neg":
        return -_evaluate(node[1], point)
    if kind == "!":
        return complex(math.gamma(_evaluate(node[1], point).real + 1))
    if kind == "f":
        if node[1] not in _FUNCTIONS:
            raise ValueError("an exact function")
        return _FUNCTIONS[node[1]](_evaluate(node[2], point))
    left, right = _evaluate(node[1], point), _evaluate(node[2], point)
    if kind == "+":
        return left + right
    if kind == "-":
        return left - right
    if kind == "*":
        return left * right
    return left / right if kind == "/" else left**right
