"""Grades bac-fr: a short French exam answer against the expected one, by kind of answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from palmares.leaderboard.details.rows import DetailsRow
from palmares.leaderboard.scoring import dates, formulas, letters, truth, wording
from palmares.leaderboard.scoring.answers import Answer, final_answer
from palmares.leaderboard.scoring.extraction.announced import boxed
from palmares.leaderboard.scoring.extraction.markup import readable, without_markup
from palmares.leaderboard.scoring.extraction.statements import SUBSTANCE, VALUE
from palmares.leaderboard.scoring.policy import DEFAULT, GradingPolicy
from palmares.leaderboard.scoring.scorer import Grade, hash_sources
from palmares.leaderboard.scoring.value_statements import EMPTY, NUMBER, grade_value, same_words
from palmares.leaderboard.scoring.values import is_value

MAX_GOLD = 1000
"""Characters of an expected answer; a longer one is compared as written only."""
LIBRARIES = ("math-verify", "latex2sympy2-extended", "sympy")
"""Their versions are part of a verdict."""

_MODULES = (
    "answers",
    "bac_fr",
    "dates",
    "formulas",
    "letters",
    "lexicon",
    "policy",
    "quick",
    "truth",
    "value_statements",
    "wording",
)
_DRESSED = re.compile(r"[*`$«»“”]|\\[()\[\]]|\\f?box")
_PLAIN_VALUE = re.compile(
    r"(?:S\s*=\s*)?(?:[^\W_a-zA-Z]|[^\w]|_|\\[a-z]+|[a-z](?![a-z])|ln|cos|sin|exp|sqrt|pi)+"
)
"""Golds that are values at the first glance."""
_OTHER_DIGITS = re.compile(r"\d[/.-]\d{1,2}[/.-]\d|\d{4}-|^\(?\d[spdf]|^[_^{]*\d*[}]?\s*$")
"""Dates, electron configurations."""
_CONNECTED = re.compile(r"^(?:donc|ainsi|alors|finalement)\s*[,:]?\s*", re.IGNORECASE)
_NO = ("Non", "non", "NON")
_LEADING_NO = re.compile(r"^non\s*[,:;.!]\s*(?=\S)", re.IGNORECASE)
"""« 12 ? Non, 13. »: what follows is the answer."""
_EMPTY_BRACES = re.compile(r"[\s$]*\\?\{\s*\\?\}[\s$.]*")


def _sources() -> list[Path]:
    room = Path(__file__).parent
    parts = [path for part in ("extraction", "values") for path in sorted((room / part).glob("*.py"))]
    return [room / f"{name}.py" for name in _MODULES] + parts


_SOURCES = hash_sources(*_sources())
"""Of the modules as they were imported: a long-lived process keeps them when the files change."""


@cache
def _code_hash(policy: str) -> str:
    return hash_sources(notes=(_SOURCES, policy, *(f"{name} {_installed(name)}" for name in LIBRARIES)))


class BacFrScorer:
    """Deterministic; reads at most the last 8,000 characters of a generation."""

    name = "bac-fr"
    version = "2"

    def __init__(self, policy: GradingPolicy = DEFAULT) -> None:
        self._policy = DEFAULT if policy == DEFAULT else policy

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
    if policy is not DEFAULT and policy == DEFAULT:
        policy = DEFAULT
    gold = gold.strip()
    if _DRESSED.search(gold):
        gold = _undressed(gold)
    if not SUBSTANCE.search(gold):
        return Grade(
            correct=False, extracted=None, method="no_gold", reason="The expected answer holds nothing."
        )
    if not choices and NUMBER.fullmatch(gold):
        kind, wanted = "value", VALUE
    else:
        kind, wanted = _kind(gold, instruction, choices)
    answer = final_answer(prediction, wanted=wanted)
    if answer is None and EMPTY.search(gold) and _EMPTY_BRACES.fullmatch(prediction[-40:].strip()):
        return Grade(correct=True, extracted="∅", method="set", reason="The empty set.")
    if answer is None:
        return Grade(correct=False, extracted=None, method="no_answer", reason="No final answer was found.")
    if kind != "truth" and answer.text[:3] in _NO:
        answer = Answer(_LEADING_NO.sub("", answer.text, count=1), answer.line, answer.method)
    if answer.text == gold and kind not in {"letters", "choice"}:
        return Grade(correct=True, extracted=answer.text, method="identical", reason="The same notation.")
    if kind == "value":
        return grade_value(gold, answer, instruction or question, policy)
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
    if len(gold) == 1:
        return ("value" if is_value(gold) else "words"), SUBSTANCE
    if _PLAIN_VALUE.fullmatch(gold) and not _OTHER_DIGITS.search(gold):
        return "value", SUBSTANCE if EMPTY.search(gold) else VALUE
    if formulas.is_formula(gold):
        return "formula", SUBSTANCE
    if dates.is_period(gold):
        return "period", SUBSTANCE
    if dates.is_date(gold) is not None:
        return "date", SUBSTANCE
    if is_value(gold):
        return "value", SUBSTANCE if EMPTY.search(gold) else VALUE
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
        return same_words(gold, answer, policy)
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


def _same_formula(gold: str, answer: Answer, policy: GradingPolicy) -> bool:
    line = _CONNECTED.sub("", answer.line, count=1)
    texts = (answer.text, wording.predicate(answer.text), line, wording.predicate(line))
    return any(formulas.same_formula(gold, text, policy) for text in texts)


def _same_choice(choice: str, answer: Answer, instruction: str | None, policy: GradingPolicy) -> bool:
    """Compare with one choice's text, whatever its kind."""
    if answer.text == choice:
        return True
    if not is_value(choice):
        return same_words(choice, answer, policy)
    return grade_value(choice, answer, instruction, policy).correct
