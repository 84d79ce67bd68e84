"""Grades an answer to a French exam question against the expected one, by kind of answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from french_answers import dates, directed, formulas, letters, truth, wording
from french_answers.answers import MAX_CHARACTERS, Answer, final_answer
from french_answers.directed import Finding
from french_answers.extraction.announced import boxed
from french_answers.extraction.dialects import plain, starred_sets
from french_answers.extraction.markup import readable, without_markup
from french_answers.extraction.reasoning import without_reasoning
from french_answers.extraction.roles import LONG, concluding_text
from french_answers.extraction.statements import SUBSTANCE, VALUE
from french_answers.extraction.turns import own_answer
from french_answers.grade import Grade
from french_answers.policy import DEFAULT, GradingPolicy
from french_answers.value_statements import EMPTY, NUMBER, grade_value, same_words
from french_answers.values import is_value

SHORT = 32
"""Characters of an answer alone."""
GOES_ON = 200
"""Characters of a text without an answer that a person should look at; a shorter one gives none."""
MAX_READ = 40_000
"""Characters of a generation, behind its reasoning trace, in which its own answer's end is looked for."""
MAX_GOLD = 1000
"""Characters of an expected answer; a longer one is compared as written only."""
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
_ACRONYM = re.compile(r"[A-Z]{2,6}")
_EMPTY_BRACES = re.compile(r"[\s$]*\\?\{\s*\\?\}[\s$.]*")


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
    ways = _ways(gold.strip(), question or instruction or "")
    if _OXIDATION.fullmatch(gold.strip()):
        prediction = _OXIDATION.sub(lambda one: f"{one[1]}{_DIGITS.get(one[2], one[2])}", prediction)
    grade = _grade(ways[0], prediction, instruction, choices, question, policy)
    others = (_grade(one, prediction, instruction, choices, question, policy) for one in ways[1:])
    return grade if grade.correct else next((one for one in others if one.correct), grade)


_IN_BRACKETS = re.compile(r"([^\W\d_][^()\d=+$\\]{2,})\s\(([A-ZÀ-Ý][\w₀-₉]{1,7})\)")
_OXIDATION = re.compile(r"([+-−])\s?([IVX]{1,4})")
_DIGITS = {"I": "1", "II": "2", "III": "3", "IV": "4", "V": "5", "VI": "6", "VII": "7", "VIII": "8"}


_REALS_WITHOUT = re.compile(r"(?<![\w\\])R\s*\\+\s*(?=\\?\{)")


def _ways(gold: str, asked: str) -> list[str]:
    """An expected answer, and the other ways to write it: « le dioxyde de carbone (CO2) », « +VII »."""
    named = _IN_BRACKETS.fullmatch(gold)
    if named is not None:
        return [gold, named[1], named[2]]
    oxidation = _OXIDATION.fullmatch(gold)
    if oxidation is not None and oxidation[2] in _DIGITS:
        return [gold, f"{oxidation[1]}{_DIGITS[oxidation[2]]}"]
    if "primitive" in asked:
        constant = _CONSTANT.search(gold)
        if constant is None:
            return [gold, f"{gold} + C"]
        return [gold, *(f"{gold[: constant.start()]}+ {letter}" for letter in "CkKc" if letter not in gold)]
    return [gold]


_CONSTANT = re.compile(r"\+\s*[A-Za-z]\s*$")


def _grade(
    gold: str,
    prediction: str,
    instruction: str | None,
    choices: Sequence[str],
    question: str | None,
    policy: GradingPolicy,
) -> Grade:
    if _DRESSED.search(gold):
        gold = _undressed(gold)
    gold = _REALS_WITHOUT.sub("ℝ∖", starred_sets(gold))
    if not SUBSTANCE.search(gold):
        return Grade(
            correct=False, extracted=None, method="no_gold", reason="The expected answer holds nothing."
        )
    if not choices and NUMBER.fullmatch(gold):
        kind, needed = "value", VALUE
    else:
        kind, needed = _kind(gold, instruction, choices)
    text = _own_text(prediction, question or instruction or "")
    if kind == "truth" and directed.says_both(text):
        reason = "True and false are both said."
        return Grade(correct=False, extracted=text[:MAX_GOLD], method=kind, reason=reason, unsure=True)
    grade = _strictly(
        kind,
        needed,
        gold,
        concluding_text(
            text, of_words=kind in {"words", "choice", "letters", "date", "formula"}, question=question
        ),
        instruction,
        choices,
        instruction or question,
        policy,
    )
    if (grade.correct and (kind != "truth" or len(text) <= LONG)) or not text:
        return grade
    finding = _found(kind, gold, text, instruction, choices, question, policy)
    if grade.correct and (finding is None or finding.unsure):
        return grade
    if finding is None:
        return replace(grade, unsure=grade.method == "no_answer" and len(text) > GOES_ON)
    return Grade(
        correct=finding.correct,
        extracted=finding.text,
        method=kind,
        reason=finding.unsure or f"Read from the conclusion as {kind}.",
        unsure=bool(finding.unsure),
        slow=grade.slow,
    )


def _own_text(prediction: str, prompt: str) -> str:
    """The part of a generation that answers, written plainly; empty for a reasoning trace that never ends."""
    if len(prediction) <= SHORT and prediction.isalnum():
        return prediction
    text = without_reasoning(prediction)
    text = None if text is None else text[:MAX_READ]
    return "" if text is None else plain(own_answer(text, prompt)[-MAX_CHARACTERS:])


def _found(
    kind: str,
    gold: str,
    text: str,
    instruction: str | None,
    choices: Sequence[str],
    question: str | None,
    policy: GradingPolicy,
) -> Finding | None:
    """Look for the expected answer in what the text concludes."""
    asked = instruction or question
    if kind == "truth":
        return directed.find_truth(gold, text, question)
    if kind in {"letters", "choice"}:
        return directed.find_choice(gold, text, choices, policy, question)
    if kind == "value":
        return directed.find_value(gold, text, asked, policy, question)
    if kind == "date":
        date = dates.is_date(gold)
        return None if date is None else directed.find_date(date, text, policy, question)
    if kind == "formula":
        found = directed.find_formula(gold, text, policy, question)
        return found or (
            directed.find_words(gold, text, policy, question) if _ACRONYM.fullmatch(gold) else None
        )
    if kind == "period":
        found = directed.find_period(gold, text, question)
        return found or (directed.find_value(gold, text, asked, policy, question) if " et " in gold else None)
    return directed.find_words(gold, text, policy, question)


def _strictly(
    kind: str,
    needed: re.Pattern[str],
    gold: str,
    text: str,
    instruction: str | None,
    choices: Sequence[str],
    asked: str | None,
    policy: GradingPolicy,
) -> Grade:
    """Judge the final statement, understood as a whole."""
    answer = final_answer(text, needed=needed)
    if answer is None and EMPTY.search(gold) and _EMPTY_BRACES.fullmatch(text[-40:].strip()):
        return Grade(correct=True, extracted="∅", method="set", reason="The empty set.")
    if answer is None:
        return Grade(correct=False, extracted=None, method="no_answer", reason="No final answer was found.")
    if kind != "truth" and answer.text[:3] in _NO:
        answer = Answer(_LEADING_NO.sub("", answer.text, count=1), answer.line, answer.method)
    if answer.text == gold and kind not in {"letters", "choice"}:
        return Grade(correct=True, extracted=answer.text, method="identical", reason="The same notation.")
    if kind == "value":
        return grade_value(gold, answer, asked, policy)
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
