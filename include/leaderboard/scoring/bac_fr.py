"""Grades bac-fr: a short French exam answer against the expected one, by kind of answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from include.leaderboard.details.rows import DetailsRow
from include.leaderboard.scoring import dates, formulas, letters, truth, wording
from include.leaderboard.scoring.answers import Answer, final_answer
from include.leaderboard.scoring.extraction.announced import boxed
from include.leaderboard.scoring.extraction.markup import readable, unwrapped, without_markup
from include.leaderboard.scoring.extraction.pieces import value_pieces
from include.leaderboard.scoring.extraction.statements import SUBSTANCE, VALUE
from include.leaderboard.scoring.policy import DEFAULT, GradingPolicy
from include.leaderboard.scoring.scorer import Grade, hash_sources
from include.leaderboard.scoring.values import compare_values, is_value

MAX_GOLD = 1000
"""Characters of an expected answer; a longer one is compared as written only."""
LIBRARIES = ("math-verify", "latex2sympy2-extended", "sympy")
"""Their versions are part of a verdict."""

_MODULES = ("answers", "bac_fr", "dates", "formulas", "letters", "lexicon", "policy", "truth", "wording")
_NUMBER = re.compile(r"[-+−]?\d+(?:[.,]\d+)?")
_ALL_WORDS = re.compile(r"[^\W\d_]{3,}(?:[\s'-]+[^\W\d_]+)*|[\[(]?[A-Z]{1,3}[\])]?")
"""Golds that may be meant as words although they name a value: « aucune solution », « douze »."""
_DRESSED = re.compile(r"[*`$«»“”]|\\[()\[\]]|\\f?box")
_YEAR = re.compile(r"[12]\d{3}")
_PLAIN_VALUE = re.compile(
    r"(?:S\s*=\s*)?(?:[^\W_a-zA-Z]|[^\w]|_|\\[a-z]+|[a-z](?![a-z])|ln|cos|sin|exp|sqrt|pi)+"
)
"""Golds that are values at the first glance."""
_OTHER_DIGITS = re.compile(r"\d[/.-]\d{1,2}[/.-]\d|\d{4}-|^\(?\d[spdf]|^[_^{]*\d*[}]?\s*$")
"""Dates, electron configurations."""
_NO = ("Non", "non", "NON")
_LEADING_NO = re.compile(r"^non\s*[,:;.!]\s*(?=\S)", re.IGNORECASE)
"""« 12 ? Non, 13. »: what follows is the answer."""
_DENIED = re.compile(
    r"\b(?:ne\s|n'(?!\s|$)(?=[aeéiouyh]))(?!.*\bqu)|\b(?:pas|presque|ni|jamais|aucune?|faux|fausses?"
    r"|incorrecte?s?|erron[ée]e?s?)\b|\bnon\b(?!\s+nul)",
    re.IGNORECASE,
)
_COUNT = re.compile(
    r"\b(?:\d+|deux|trois|quatre|plusieurs)\s+(?:solutions?|racines|valeurs|réponses?|étapes?|questions?)\b",
    re.IGNORECASE,
)
_HOW_MANY = re.compile(r"\bcombien\b|\bnombre\b", re.IGNORECASE)
"""« 7 solutions » does not say that the solution is 7."""
_EMPTY = re.compile(r"∅|\\(?:varnothing|emptyset)|\{\s*\\?\}|vide|aucun", re.IGNORECASE)
"""Golds that a denial may give: « il n'y a pas de solution »."""
_NOTHING = re.compile(
    r"\b(?:aucune?\s+|pas de\s+|pas d')(?:solutions?|racines?|r[ée]els?|valeurs?)\b(?!\s+(?:unique"
    r"|enti[èe]re))|\bvide\b",
    re.IGNORECASE,
)
_EMPTY_BRACES = re.compile(r"[\s$]*\\?\{\s*\\?\}[\s$.]*")
_CONDITION = re.compile(r"^[xnth]\s+tend\s+vers\b")
_NAME = re.compile(r"(?:\\mathcal\s*\{?\s*)?([A-Z])\}?\s*\(")
_EXCEPT = re.compile(r"\b(?:sauf|autres?|except[ée]|infinit[ée]|non vide|pas vide|hormis)\b", re.IGNORECASE)
_WORDS = re.compile(r"[^\W\d_]{2}")


