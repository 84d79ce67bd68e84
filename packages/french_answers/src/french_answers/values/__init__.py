"""Compares values of short French answers: numbers, quantities, formulas, equations, regions and sets."""

from __future__ import annotations

import re

from french_answers.policy import DEFAULT, GradingPolicy
from french_answers.values import french
from french_answers.values.answer_format import NOTHING, AnswerFormat, read_instruction
from french_answers.values.compare import Comparison
from french_answers.values.engine import stop, warm_up
from french_answers.values.limits import MAX_CHARACTERS, UnreadableError
from french_answers.values.reading import read
from french_answers.values.text import closed
from french_answers.values.value_types import Equation, Members, Region, Scalar, Value
from french_answers.values.verdict import Verdict

__all__ = ["Expected", "Verdict", "compare_values", "is_value", "stop", "warm_up"]

_LOOSE_SPACE = re.compile(r"(?<![0-9]) +| +(?![0-9])")
_LETTERS_ALONE = re.compile(r"(?![eiπℝℕℤℚℂ]$)[^\W\d_]+(?:[\s'-][^\W\d_]+)*\.?")


class Expected:
    """An expected answer, read once for all the statements that it is compared with."""

    def __init__(self, gold: str, *, instruction: str | None = None, policy: GradingPolicy = DEFAULT) -> None:
        self._gold = gold
        self._policy = policy
        self._answer_format = read_instruction(instruction) if instruction else NOTHING
        self._value: Value | None = None

    def compare(self, text: str) -> Verdict:
        """Compare one statement; raises nothing, whatever the texts hold."""
        if _squeezed(self._gold) == _squeezed(text) and text.strip():
            return _IDENTICAL
        try:
            if self._value is None:
                self._value = read(self._gold)
        except (UnreadableError, RecursionError):
            return _UNREADABLE_GOLD
        return _compare(self._value, text, self._answer_format, self._policy)


def compare_values(
    gold: str, text: str, *, instruction: str | None = None, policy: GradingPolicy = DEFAULT
) -> Verdict:
    """Compare an answer with the expected value; raises nothing, whatever the texts hold.

    Args:
        gold: Expected answer.
        text: The final answer, one statement; it may hold ``x =``, a unit, a sentence's verb.
        instruction: Says which precision, form or unit is asked.
        policy: What is accepted where that is a choice.
    """
    return Expected(gold, instruction=instruction, policy=policy).compare(text)


def is_value(gold: str) -> bool:
    """Whether an expected answer is a value, and no word, name or sentence."""
    if not gold.strip() or len(gold) > MAX_CHARACTERS:
        return False
    if _LETTERS_ALONE.fullmatch(gold.strip()):
        return french.translate(gold) != gold.strip() and _readable(gold)
    return _readable(gold)


def _readable(text: str) -> bool:
    try:
        read(text)
    except (UnreadableError, RecursionError):
        return False
    return True


_IDENTICAL = Verdict(equal=True, method="identical", reason="The same notation.")
_UNREADABLE = Verdict(equal=False, method="unreadable", reason="The answer is no value that can be read.")
_DOUBTFUL = Verdict(equal=False, method="doubt", reason="The answer is given with doubt.")
_UNREADABLE_GOLD = Verdict(
    equal=False, method="unreadable", reason="The expected answer is no value that can be read."
)


def _squeezed(text: str) -> str:
    """Take dollars off both edges, and spaces out that stand between no two digits."""
    if text[:1] == "$" == text[-1:]:
        text = text.strip("$")
    return _LOOSE_SPACE.sub("", text) if " " in text else text


def _compare(expected: Value, text: str, answer_format: AnswerFormat, policy: GradingPolicy) -> Verdict:
    if not policy.hedge and french.is_doubtful(text):
        return _DOUBTFUL
    if policy.broken_notation:
        text = closed(text)
    if isinstance(expected, Region) and text.strip(" .$") == "R" and policy.notation:
        text = "ℝ"
    comparison = Comparison(policy, answer_format)
    readings = (False, True) if _may_separate(expected, text, policy) else (False,)
    equal = read_any = False
    for commas_separate in readings:
        try:
            given = read(text, commas_separate=commas_separate)
        except (UnreadableError, RecursionError):
            continue
        read_any = True
        equal = comparison.same(expected, given)
        if equal:
            break
    if not read_any:
        return _UNREADABLE
    if comparison.too_hard and not equal:
        reason = "Math-Verify found no answer within its bounds."
        return Verdict(equal=False, method="too_hard", reason=reason, slow=comparison.slow)
    method = _METHODS[type(expected)]
    reason = f"Equal, compared as {method}." if equal else f"Different, compared as {method}."
    return Verdict(equal=equal, method=method, reason=reason, slow=comparison.slow)


_METHODS: dict[type[Value], str] = {Scalar: "number", Equation: "equation", Region: "region", Members: "set"}


def _may_separate(expected: Value, text: str, policy: GradingPolicy) -> bool:
    """Whether commas between marks may separate although a digit follows: ``[0,1]``, ``(2,-1,3)``, ``{1,3}``.

    What is expected has several parts: one decimal number between the marks is not meant.
    """
    if not policy.notation or ";" in text or "," not in text:
        return False
    if isinstance(expected, Region):
        return "[" in text or "]" in text
    return isinstance(expected, Members) and len(expected.items) > 1 and ("(" in text or "{" in text)
