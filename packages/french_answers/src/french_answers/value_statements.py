"""Judges a statement against an expected value: what it denies, and which part of it is the value."""

from __future__ import annotations

import re

from french_answers import dates, wording
from french_answers.answers import Answer
from french_answers.extraction.markup import readable, unwrapped, without_markup
from french_answers.extraction.segments import value_segments
from french_answers.grade import Grade
from french_answers.policy import GradingPolicy
from french_answers.values import Expected, is_value

NUMBER = re.compile(r"[-+−]?\d+(?:[.,]\d+)?")
_ALL_WORDS = re.compile(r"[^\W\d_]{3,}(?:[\s'-]+[^\W\d_]+)*|[\[(]?[A-Z]{1,3}[\])]?")
"""Golds that may be meant as words although they name a value: « aucune solution », « douze »."""
_YEAR = re.compile(r"[12]\d{3}")
_DENIED = re.compile(
    r"\b(?:ne\s|n'(?!\s|$)(?=[aeéiouyh]))(?!.*\bqu)|\b(?:pas|presque|ni|jamais|aucune?|rejett?\w*"
    r"|[ée]carte\w*|à partir de|faux|fausses?"
    r"|incorrecte?s?|erron[ée]e?s?)\b|\bnon\b(?!\s+nul)",
    re.IGNORECASE,
)
_COUNT = re.compile(
    r"\b(?:\d+|deux|trois|quatre|plusieurs)\s+(?:solutions?|racines|valeurs|réponses?|étapes?"
    r"|questions?)\b",
    re.IGNORECASE,
)
_HOW_MANY = re.compile(r"\bcombien\b|\bnombre\b", re.IGNORECASE)
"""« 7 solutions » does not say that the solution is 7."""
EMPTY = re.compile(r"∅|\\(?:varnothing|emptyset)|\{\s*\\?\}|vide|aucun", re.IGNORECASE)
"""Golds that a denial may give: « il n'y a pas de solution »."""
_NOTHING = re.compile(
    r"\b(?:aucune?\s+|pas de\s+|pas d')(?:solutions?|racines?|r[ée]els?|valeurs?)\b(?!\s+(?:unique"
    r"|enti[èe]re))|\bvide\b",
    re.IGNORECASE,
)
_CONDITION = re.compile(r"(?:^|trouve |obtient |que )[xnth]\s+tend\s+vers\b")
_NAME = re.compile(r"(?:\\mathcal\s*\{?\s*)?([A-Z])\}?\s*\(")
_EXCEPT = re.compile(r"\b(?:sauf|autres?|except[ée]|infinit[ée]|non vide|pas vide|hormis)\b", re.IGNORECASE)
_WORDS = re.compile(r"[^\W\d_]{2}")


def same_words(gold: str, answer: Answer, policy: GradingPolicy) -> bool:
    """Judge a statement, or the sentence that it stands in, against expected words."""
    gold = unwrapped(without_markup(readable(gold)))
    return any(
        wording.same_words(gold, unwrapped(text), policy)
        for text in dict.fromkeys((answer.text, answer.line))
    )


def _says_another(text: str, asked: str | None) -> bool:
    """Tell a denial, and a number of solutions where no number is asked."""
    if _DENIED.search(text) or _CONDITION.search(text):
        return True
    return _COUNT.search(text) is not None and (asked is None or _HOW_MANY.search(asked) is None)


def grade_value(gold: str, answer: Answer, asked: str | None, policy: GradingPolicy) -> Grade:
    """Judge a statement; its segments are compared in turn, and one that fits decides.

    Args:
        gold: Expected value.
        answer: The statement.
        asked: The instruction, or the question, where a form or a precision may be asked.
        policy: What is accepted where the right verdict is a choice.
    """
    if _WORDS.search(answer.text) and not EMPTY.search(gold) and _says_another(answer.text, asked):
        return Grade(
            correct=False,
            extracted=answer.text,
            method="denied",
            reason="The statement denies it, or counts.",
        )
    named, other = _NAME.match(gold), _NAME.match(answer.text)
    if named and other and named[1] != other[1]:
        return Grade(correct=False, extracted=answer.text, method="name", reason="Another name.")
    verdict = None
    slow = False
    segments = value_segments(gold, answer.text)
    expected = Expected(gold, instruction=asked, policy=policy)
    for segment in segments:
        verdict = expected.compare(segment)
        slow = slow or verdict.slow
        if verdict.equal:
            break
    assert verdict is not None  # There is always one segment.
    correct = verdict.equal
    if not correct and _YEAR.fullmatch(gold) and _WORDS.search(answer.text):
        correct = dates.same_date(dates.Date(year=int(gold)), answer.text, policy)
    if not correct and EMPTY.search(gold):
        correct = _NOTHING.search(answer.text) is not None and _EXCEPT.search(answer.text) is None
    if not correct and (
        _ALL_WORDS.fullmatch(gold) or (verdict.method == "unreadable" and not is_value(gold))
    ):
        correct = same_words(gold, answer, policy)
    return Grade(
        correct=correct, extracted=answer.text, method=verdict.method, reason=verdict.reason, slow=slow
    )
