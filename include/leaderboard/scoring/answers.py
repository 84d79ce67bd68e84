"""Finds the final answer in what a model wrote."""

from __future__ import annotations

import re
from dataclasses import dataclass

from include.leaderboard.scoring.extraction import announced as announcements
from include.leaderboard.scoring.extraction import statements
from include.leaderboard.scoring.extraction.announced import MAX_ANSWER
from include.leaderboard.scoring.extraction.markup import line_text, readable, unwrapped, without_markup
from include.leaderboard.scoring.extraction.reasoning import without_reasoning
from include.leaderboard.scoring.extraction.statements import SUBSTANCE

__all__ = ["MAX_ANSWER", "MAX_CHARACTERS", "Answer", "final_answer", "without_reasoning"]

MAX_CHARACTERS = 8000
"""Of a generation's end that is read; the final answer is there."""
_TAIL = 1600
"""Of it that is read where nothing is announced."""
_MAX_LINES = 12

_SIMPLE = re.compile(r"[\w+-][\w.,/+-]{0,30}")
_FENCE = re.compile(r"^\s*(?:```|~~~)")
_DISPLAY = re.compile(r"\$\$|\\\[|\\begin\{(?:align|aligned|equation|gather|cases|split)\*?\}")
_DISPLAY_END = re.compile(r"\$\$|\\\]|\\end\{(?:align|aligned|equation|gather|cases|split)\*?\}")
_ROW_END = re.compile(r"\\\\(?:\[\d\w*\])?")
_HEADING_ASIDE = re.compile(
    r"^[*_#>\s-]*(?:explications?|justifications?|v[ée]rifications?|remarques?|preuve|d[ée]monstration|d[ée]tails?(?: des? calculs?)?|"
    r"m[ée]thode|raisonnement|explanation|d[ée]veloppement)\b[*_ ]*(?:\([^()\n]{0,40}\))?[*_ ]*:?",
    re.IGNORECASE | re.MULTILINE,
)
_REMARK = re.compile(r"\s+\((?=[^()]*[^\W\d_]{3})(?![^()]*(?:sqrt|frac|pi\b|exp|sin|cos|ln))[^()]{1,160}\)(?=\s*[.!]?$)")
_WORD = re.compile(r"[^\W\d_]{3,}")
_WORKING = re.compile(r"\s*(?:on|nous|je|il faut|pour|soit|d'abord|puisque|comme)\s", re.IGNORECASE)
_DENIED_AFTER = re.compile(
    r"[\s$.\])}\\]*(?:(?:est|était|serait)\s+(?:faux|fausse|incorrecte?|erron[ée]e?|absurde)|n'est\s+pas|ne convient pas)", re.IGNORECASE
)
_ENDING = re.compile(r"(?:[\s.,;:…]|(?<=\s)[!?])+$")


@dataclass(frozen=True, slots=True)
class Answer:
    """A candidate for the final answer."""

    text: str
    """One statement: markup, explanations and what the model took back are off."""
    line: str
    """The sentence or line that it stands in: ``B. 3π`` gives its letter first."""
    method: str


def final_answer(prediction: str, *, wanted: re.Pattern[str] = SUBSTANCE) -> Answer | None:
    """Find the final answer: tagged, boxed, announced (« la réponse est »), else the last statement.

    A conclusion beats every earlier number, and the last of several counts. Linear in the text's length.

    Args:
        prediction: What the model wrote.
        wanted: What a statement must hold to be one; sentences without it are passed over from the end.

    Returns:
        None for an empty text, an unfinished reasoning trace, « je ne sais pas », or a text that breaks off.
    """
    rest = without_reasoning(prediction)
    if rest is None:
        return None
    rest = rest[-MAX_CHARACTERS:].strip()
    if _SIMPLE.fullmatch(rest):
        text = rest.rstrip(".,")
        return Answer(text, text, "last_line")
    if not rest:
        return None
    tagged = announcements.tagged(rest) if "</answer>" in rest else None
    if tagged is not None:
        rest = tagged.strip()
    return _found(readable(rest), wanted, method="tagged" if tagged is not None else None)


def _found(rest: str, wanted: re.Pattern[str], *, method: str | None) -> Answer | None:
    if "boxed" in rest or "\\fbox" in rest:
        found = announcements.boxed(rest)
        if found is None:
            return None
        content, end = found
        after = rest[end:]
        if len(after) > 4:
            if _DENIED_AFTER.match(after):
                return None
            later = announcements.announced(after) if SUBSTANCE.search(after) else None
            if later is not None and not later.negated and not later.weak:
                answer = _announced(later.text, wanted, method or "announced")
                if answer is not None:
                    return answer
            corrected = statements.obey_corrections("x" + after[:MAX_ANSWER])
            if not corrected.startswith("x") and wanted.search(corrected):
                return _answer(corrected, method or "corrected", wanted, last=False)
        content = without_markup(content)
        if not SUBSTANCE.search(content):
            return None
        return _answer(content, method or "boxed", wanted, last=False)
    said = announcements.announced(rest)
    if said is not None:
        if said.negated:
            line = _first_line(said.text)
            corrected = statements.obey_corrections("pas " + line)
            if corrected.startswith("pas "):
                return None
            return _answer(corrected, "corrected", wanted, last=False)
        if not (said.weak and _concluded_later(said.text, wanted)):
            if not SUBSTANCE.search(said.text):
                return None  # It breaks off where the answer would stand.
            answer = _announced(said.text, wanted, method or "announced")
            if answer is not None:
                return answer
    return _last(rest, wanted, method or "last_line")


