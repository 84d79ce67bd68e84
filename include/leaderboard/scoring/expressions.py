"""A small calculator that tells whether two short formulas are equal; no ``eval``, bounded in everything."""

from __future__ import annotations

import cmath
import math
import re
from collections.abc import Callable, Iterator
from fractions import Fraction

MAX_CHARACTERS = 200
MAX_DEPTH = 24
MAX_BITS = 4096
"""Of an exact power's result; beyond, the formula is compared approximately."""
TOLERANCE = 1e-9

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|([A-Za-z]+)|(.))", re.DOTALL)
_FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    "sqrt": cmath.sqrt,
    "ln": cmath.log,
    "log": cmath.log10,
    "exp": cmath.exp,
    "sin": cmath.sin,
    "cos": cmath.cos,
    "tan": cmath.tan,
}
_CONSTANTS: dict[str, complex] = {"pi": math.pi, "e": math.e, "i": 1j}
_POINTS = (0.37, 1.61, 2.93)
"""Where formulas with letters are compared; positive, so that roots and logarithms stay on one branch."""

Node = tuple[str, ...] | tuple[str, "Node"] | tuple[str, "Node", "Node"]


class NotAFormulaError(ValueError):
    """The text is no formula that the calculator reads."""


def same_value(one: str, other: str) -> bool:
    """Compare two formulas: exactly if both are rational, else numerically at fixed points.

    Raises:
        NotAFormulaError: One of them is not a formula.
    """
    left, right = _Parser(one).parse(), _Parser(other).parse()
    exact_left, exact_right = _exact(left), _exact(right)
    if exact_left is not None and exact_right is not None:
        return exact_left == exact_right
    return all(_close(_value(left, point), _value(right, point)) for point in _POINTS)


def is_formula(text: str) -> bool:
    """Tell whether the calculator reads a text."""
    try:
        _Parser(text).parse()
    except NotAFormulaError:
        return False
    return True


def _close(one: complex | None, other: complex | None) -> bool:
    if one is None or other is None:
        return False
    return abs(one - other) <= TOLERANCE * max(1e-12, abs(one), abs(other))


class _Parser:
    """Recursive descent: sums of products of powers; a missing sign between factors multiplies."""

    def __init__(self, text: str) -> None:
        if not text.strip() or len(text) > MAX_CHARACTERS:
            raise NotAFormulaError("empty or too long")
        self._tokens = list(_tokens(text))
        self._position = 0
        self._depth = 0

    def parse(self) -> Node:
        node = self._sum()
        if self._position != len(self._tokens):
            raise NotAFormulaError("text after the formula")
        return node

    def _peek(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def _take(self, *wanted: str) -> str:
        token = self._peek()
        if token and token in wanted:
            self._position += 1
            return token
        return ""

    def _sum(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NotAFormulaError("nested too deep")
        node = self._product()
        while sign := self._take("+", "-"):
            node = (sign, node, self._product())
        self._depth -= 1
        return node

    def _product(self) -> Node:
        node = self._signed()
        while True:
            if sign := self._take("*", "/"):
                node = (sign, node, self._signed())
            elif (token := self._peek()) and (token[0] == "(" or token[0].isalpha()):
                node = ("*", node, self._power())
            else:
                return node

    def _signed(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NotAFormulaError("nested too deep")
        sign = self._take("+", "-")
        node: Node = self._signed() if sign else self._power()
        self._depth -= 1
        return ("negate", node) if sign == "-" else node

    def _power(self) -> Node:
        base = self._atom()
        return ("^", base, self._signed()) if self._take("^") else base

    def _atom(self) -> Node:
        token = self._peek()
        self._position += 1
        if not token:
            raise NotAFormulaError("something is missing")
        if token[0].isdigit():
            return ("number", token)
        if token[0] == "(":
            node = self._sum()
            if not self._take(")"):
                raise NotAFormulaError("a parenthesis is open")
            return node
        if token in _FUNCTIONS:
            argument = self._atom() if self._peek() == "(" else self._signed()
            return ("call", (token,), argument)
        if token in _CONSTANTS:
            return ("constant", token)
        if token[0].isalpha() and len(token) == 1:
            return ("letter", token)
        raise NotAFormulaError("an unknown sign")


def _tokens(text: str) -> Iterator[str]:
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        assert match is not None  # the last alternative takes anything
        position = match.end()
        number, word, sign = match.groups()
        if word and word not in _FUNCTIONS and word not in _CONSTANTS:
            if len(word) > 2:  # a word of the language, not a product of letters
                raise NotAFormulaError("a word")
            yield from word
        else:
            yield number or word or sign


def _exact(node: Node) -> Fraction | None:
    kind = node[0]
    if kind == "number":
        return _number(str(node[1]))
    if kind == "negate":
        inner = _exact(node[1])  # type: ignore[arg-type]
        return None if inner is None else -inner
    if kind not in {"+", "-", "*", "/", "^"}:
        return None
    left, right = _exact(node[1]), _exact(node[2])  # type: ignore[arg-type, misc]
    if left is None or right is None:
        return None
    if kind == "+":
        return left + right
    if kind == "-":
        return left - right
    if kind == "*":
        return left * right
    if kind == "/":
        return left / right if right else None
    return _exact_power(left, right)


def _exact_power(base: Fraction, exponent: Fraction) -> Fraction | None:
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if exponent.denominator != 1 or abs(exponent) * bits > MAX_BITS or (not base and exponent < 0):
        return None
    return base ** int(exponent)


def _number(text: str) -> Fraction | None:
    exponent = text.lower().partition("e")[2]
    if len(exponent) > 4 or abs(int(exponent or 0)) > MAX_BITS // 4:
        return None
    return Fraction(text)


def _value(node: Node, point: float) -> complex | None:
    try:
        value = _approximate(node, point)
    except (ArithmeticError, ValueError):
        return None
    return value if cmath.isfinite(value) else None


def _approximate(node: Node, point: float) -> complex:
    kind = node[0]
    if kind == "number":
        return complex(float(str(node[1])))
    if kind == "constant":
        return _CONSTANTS[str(node[1])]
    if kind == "letter":
        # Each letter has its own value, so that x + 2y is not 2x + y.
        return complex(point + (ord(str(node[1])) * 37 % 101) / 89)
    if kind == "negate":
        return -_approximate(node[1], point)  # type: ignore[arg-type]
    if kind == "call":
        return _FUNCTIONS[node[1][0]](_approximate(node[2], point))  # type: ignore[arg-type, misc, index]
    left, right = _approximate(node[1], point), _approximate(node[2], point)  # type: ignore[arg-type, misc]
    if kind == "+":
        return left + right
    if kind == "-":
        return left - right
    if kind == "*":
        return left * right
    return left / right if kind == "/" else left**right
