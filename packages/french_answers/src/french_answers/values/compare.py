"""Decides whether two values are equal, under a policy and what the instruction asks."""

from __future__ import annotations

from french_answers.policy import GradingPolicy
from french_answers.values import approximate, engine, exact, polynomials
from french_answers.values.answer_format import AnswerFormat
from french_answers.values.forms import has_form, same_shape
from french_answers.values.limits import UnreadableError
from french_answers.values.scalars import INFINITY
from french_answers.values.significant_figures import (
    digits,
    letters,
    rational,
    rounds_to,
    same_unit,
    scaled,
)
from french_answers.values.text import tokens
from french_answers.values.tree import Node, has_letters, parse
from french_answers.values.units import UNSAFE_GLUED, Unit
from french_answers.values.value_types import Equation, Interval, Members, Region, Scalar, Value

_UNKNOWNS = frozenset("xyzt")
MIN_DIGITS = 3
"""Significant ones that an approximation has at least, where the policy takes one."""


class Comparison:
    """One comparison; remembers whether Math-Verify was needed."""

    def __init__(self, policy: GradingPolicy, answer_format: AnswerFormat) -> None:
        self._policy = policy
        self._answer_format = answer_format
        self.slow = False
        self.too_hard = False

    def same(self, gold: Value, text: Value) -> bool:
        """Compare by the gold's kind."""
        gold, text = _alone(gold), _alone(text)
        if isinstance(gold, Members):
            return isinstance(text, Members) and self._same_members(gold, text)
        if isinstance(gold, Region):
            return isinstance(text, Region) and self._same_region(gold, text)
        if isinstance(gold, Equation):
            return self._same_equation(gold, text)
        if self._is_line(gold) or (isinstance(text, Equation) and _is_relation(gold)):
            return self._same_equation(gold, text)
        return isinstance(text, Scalar) and self._same_scalar(gold, text)

    # Sets, tuples, regions

    def _same_members(self, gold: Members, text: Members) -> bool:
        if len(gold.items) != len(text.items):
            return False
        if gold.ordered:
            ordered = text.ordered or (text.bare and self._policy.notation)
            return ordered and all(self.same(*pair) for pair in zip(gold.items, text.items, strict=True))
        if text.ordered:
            return False
        left = list(text.items)
        for item in gold.items:
            found = next((index for index, other in enumerate(left) if self.same(item, other)), None)
            if found is None:
                return False
            left.pop(found)
        return True

    def _same_region(self, gold: Region, text: Region) -> bool:
        if text.foreign and not gold.foreign and not self._policy.notation:
            return False
        if not self._units_agree(gold.unit, text.unit):
            return False
        return len(gold.parts) == len(text.parts) and all(
            self._same_interval(*pair) for pair in zip(gold.parts, text.parts, strict=True)
        )

    def _units_agree(self, gold: Unit | None, text: Unit | None) -> bool:
        """Whether the ends of two regions are measured alike; units may be left out as those of numbers."""
        answer_format = self._answer_format.unit
        if text is None:
            return gold is None or self._policy.units
        if answer_format is not None and not same_unit(answer_format, text):
            return False
        return (gold is None and not text.is_share) or (gold is not None and same_unit(gold, text))

    def _same_interval(self, gold: Interval, text: Interval) -> bool:
        return (
            (gold.low_open, gold.high_open) == (text.low_open, text.high_open)
            and self._same_end(gold.low, text.low)
            and self._same_end(gold.high, text.high)
        )

    def _same_end(self, gold: Node, text: Node) -> bool:
        return gold == text or self._same_node(gold, text)

    # Equations

    def _is_line(self, gold: Value) -> bool:
        """Whether ``y = 2x - 3`` is meant as an equation, and not as the value of y."""
        if not isinstance(gold, Scalar) or gold.label not in _UNKNOWNS or not gold.label:
            return False
        return self._answer_format.equation or bool(letters(gold.node) & _UNKNOWNS - {gold.label})

    def _same_equation(self, gold: Value, text: Value) -> bool:
        left, right = _as_equation(gold), _as_equation(text)
        if left is None or right is None:
            return False
        try:
            one, other = exact.form(left), exact.form(right)
            return polynomials.proportional(one, other)
        except UnreadableError:
            return False

    # Scalars

    def _same_scalar(self, gold: Scalar, text: Scalar) -> bool:
        if gold.label and text.label and not _same_label(gold.label, text.label):
            return False
        if _is_infinite(gold.node) or _is_infinite(text.node):
            return self._same_infinity(gold, text)
        if self._same_quantity(gold, text):
            return self._in_form(gold, text)
        before = text.exact
        if before is None or gold.decimals or before.decimals:
            return False
        consistent = text.decimals is not None and rounds_to(before.node, rational(text.node), text.decimals)
        if before.unit is None and text.unit is not None:
            before = _relabelled(before, text.unit)
        return consistent and self._same_quantity(gold, before) and self._in_form(gold, before)

    def _same_infinity(self, gold: Scalar, text: Scalar) -> bool:
        if not text.signed and gold.signed and not self._policy.infinity_sign:
            return False
        return gold.node == text.node and gold.unit is None and text.unit is None

    def _in_form(self, gold: Scalar, text: Scalar) -> bool:
        """Whether the answer has the form that is asked for, where the gold itself has it."""
        if not self._policy.asked_form:
            for form in self._answer_format.forms:
                if has_form(gold, form) and not has_form(text, form):
                    return False
        if gold.decimals is not None and text.decimals is not None and not self._policy.rounding:
            return text.decimals >= gold.decimals
        return self._policy.form or same_shape(gold, text)

    def _same_quantity(self, gold: Scalar, text: Scalar) -> bool:
        """Compare numbers and units; decides which number stands for the other's unit."""
        mine, other, answer_format = gold.unit, text.unit, self._answer_format.unit
        if mine is None and other is None:
            return _nouns_agree(gold, text) and self._same_value(gold, text)
        if answer_format is not None and other is not None and not same_unit(answer_format, other):
            return False
        if mine is None:
            assert other is not None
            return not gold.noun and self._bare_gold(gold, text, other)
        if other is None:
            return not text.noun and self._bare_text(gold, text, mine)
        if same_unit(mine, other):
            return self._same_value(gold, text)
        return self._converted(gold, text, mine, other)

    def _bare_gold(self, gold: Scalar, text: Scalar, unit: Unit) -> bool:
        """The gold is a bare number: a unit besides it is welcome, but a share is a number of its own."""
        if unit.is_share:
            if self._answer_format.percent and self._same_value(gold, text):
                return True
            return self._policy.percent and self._same_node(gold.node, scaled(text.node, unit))
        if unit.glued and unit.name in UNSAFE_GLUED:
            return False
        if self._same_value(gold, text):
            return True
        return (
            unit.name == "degree"
            and self._policy.conversion
            and self._same_node(gold.node, scaled(text.node, unit))
        )

    def _bare_text(self, gold: Scalar, text: Scalar, unit: Unit) -> bool:
        if (
            self._policy.units
            and not (unit.glued and unit.name in UNSAFE_GLUED)
            and self._same_value(gold, text)
        ):
            return True
        if unit.is_share:
            return self._policy.percent and self._same_node(scaled(gold.node, unit), text.node)
        return (
            unit.name == "degree"
            and self._policy.conversion
            and self._same_node(scaled(gold.node, unit), text.node)
        )

    def _converted(self, gold: Scalar, text: Scalar, mine: Unit, other: Unit) -> bool:
        if (
            mine.dimensions != other.dimensions
            or mine.is_share != other.is_share
            or not self._policy.conversion
        ):
            return False
        if not mine.dimensions and not ((mine.is_angle and other.is_angle) or mine.is_share):
            return False
        return self._same_node(scaled(gold.node, mine), scaled(text.node, other))

    def _same_value(self, gold: Scalar, text: Scalar) -> bool:
        """Compare numbers of one unit; equal, or rounded as the instruction or the policy has it."""
        if self._same_node(gold.node, text.node):
            return True
        value = rational(text.node)
        if value is not None and text.decimals is not None:
            places = self._answer_format.places
            asked = (
                places is not None
                and text.decimals <= places
                and (gold.decimals is None or gold.decimals > places)
            )
            if asked and places is not None and rounds_to(gold.node, value, places):
                return True
            if (
                self._policy.approximation
                and gold.decimals is None
                and digits(value, text.decimals) >= MIN_DIGITS
            ):
                return rounds_to(gold.node, value, text.decimals)
        if gold.decimals is None or not (gold.decimals or self._answer_format.places is not None):
            return False
        if text.decimals is None:
            return self._policy.exact_for_rounded and rounds_to(text.node, rational(gold.node), gold.decimals)
        more = text.decimals > gold.decimals
        return (
            more and self._policy.extra_precision and rounds_to(text.node, rational(gold.node), gold.decimals)
        )

    def _same_node(self, gold: Node, text: Node) -> bool:
        """Compare two formulas: as fractions, by floating point, by exact form, at last by Math-Verify."""
        if gold[0] == "n" and text[0] == "n":
            return bool(gold[1] == text[1])
        if gold == text:
            return True
        if not approximate.may_be_equal(gold, text) and not _huge(gold, text):
            return False
        try:
            one, other = exact.form(gold), exact.form(text)
            if polynomials.same(one, other):
                return True
            if not one.opaque and not other.opaque:
                return False
        except UnreadableError:
            if _huge(gold, text):
                return False
        self.slow = True
        verdict = engine.same_formula(gold, text)
        self.too_hard = self.too_hard or verdict is None
        return bool(verdict)