class BacFrScorer:
    """Deterministic; reads at most the last 8,000 characters of a generation."""

    name = "bac-fr"
    version = "2"

    def __init__(self, policy: GradingPolicy = DEFAULT) -> None:
        self._policy = policy

    @property
    def code_hash(self) -> str:
        """Of every module that decides, of the policy, and of the libraries' versions."""
        return _code_hash(self._policy.describe())

    def grade(self, row: DetailsRow) -> Grade:
        """Grade a row's first generation; any of the accepted answers will do."""
        prediction = row.predictions[0] if row.predictions else ""
        first = None
        for gold in row.gold:
            grade = grade_answer(
                gold, prediction, instruction=row.instruction, choices=row.choices, policy=self._policy
            )
            if grade.correct:
                return grade
            first = first or grade
        return first or Grade(
            correct=False, extracted=None, method="no_gold", reason="The row expects nothing."
        )


@cache
def _code_hash(policy: str) -> str:
    room = Path(__file__).parent
    sources = [room / f"{name}.py" for name in _MODULES]
    sources += sorted((room / "extraction").glob("*.py")) + sorted((room / "values").glob("*.py"))
    return hash_sources(*sources, notes=(policy, *(f"{name} {_installed(name)}" for name in LIBRARIES)))


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def grade_answer(
    gold: str,
    prediction: str,
    *,
    instruction: str | None = None,
    choices: Sequence[str] = (),
    question: str | None = None,
    policy: GradingPolicy = DEFAULT,
) -> Grade:
    """Grade one generation against one expected answer.

    Args:
        gold: Expected answer.
        prediction: What the model wrote, with its reasoning trace if it has one.
        instruction: Of the row; says the form and precision asked for, and names the letters of a choice.
        choices: Of the row, in the order A, B, C, …
        question: Of the row; asks for a form where the instruction is silent.
        policy: What is accepted where the right verdict is a choice.
    """
    gold = gold.strip()
    if _DRESSED.search(gold):
        gold = _undressed(gold)
    if not SUBSTANCE.search(gold):
        return Grade(
            correct=False, extracted=None, method="no_gold", reason="The expected answer holds nothing."
        )
    if not choices and _NUMBER.fullmatch(gold):
        kind, wanted = "value", VALUE
    else:
        kind, wanted = _kind(gold, instruction, choices)
    answer = final_answer(prediction, wanted=wanted)
    if answer is None and _EMPTY.search(gold) and _EMPTY_BRACES.fullmatch(prediction[-40:].strip()):
        return Grade(correct=True, extracted="∅", method="set", reason="The empty set.")
    if answer is None:
        return Grade(correct=False, extracted=None, method="no_answer", reason="No final answer was found.")
    if kind != "truth" and answer.text[:3] in _NO:
        answer = Answer(_LEADING_NO.sub("", answer.text, count=1), answer.line, answer.method)
    if answer.text == gold and kind not in {"letters", "choice"}:
        return Grade(correct=True, extracted=answer.text, method="identical", reason="The same notation.")
    if kind == "value":
        return _value_grade(gold, answer, instruction, question, policy)
    correct = _judge(kind, gold, answer, instruction, choices, policy)
    reason = f"Compared as {kind}; the answer was {answer.method.replace('_', ' ')}."
    return Grade(correct=correct, extracted=answer.text, method=kind, reason=reason)


def _undressed(gold: str) -> str:
    """Take emphasis, dollars, quotes and a box off an expected answer."""
    gold = without_markup(readable(gold[:MAX_GOLD])) if len(gold) <= MAX_GOLD else gold
    box = boxed(gold)
    return box[0] if box is not None and box[1] == len(gold) else gold


