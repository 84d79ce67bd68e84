"""Compares values of short French answers: numbers, quantities, formulas, equations, regions and sets."""

from __future__ import annotations

import re

from palmares.leaderboard.scoring.policy import DEFAULT, GradingPolicy
from palmares.leaderboard.scoring.values import french
from palmares.leaderboard.scoring.values.compare import Comparison
from palmares.leaderboard.scoring.values.engine import stop, warm_up
from palmares.leaderboard.scoring.values.kinds import Equation, Members, Region, Scalar, Value
from palmares.leaderboard.scoring.values.limits import MAX_CHARACTERS, UnreadableError
from palmares.leaderboard.scoring.values.quick import Plain, read_plain, same_plain
from palmares.leaderboard.scoring.values.reading import read
from palmares.leaderboard.scoring.values.text import closed
from palmares.leaderboard.scoring.values.verdict import Verdict
from palmares.leaderboard.scoring.values.wanted import NOTHING, Wanted, read_instruction

__all__ = ["Expected", "Verdict", "compare_values", "is_value", "stop", "warm_up"]

_LOOSE_SPACE = re.compile(r"(?<![0-9]) +| +(?![0-9])")
_LETTERS_ALONE = re.compile(r"(?![eiπℝℕℤℚℂ]$)[^\W\d_]+(?:[\s'-][^\W\d_]+)*\.?")


class Expected:
    """An expected answer, read once for all the statements that it is compared with."""

    def __init__(self, gold: str, *, instruction: str | None = None, policy: GradingPolicy = DEFAULT) -> None:
        self._gold = gold
        self._policy = policy
        self._plain: Plain | None = None
        self._wanted = read_instruction(instruction) if instruction else NOTHING
        if policy == DEFAULT:
            plain = read_plain(gold)
            if plain is not None and _asks_nothing_else(self._wanted, plain.decimals):
                self._plain = plain
        self._value: Value | None = None

    def compare(self, text: str) -> Verdict:
        """Compare one statement; raises nothing, whatever the texts hold."""
        if self._plain is not None:
            plain = read_plain(text)
            if plain is not None:
                equal = same_plain(self._plain, plain)
                if equal is not None:
                    return _EQUAL_NUMBER if equal else _OTHER_NUMBER
        if _squeezed(self._gold) == _squeezed(text) and text.strip():
            return _IDENTICAL
        try:
            if self._value is None:
                self._value = read(self._gold)
        except (UnreadableError, RecursionError):
            return _UNREADABLE_GOLD
        return _compare(self._value, text, self._wanted, self._policy)


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
    if read_plain(gold) is not None:
        return True
    if _LETTERS_ALONE.fullmatch(gold.strip()):
        return french.translate(gold) != gold.strip() and _readable(gold)
    return _readable(gold)


def _readable(text: str) -> bool:
    try:
        read(text)
    except (UnreadableError, RecursionError):
        return False
    return True


_EQUAL_NUMBER = Verdict(equal=True, method="number", reason="The same number.")
_OTHER_NUMBER = Verdict(equal=False, method="number", reason="Another number.")
_IDENTICAL = Verdict(equal=True, method="identical", reason="The same notation.")
_UNREADABLE = Verdict(equal=False, method="unreadable", reason="The answer is no value that can be read.")
_DOUBTFUL = Verdict(equal=False, method="doubt", reason="The answer is given with doubt.")
_UNREADABLE_GOLD = Verdict(
    equal=False, method="unreadable", reason="The expected answer is no value that can be read."
)


def _asks_nothing_else(wanted: Wanted, decimals: int) -> bool:
    """Whether an instruction asks for nothing, or for a rounding that the gold already has."""
    if wanted.places is None:
        return wanted == NOTHING
    return 0 <= decimals <= wanted.places and wanted == Wanted(places=wanted.places)


def _squeezed(text: str) -> str:
    """Take dollars off both edges, and spaces out that stand between no two digits."""
    if text[:1] == "$" == text[-1:]:
        text = text.strip("$")
    return _LOOSE_SPACE.sub("", text) if " " in text else text


def _compare(expected: Value, text: str, wanted: Wanted, policy: GradingPolicy) -> Verdict:
    if not policy.hedge and french.is_doubtful(text):
        return _DOUBTFUL
    if policy.broken_notation:
        text = closed(text)
    if isinstance(expected, Region) and text.strip(" .$") == "R" and policy.notation:
        text = "ℝ"
    comparison = Comparison(policy, wanted)
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
