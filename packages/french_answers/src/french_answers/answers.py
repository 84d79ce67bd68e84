"""Finds the final answer in what a model wrote."""

from __future__ import annotations

import re

from french_answers.extraction import announced as announcements
from french_answers.extraction import statements
from french_answers.extraction.announced import MAX_ANSWER
from french_answers.extraction.endings import SUBJECT, TAIL, last_answer
from french_answers.extraction.markup import readable, without_markup
from french_answers.extraction.passages import first_line
from french_answers.extraction.reasoning import without_reasoning
from french_answers.extraction.statements import SUBSTANCE
from french_answers.extraction.trailing_text import Answer, finish

__all__ = ["MAX_ANSWER", "MAX_CHARACTERS", "Answer", "final_answer", "without_reasoning"]

MAX_CHARACTERS = 8000
"""Of a generation's end that is read; the final answer is there."""
_SIMPLE = re.compile(r"[\w+-][\w.,/+-]{0,30}")
_WORKING = re.compile(
    r"\s*(?:\d{1,2}[.)]\s+|[ée]tape\s+\d+\s*[:.]?\s*)?"
    r"(?:(?:on|nous|je|il faut|pour|soit|d'abord|puisque|comme)\s|j'[ée])",
    re.IGNORECASE,
)
_DENIED_AFTER = re.compile(
    r"[\s$.\])}\\]*(?:(?:est|était|serait)\s+(?:faux|fausse|incorrecte?|erron[ée]e?|absurde)"
    r"|n'est\s+pas|ne convient pas)",
    re.IGNORECASE,
)


def final_answer(prediction: str, *, needed: re.Pattern[str] = SUBSTANCE) -> Answer | None:
    """Find the final answer: tagged, boxed, announced (« la réponse est »), else the last statement.

    A conclusion beats every earlier number, and the last of several counts. Linear in the text's length.

    Args:
        prediction: What the model wrote.
        needed: What a statement must hold to be one; sentences without it are passed over from the end.

    Returns:
        None for an empty text, an unfinished reasoning trace, « je ne sais pas », or a text that breaks off.
    """
    rest = without_reasoning(prediction)
    if rest is None:
        return None
    rest = rest[-MAX_CHARACTERS:].strip()
    if len(rest) <= 32 and _SIMPLE.fullmatch(rest) and "_" not in rest:
        text = readable(rest).rstrip(".,")
        return Answer(text, text, "last_line")
    if not rest:
        return None
    method = None
    if "</answer>" in rest:
        tagged = announcements.tagged(rest)
        if tagged is not None:
            rest, method = tagged.strip(), "tagged"
    if "boxed" in rest or "\\fbox" in rest:
        return _boxed(rest, needed, method)
    said = announcements.announced(rest)
    if said is not None:
        if said.negated:
            corrected = statements.obey_corrections("pas " + first_line(said.text))
            return (
                None if corrected.startswith("pas ") else finish(corrected, "corrected", needed, last=False)
            )
        if not SUBSTANCE.search(said.text):
            subject = SUBJECT.search(readable(rest[-TAIL:]))
            # Without a subject it breaks off where the answer would stand.
            return None if subject is None else finish(subject[1], "subject", needed, last=False)
        if not (said.weak and _concluded_later(said.text, needed)):
            answer = _announced(said.text, needed, method or "announced")
            if answer is not None:
                return answer
    return last_answer(rest, needed, method or "last_line")


def _boxed(rest: str, needed: re.Pattern[str], method: str | None) -> Answer | None:
    """The last box, unless it is denied, corrected, or beaten by an announcement after it."""
    found = announcements.boxed(rest)
    if found is None:
        return None
    content, end = readable(found[0]), found[1]
    after = rest[end : end + 4 * MAX_ANSWER]
    if len(after) > 4:
        if _DENIED_AFTER.match(after):
            return None
        later = announcements.announced(after) if SUBSTANCE.search(after) else None
        if later is not None and not later.negated and not later.weak:
            answer = _announced(later.text, needed, method or "announced")
            if answer is not None:
                return answer
        corrected = statements.obey_corrections("x" + readable(after[:MAX_ANSWER]))
        if not corrected.startswith("x") and needed.search(corrected):
            return finish(corrected, method or "corrected", needed, last=False)
    content = without_markup(content)
    return finish(content, method or "boxed", needed, last=False) if SUBSTANCE.search(content) else None


def _concluded_later(text: str, needed: re.Pattern[str]) -> bool:
    """Tell whether later sentences conclude something else than a weak announcement."""
    later = statements.sentences(text[-TAIL:])[1:]
    return any(
        statements.conclusion(one, needed=needed) != one and not statements.is_aside(one)
        for one in later[-3:]
    )


def _announced(text: str, needed: re.Pattern[str], method: str) -> Answer | None:
    line = first_line(text)
    if not SUBSTANCE.search(line):
        return None
    if _WORKING.match(line):
        return last_answer(text, needed, method)
    return finish(line, method, needed, last=False)