def _kind(gold: str, instruction: str | None, choices: Sequence[str]) -> tuple[str, re.Pattern[str]]:
    """Choose how to compare, by the expected answer's kind, and what a statement must hold to be one."""
    if truth.is_truth(gold, instruction):
        return "truth", truth.WANTED
    if letters.is_letters(gold, instruction, choices):
        return "letters", letters.WANTED
    if choices:
        return "choice", SUBSTANCE
    if len(gold) > MAX_GOLD:
        return "words", SUBSTANCE
    if _PLAIN_VALUE.fullmatch(gold) and not _OTHER_DIGITS.search(gold):
        return "value", SUBSTANCE if _EMPTY.search(gold) else VALUE
    if formulas.is_formula(gold):
        return "formula", SUBSTANCE
    if dates.is_period(gold):
        return "period", SUBSTANCE
    if dates.is_date(gold) is not None:
        return "date", SUBSTANCE
    if is_value(gold):
        return "value", SUBSTANCE if _EMPTY.search(gold) else VALUE
    return "words", SUBSTANCE


def _judge(
    kind: str,
    gold: str,
    answer: Answer,
    instruction: str | None,
    choices: Sequence[str],
    policy: GradingPolicy,
) -> bool:
    if kind == "truth":
        return truth.judge_truth(gold, answer, policy)
    if kind == "words":
        return _same_words(gold, answer, policy)
    if kind == "date":
        date = dates.is_date(gold)
        return date is not None and dates.same_date(date, answer.text, policy)
    if kind == "period":
        return dates.read_period(gold) == dates.read_period(answer.text)
    if kind == "formula":
        return _same_formula(gold, answer, policy)

    def same(choice: str, said: Answer) -> bool:
        return _same_choice(choice, said, instruction, policy)

    judge = letters.judge_letters if kind == "letters" else letters.judge_choice
    return judge(gold, answer, choices, same, policy)


def _same_words(gold: str, answer: Answer, policy: GradingPolicy) -> bool:
    gold = unwrapped(without_markup(readable(gold)))
    return any(
        wording.same_words(gold, unwrapped(text), policy)
        for text in dict.fromkeys((answer.text, answer.line))
    )


def _same_formula(gold: str, answer: Answer, policy: GradingPolicy) -> bool:
    texts = (answer.text, wording.predicate(answer.text), answer.line, wording.predicate(answer.line))
    return any(formulas.same_formula(gold, text, policy) for text in texts)


def _same_choice(choice: str, answer: Answer, instruction: str | None, policy: GradingPolicy) -> bool:
    """Compare with one choice's text, whatever its kind."""
    if answer.text == choice:
        return True
    if not is_value(choice):
        return _same_words(choice, answer, policy)
    return _value_grade(choice, answer, instruction, None, policy).correct


def _says_another(text: str, asked: str | None) -> bool:
    """Tell a denial, and a number of solutions where no number is asked."""
    if _DENIED.search(text) or _CONDITION.match(text):
        return True
    return _COUNT.search(text) is not None and (asked is None or _HOW_MANY.search(asked) is None)


def _value_grade(
    gold: str, answer: Answer, instruction: str | None, question: str | None, policy: GradingPolicy
) -> Grade:
    """Compare values; the pieces of a statement are tried in turn, and one that fits decides."""
    if (
        _WORDS.search(answer.text)
        and not _EMPTY.search(gold)
        and _says_another(answer.text, instruction or question)
    ):
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
    for piece in value_pieces(gold, answer.text):
        verdict = compare_values(gold, piece, instruction=instruction or question, policy=policy)
        slow = slow or verdict.slow
        if verdict.equal:
            break
    assert verdict is not None  # There is always one piece.
    correct = verdict.equal
    if not correct and _YEAR.fullmatch(gold) and _WORDS.search(answer.text):
        correct = dates.same_date(dates.Date(year=int(gold)), answer.text, policy)
    if not correct and _EMPTY.search(gold):
        correct = _NOTHING.search(answer.text) is not None and _EXCEPT.search(answer.text) is None
    if not correct and (
        _ALL_WORDS.fullmatch(gold) or (verdict.method == "unreadable" and not is_value(gold))
    ):
        correct = _same_words(gold, answer, policy)
    return Grade(
        correct=correct, extracted=answer.text, method=verdict.method, reason=verdict.reason, slow=slow
    )