def _alone(value: Value) -> Value:
    """A set of one is its member: ``S = {5}`` and ``x = 5``."""
    while isinstance(value, Members) and len(value.items) == 1 and not value.ordered:
        value = value.items[0]
    return value


def _huge(gold: Node, text: Node) -> bool:
    """Whether one of two formulas is beyond floating point, or undefined."""
    return approximate.value(gold) is None or approximate.value(text) is None


def _is_infinite(node: Node) -> bool:
    return node in (INFINITY, ("neg", INFINITY))


def _as_equation(value: Value) -> Node | None:
    """Left side minus right side."""
    if isinstance(value, Equation):
        return ("-", value.left, value.right)
    if isinstance(value, Scalar) and value.label and value.unit is None:
        try:
            label = parse(tokens(value.label))
        except UnreadableError:
            return None
        return ("-", label, value.node) if label[0] == "v" else None
    return None


def _is_relation(gold: Value) -> bool:
    """Whether ``u_{n+1} = 2u_n + 1`` may be written in another order."""
    return isinstance(gold, Scalar) and bool(gold.label) and has_letters(gold.node)


def _same_label(one: str, other: str) -> bool:
    """Two symbols must agree; a word (``aire``) may stand for any symbol, and a bare limit for another."""
    one, other = one.replace("{", "").replace("}", ""), other.replace("{", "").replace("}", "")
    if one == other or one.startswith("\\lim") or other.startswith("\\lim"):
        return True
    return any(len(label) > 3 and label.isalpha() for label in (one, other))


def _relabelled(scalar: Scalar, unit: Unit) -> Scalar:
    return Scalar(node=scalar.node, unit=unit, decimals=scalar.decimals, scientific=scalar.scientific)


def _nouns_agree(gold: Scalar, text: Scalar) -> bool:
    if not gold.noun or not text.noun:
        return not gold.noun or bool(gold.noun)
    return gold.noun.casefold().rstrip("s") == text.noun.casefold().rstrip("s")
