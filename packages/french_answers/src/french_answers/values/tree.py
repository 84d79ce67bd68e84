"""Reads a formula into a tree, from the tokens of plain, French or LaTeX notation.

A tree is a tuple: ``("n", Fraction)`` a number, ``("v", name)`` a letter, ``("c", name)`` one of pi, e, i and
oo, ``("+" | "-" | "*" | "/" | "^", left, right)``, ``("neg", tree)``, ``("!", tree)`` and
``("f", name, tree, …)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from french_answers.values.limits import MAX_DEPTH, UnreadableError
from french_answers.values.text import number

Node = tuple[Any, ...]

FUNCTIONS = frozenset(
    {
        "ln",
        "log",
        "exp",
        "sin",
        "cos",
        "tan",
        "arcsin",
        "arccos",
        "arctan",
        "sinh",
        "cosh",
        "tanh",
        "cot",
        "sqrt",
        "abs",
    }
)
_SYNONYMS = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "sh": "sinh", "ch": "cosh", "th": "tanh"}
_CONSTANTS = {"π": "pi", "pi": "pi", "e": "e", "i": "i", "∞": "oo"}
_CLOSING = {"(": ")", "{": "}", "[": "]", "|": "|"}
_HALF: Node = ("n", Fraction(1, 2))
_GREEK = frozenset("αβγδεζηθλμνξρστφχψωΔΣΦΩΓΛ")
_NUMBER_SETS = frozenset({"\\N", "\\Z", "\\Q", "\\C"})
NEVER_FACTORS = frozenset(
    {"ou", "et", "or", "and", "où", "si", "de", "le", "la", "un", "km", "cm", "mm", "kg"}
)


def parse(tokens: Sequence[str]) -> Node:
    """Read all tokens as one formula.

    Raises:
        UnreadableError: They are none, or nested too deep.
    """
    parser = _Parser(tokens)
    node = parser.sum()
    if not parser.at_end():
        raise UnreadableError("text after the formula")
    return node


def has_letters(node: Node) -> bool:
    """Whether a formula has unknowns."""
    return node[0] == "v" or any(isinstance(part, tuple) and has_letters(part) for part in node[1:])


class _Parser:
    """Recursive descent: sums of products of powers; a missing sign between factors multiplies."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = tokens
        self._depth = 0
        self._bars = 0
        self.position = 0

    def at_end(self) -> bool:
        return self.position == len(self._tokens)

    def _peek(self, ahead: int = 0) -> str:
        position = self.position + ahead
        return self._tokens[position] if position < len(self._tokens) else ""

    def _take(self, wanted: str) -> bool:
        if self._peek() == wanted:
            self.position += 1
            return True
        return False

    def _expect(self, wanted: str) -> None:
        if not self._take(wanted):
            raise UnreadableError("a mark is open")

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UnreadableError("nested too deep")

    def sum(self) -> Node:
        self._enter()
        node = self._product()
        while (sign := self._peek()) in {"+", "-"}:
            self.position += 1
            node = (sign, node, self._product())
        self._depth -= 1
        return node

    def _product(self) -> Node:
        node = self._signed()
        while True:
            mark = self._peek()
            if mark in {"*", "/"} or (mark == ":" and self._peek(1)[:1].isdigit()):
                self.position += 1
                node = ("/" if mark == ":" else mark, node, self._signed())
            elif self._starts_factor(mark):
                node = ("*", node, self._power())
            else:
                return node

    def _starts_factor(self, mark: str) -> bool:
        """Whether a factor may follow without a sign; a number after a number may not."""
        if not mark:
            return False
        if mark in {"(", "{", "√", "∛", "π", "∞"} or (mark == "|" and not self._bars):
            return True
        if mark[0].isdigit():
            # "2 3" is no product; "(2) 3" and "π 3" are not written.
            return False
        return mark in {"\\frac", "\\binom"} or _is_name(mark)

    def _signed(self) -> Node:
        self._enter()
        sign = self._peek()
        if sign in {"+", "-"}:
            self.position += 1
            node = self._signed()
            if sign == "-":
                node = ("neg", node)
        else:
            node = self._power()
        self._depth -= 1
        return node

    def _power(self) -> Node:
        base = self._atom()
        while self._take("!"):
            base = ("!", base)
        if self._peek() == "^" and self._peek(1) != "°":
            self.position += 1
            return ("^", base, self._exponent())
        return base

    def _exponent(self) -> Node:
        """A group, or one signed atom: ``x^-2`` and ``2^3^2`` = 2^9."""
        if self._peek() in {"+", "-"}:
            return self._signed()
        self._enter()
        node = self._power()
        self._depth -= 1
        return node

    def _atom(self) -> Node:
        mark = self._peek()
        self.position += 1
        if not mark:
            raise UnreadableError("something is missing")
        if mark[0].isdigit():
            return ("n", number(mark))
        if mark in {"(", "{", "|"}:
            return self._group(mark)
        if mark == "√":
            return self._root()
        if mark == "∛":
            return ("^", self._argument_atom(), ("n", Fraction(1, 3)))
        if mark == "\\frac":
            return ("/", self._short_argument(), self._short_argument())
        if mark == "\\binom":
            return ("f", "binom", self._short_argument(), self._short_argument())
        if mark in _CONSTANTS:
            return ("c", _CONSTANTS[mark])
        name = _SYNONYMS.get(mark, mark)
        if name in FUNCTIONS:
            return self._call(name)
        if mark in _NUMBER_SETS:
            return ("v", mark)
        if _is_name(mark):
            return self._letters(mark)
        raise UnreadableError("an unknown sign")

    def _group(self, opening: str) -> Node:
        bars, self._bars = self._bars, self._bars + 1 if opening == "|" else 0
        node = self.sum()
        if opening == "{" and self._take("\\over"):
            node = ("/", node, self.sum())
        self._expect(_CLOSING[opening])
        self._bars = bars
        return ("f", "abs", node) if opening == "|" else node

    def _root(self) -> Node:
        exponent: Node = _HALF
        if self._take("["):
            exponent = ("/", ("n", 1), self.sum())
            self._expect("]")
        return ("^", self._argument_atom(), exponent)

    def _argument_atom(self) -> Node:
        self._enter()
        node = self._atom()
        self._depth -= 1
        return node

    def _short_argument(self) -> Node:
        """A group, or one sign as TeX takes it: ``\\frac34`` is 3/4."""
        mark = self._peek()
        if mark and mark[0].isdigit() and mark.isdigit() and len(mark) > 1:
            if len(mark) != 2 or self._peek(-1) != "\\frac":
                raise UnreadableError("digits that TeX would divide otherwise")
            self._tokens = [
                *self._tokens[: self.position],
                mark[0],
                mark[1],
                *self._tokens[self.position + 1 :],
            ]
        return self._argument_atom()

    def _call(self, name: str) -> Node:
        """``ln(2)``, ``ln²(2)``, ``log_2(3)``; without parentheses, the letters of one product: ``ln 2x``."""
        base: Node | None = None
        power: Node | None = None
        if name == "log" and self._take("_"):
            base = self._argument_atom()
        if self._take("^"):
            power = self._exponent()
        self._enter()
        if self._peek() in {"(", "{"}:
            argument = self._atom()
        else:
            argument = self._signed()
            while (mark := self._peek()) and (
                mark in {"π", "√"} or (_is_name(mark) and mark not in FUNCTIONS)
            ):
                argument = ("*", argument, self._power())
        self._depth -= 1
        node: Node = ("f", name, argument)
        if name == "sqrt":
            node = ("^", argument, _HALF)
        elif name == "exp":
            node = ("^", ("c", "e"), argument)
        elif base is not None:
            node = ("/", ("f", "ln", argument), ("f", "ln", base))
        return node if power is None else ("^", node, power)

    def _letters(self, mark: str) -> Node:
        """One letter with its index and primes, or the product of a few: ``xy``, ``xe^x``, ``cosx``."""
        if len(mark) > 1 and mark not in _GREEK:
            return self._split(mark)
        name = mark
        while self._take("'"):
            name += "'"
        if self._take("_"):
            name += "_" + self._index()
        return ("v", name)

    def _split(self, mark: str) -> Node:
        head, rest = next(
            (
                (name, mark[len(name) :])
                for name in ("sqrt", "exp", "sin", "cos", "tan", "ln")
                if mark.startswith(name)
            ),
            (mark[0], mark[1:]),
        )
        if mark.startswith("\\") or (len(head) == 1 and len(mark) > 3) or mark in NEVER_FACTORS or not rest:
            raise UnreadableError("a word")
        self._tokens = [*self._tokens[: self.position - 1], head, rest, *self._tokens[self.position :]]
        self.position -= 1
        return self._atom() if head in FUNCTIONS else ("*", self._atom(), self._power())

    def _index(self) -> str:
        if not self._take("{"):
            mark = self._peek()
            self.position += 1
            if not mark or not mark[0].isalnum():
                raise UnreadableError("an index is missing")
            return mark
        parts = []
        while (mark := self._peek()) and mark != "}":
            parts.append(mark)
            self.position += 1
        self._expect("}")
        return "".join(parts)


def _is_name(mark: str) -> bool:
    return mark[0].isalpha() and mark not in NEVER_FACTORS and len(mark) < 8