def _concluded_later(text: str, wanted: re.Pattern[str]) -> bool:
    """Tell whether later sentences conclude something else than a weak announcement."""
    later = statements.sentences(text[-_TAIL:])[1:]
    return any(
        statements.conclusion(one, wanted=wanted) != one and not statements.is_aside(one) for one in later[-3:]
    )


def _announced(text: str, wanted: re.Pattern[str], method: str) -> Answer | None:
    line = _first_line(text)
    if not SUBSTANCE.search(line):
        return None
    if _WORKING.match(line):
        return _last(text, wanted, method)
    return _answer(line, method, wanted, last=False)


def _first_line(text: str) -> str:
    """The first line that holds something; a display's last row, or a list's items, count as one."""
    head = text[: 4 * MAX_ANSWER].lstrip()
    display = _DISPLAY.match(head)
    if display is not None:
        return _display_row(head[display.end() :])
    lines = head.split("\n", _MAX_LINES)
    for number, line in enumerate(lines[:_MAX_LINES]):
        if _FENCE.match(line) or not SUBSTANCE.search(line):
            continue
        if line.lstrip()[:2] in {"- ", "* ", "• "}:
            items = [line_text(one) for one in lines[number:] if one.lstrip()[:2] in {"- ", "* ", "• "}]
            return " ; ".join(items)[:MAX_ANSWER] if len(items) > 1 else items[0]
        if _DISPLAY.match(line.strip()):
            return _display_row("\n".join(lines[number:]).strip())
        return line_text(line)[:MAX_ANSWER]
    return ""


def _display_row(text: str) -> str:
    """The last row of a displayed formula; a matrix stays whole."""
    opening = _DISPLAY.match(text)
    while opening is not None:
        text = text[opening.end() :].lstrip()
        opening = _DISPLAY.match(text)
    end = _DISPLAY_END.search(text)
    text = text[: end.start()] if end is not None else text
    if "matrix" not in text and "\\\\" in text:
        rows = [row for row in _ROW_END.split(text) if SUBSTANCE.search(row)]
        text = rows[-1] if rows else text
    return text.replace("&", "").replace("\n", " ").strip()[:MAX_ANSWER]


def _last(text: str, wanted: re.Pattern[str], method: str) -> Answer | None:
    text = text[-_TAIL:]
    aside = _HEADING_ASIDE.search(text)
    if aside is not None and wanted.search(text[: aside.start()]):
        text = text[: aside.start()].rstrip()
    elif statements.is_unfinished(text):
        return None
    if "\n" not in text and len(text) <= 80 and ". " not in text and "! " not in text and "? " not in text:
        found = [text]
    else:
        found = _statements(text)
        if not found:
            return None
        if len(found) > 1 and _is_bare(found[0]) and not _continues(found[1:]):
            return _answer(found[0], method, wanted, last=True)
    for sentence in reversed(found[-_MAX_LINES:]):
        if statements.is_unknown(sentence):
            return None
        if len(found) > 1 and statements.is_aside(sentence):
            continue
        if wanted.search(sentence):
            return _answer(sentence, method, wanted, last=True)
    return None


def _statements(text: str) -> list[str]:
    """Sentences of a text's end, displays as one each."""
    last = max(text.rfind("\\]"), text.rfind("$$"), text.rfind("\\end{align"))
    if last >= 0 and len(text) - last <= 20:
        first = max(text.rfind("\\[", 0, last), text.rfind("$$", 0, last), text.rfind("\\begin{align", 0, last))
        if first >= 0:
            return [*statements.sentences(text[:first]), _display_row(text[first:])]
    lines = [line_text(line) for line in text.split("\n") if not _FENCE.match(line)]
    return statements.sentences("\n".join(lines))


def _is_bare(sentence: str) -> bool:
    return len(sentence) <= 40 and len(_WORD.findall(sentence)) <= 1


def _continues(later: list[str]) -> bool:
    """Tell whether what follows a bare answer says something of its own, rather than explain."""
    last = later[-1]
    return (
        any(_is_bare(one) or "=" in one for one in later)
        or statements.conclusion(last) != last
        or any(statements.is_unknown(one) for one in later)
        or any(statements.obey_corrections(" . " + one) != " . " + one for one in later)
    )


def _answer(line: str, method: str, wanted: re.Pattern[str], *, last: bool) -> Answer | None:
    line = without_markup(line[-MAX_ANSWER:] if last else line[:MAX_ANSWER])
    text = line
    if len(text) > 8:
        text = statements.without_hedge(text)
        text = statements.obey_corrections(text)
        if " " in text:
            text = statements.without_explanation(text)
            if not last:
                found = statements.sentences(text)
                text = found[0] if found else text
            text = statements.conclusion(text, wanted=wanted)
            text = _REMARK.sub("", text) if "(" in text else text
        text = statements.without_hedge(text)
    text = _ENDING.sub("", unwrapped(text) if text.startswith("\\text") else text)
    if not SUBSTANCE.search(text):
        return None
    return Answer(text, line, method)
