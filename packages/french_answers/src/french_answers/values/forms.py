"""Says whether a scalar is in a form that an instruction asks for."""

from __future__ import annotations

import math

from french_answers.values.tree import Node
from french_answers.values.value_types import Scalar


def has_form(scalar: Scalar, form: str) -> bool:
    """Whether the scalar is written in a form; an unknown form is always had."""
    node = scalar.node
    if form == "irreducible":
        return _irreducible(scalar)
    if form == "scientific":
        return scalar.scientific
    if form == "factorised":
        return _factorised(node)
    if form == "expanded":
        return _expanded(node)
    if form == "algebraic":
        return not _contains(node, _is_polar)
    if form == "exponential":
        return _contains(node, lambda part: part[0] == "^" and part[1] == ("c", "e"))
    if form == "polar":
        return _contains(node, lambda part: part[:2] in {("f", "cos"), ("f", "sin")})
    return True


def _irreducible(scalar: Scalar) -> bool:
    node = scalar.node[1] if scalar.node[0] == "neg" else scalar.node
    if node[0] == "n":
        return node[1].denominator == 1 and not scalar.decimals
    if node[0] != "/":
        return False
    parts = [part[1] if part[0] == "neg" else part for part in node[1:]]
    if any(part[0] != "n" or part[1].denominator != 1 for part in parts):
        return False
    top, bottom = (int(part[1]) for part in parts)
    return math.gcd(top, bottom) == 1 and abs(bottom) != 1


def _factorised(node: Node) -> bool:
    if node[0] == "neg":
        return _factorised(node[1])
    return node[0] in {"*", "/", "^"}


def _expanded(node: Node) -> bool:
    """No product and no power of a sum."""
    if node[0] in {"*", "^"} and any(part[0] in {"+", "-"} for part in node[1:]) and node[1] != ("c", "e"):
        return False
    return all(_expanded(part) for part in node[1:] if isinstance(part, tuple))


def _is_polar(node: Node) -> bool:
    return node[:2] in {("f", "cos"), ("f", "sin")} or (
        node[0] == "^" and node[1] == ("c", "e") and _contains(node[2], lambda part: part == ("c", "i"))
    )


def _contains(node: Node, test: object) -> bool:
    assert callable(test)
    return bool(test(node)) or any(_contains(part, test) for part in node[1:] if isinstance(part, tuple))


def same_shape(gold: Scalar, text: Scalar) -> bool:
    """Whether two equal scalars are also written alike: both in decimals, or of one operation."""
    return (gold.decimals is None) == (text.decimals is None) and gold.node[0] == text.node[0]
