"""Reads one number, quantity or expression from its tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence

from french_answers.values.french import is_noun
from french_answers.values.limits import UnreadableError
from french_answers.values.text import number
from french_answers.values.tree import Node, has_letters, parse
from french_answers.values.units import LETTERS_GLUED, Unit, read_unit, unit_at_end
from french_answers.values.value_types import Scalar

INFINITY: Node = ("c", "oo")
MAX_NOUNS = 3
_NEXT_UNIT = {"h": "min", "H": "min", "heure": "min", "heures": "min", "min": "s", "minutes": "s"}
"""Of what a last number without a unit is: ``1 h 30``, ``2 min 30``."""
_CENTS = re.compile(r"[0-9]{2}")
_TIMES_TEN = ("*", "10", "^")


def read_scalar(tokens: Sequence[str], *, glued: bool = False, label: str = "") -> Scalar:
    """Read a value with its unit or what it counts.

    Args:
        tokens: Of the value alone.
        glued: Whether the text ends with a digit and a letter, without a space.
        label: What it is the value of.

    Raises:
        UnreadableError: It is none.
    """
    if not tokens:
        raise UnreadableError("nothing")
    if len(tokens) == 1 and tokens[0][0].isdigit():
        return _literal(tokens, label)
    if tokens[-1] == "∞" and len(tokens) <= 2:
        return _infinity(tokens, label)
    if len(tokens) == 3 and tokens[1] == "€" and tokens[0][0].isdigit() and _CENTS.fullmatch(tokens[2]):
        tokens = [f"{tokens[0]}.{tokens[2]}", "€"]
    end, unit = unit_at_end(tokens)
    if unit is not None:
        return _quantity(tokens[:end], tokens[end:], unit, glued=glued, label=label)
    if len(tokens) >= 3 and tokens[-1][0].isdigit() and tokens[-2] in _NEXT_UNIT:
        name = [_NEXT_UNIT[tokens[-2]]]
        unit = read_unit(name)
        assert unit is not None  # min and s are in the table
        return _quantity(tokens, name, unit, glued=False, label=label)
    end = _purpose_start(tokens)
    if end < len(tokens):
        return read_scalar(tokens[:end], label=label)
    end = _noun_start(tokens)
    if end < len(tokens):
        return _with(_plain(tokens[:end], label), noun=" ".join(tokens[end:]))
    return _plain(tokens, label)


def _literal(tokens: Sequence[str], label: str) -> Scalar:
    digits = tokens[-1]
    node: Node = ("n", number(digits))
    if tokens[0] == "-":
        node = ("n", -node[1])
    mantissa, _, exponent = digits.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    if exponent:
        return Scalar(node=node, label=label, scientific=1 <= number(mantissa) < 10)
    return Scalar(node=node, decimals=decimals, label=label)


def _infinity(tokens: Sequence[str], label: str) -> Scalar:
    if len(tokens) == 1:
        return Scalar(node=INFINITY, signed=False, label=label)
    if tokens[0] not in {"+", "-"}:
        raise UnreadableError("an infinity in a formula")
    return Scalar(node=INFINITY if tokens[0] == "+" else ("neg", INFINITY), label=label)


def _plain(tokens: Sequence[str], label: str) -> Scalar:
    if tokens[-1][0].isdigit() and (len(tokens) == 1 or (len(tokens) == 2 and tokens[0] in {"+", "-"})):
        return _literal(tokens, label)
    node = parse(tokens)
    return Scalar(node=_unwrapped(node), label=label, scientific=_is_scientific(tokens))


def _unwrapped(node: Node) -> Node:
    """Join a sign to its number."""
    return ("n", -node[1][1]) if node[0] == "neg" and node[1][0] == "n" else node


def _is_scientific(tokens: Sequence[str]) -> bool:
    rest = list(tokens[1:] if tokens[0] in {"+", "-"} else tokens)
    return (
        len(rest) >= 5
        and rest[0][0].isdigit()
        and "e" not in rest[0]
        and 1 <= number(rest[0]) < 10
        and tuple(rest[1:4]) == _TIMES_TEN
        and all(mark in {"(", ")", "{", "}", "-", "+"} or mark.isdigit() for mark in rest[4:])
    )


def _quantity(
    head: Sequence[str], unit_tokens: Sequence[str], unit: Unit, *, glued: bool, label: str
) -> Scalar:
    """A number with its unit, or with several: ``1 h 30 min``, ``1 h 30``."""
    if len(head) >= 3 and head[-1][0].isdigit() and (head[-2][0].isalpha() or head[-2] == "°"):
        first = read_scalar(head[:-1])
        if first.unit is None or first.unit.dimensions != unit.dimensions or first.unit.factor <= unit.factor:
            raise UnreadableError("units that do not add")
        ratio = first.unit.factor / unit.factor
        return Scalar(
            node=("+", ("*", first.node, ("n", ratio)), ("n", number(head[-1]))), unit=unit, label=label
        )
    single = len(unit_tokens) == 1 and len(unit_tokens[0]) == 1
    if single and glued and unit_tokens[0] in LETTERS_GLUED:
        return _plain([*head, *unit_tokens], label)
    value = _plain(head, label)
    if single and unit_tokens[0].isalpha() and has_letters(value.node):
        return _plain([*head, *unit_tokens], label)
    letter = unit_tokens[0] if glued and len(unit_tokens) == 1 and len(unit_tokens[0]) == 1 else ""
    if letter.isalpha():
        unit = Unit(
            dimensions=unit.dimensions, factor=unit.factor, pi=unit.pi, name=unit.name or letter, glued=True
        )
    return _with(value, unit=unit)


def _noun_start(tokens: Sequence[str]) -> int:
    """Where the words start that a number written in digits counts: ``12 cases``, ``1,5 * 10 points``."""
    start = 0
    while start < len(tokens) and (tokens[start][0].isdigit() or tokens[start] in {"+", "-", "*"}):
        start += 1
    nouns = tokens[start:]
    if not start or not 0 < len(nouns) <= MAX_NOUNS or not tokens[start - 1][0].isdigit():
        return len(tokens)
    plural = start > 1 or not -2 < number(tokens[0]) < 2
    if not is_noun(nouns[0], plural=plural) or not all(is_noun(word) or word == "de" for word in nouns[1:]):
        return len(tokens)
    return start


def _purpose_start(tokens: Sequence[str]) -> int:
    """Where ``de sel`` starts behind a unit: ``40 g de sel``."""
    for start in range(max(2, len(tokens) - MAX_NOUNS - 1), len(tokens) - 1):
        if tokens[start] in {"de", "d"} and all(is_noun(mark) for mark in tokens[start + 1 :] if mark != "'"):
            return start if unit_at_end(tokens[:start])[1] is not None else len(tokens)
    return len(tokens)


def _with(scalar: Scalar, *, unit: Unit | None = None, noun: str = "") -> Scalar:
    return Scalar(
        node=scalar.node, unit=unit, noun=noun, decimals=scalar.decimals, scientific=scalar.scientific,
        signed=scalar.signed, label=scalar.label,
    )  # fmt: skip
