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
_REMARK = re.compile(
    r"\s+\((?!(?:ou|et|pas|voire)\b)(?=[^()]*[^\W\d_]{3})(?![^()]*(?:sqrt|frac|pi\b|exp|sin|cos|ln))[^()]{1,160}\)(?=\s*[.!]?$)"
)
_BULLETS = frozenset({"- ", "* ", "• "})
_LEADS = frozenset("rR→⟶-=:\"'")
_WORD = re.compile(r"[^\W\d_]{3,}")
_FIRST = re.compile(r"([^\n.]{1,40}?)(?:(?<!\bav)(?<!\bapr)(?<!\bM)(?<!\benv)[.!][*_]*\s+|\s*\n+)(?=\S)")
_ASIDE_GATES = (
    "xplication", "ustification", "rification", "emarque", "reuve", "monstration", "étail", "éthode",
    "aisonnement", "xplanation", "éveloppement",
)  # fmt: skip
_WORKING = re.compile(
    r"\s*(?:\d{1,2}[.)]\s+|[ée]tape\s+\d+\s*[:.]?\s*)?(?:on|nous|je|il faut|pour|soit|d'abord|puisque|comme)\s",
    re.IGNORECASE,
)
_DENIED_AFTER = re.compile(
    r"[\s$.\])}\\]*(?:(?:est|était|serait)\s+(?:faux|fausse|incorrecte?|erron[ée]e?|absurde)|n'est\s+pas|ne convient pas)",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"(?:^|[\n.!?:,]\s*|\b(?:donc|que|mais)\s+)([^\n!?,]{1,80}?)\s+(?:est|sont|serait)\s+(?:donc\s+|bien\s+)?(?:la|les|ma)\s+(?:(?:bonne|seule|vraie)s?\s+)*"
    r"(?:r[ée]ponses?|solutions?)(?:\s+(?:correcte|exacte|finale|juste|attendue|cherchée)s?)?[\s.!*]*$",
    re.IGNORECASE,
)
"""« 8 est la bonne réponse »."""
_SUBJECT_IS_RIGHT = re.compile(
    r"^(?:la\s+(?:r[ée]ponse|solution)\s+)?((?!(?:l[ae]|il|elle|cel[al]|ceci|cette|ce)\s|l'|c').{1,60}?)\s+(?:est|serait)\s+(?:donc\s+|bien\s+)?(?:(?:la|une)\s+)?(?:(?:bonne|seule)\s+)?"
    r"(?:(?:r[ée]ponse|solution)(?:\s+(?:correcte|exacte|juste|attendue))?|correcte?|exacte?|juste)$",
    re.IGNORECASE,
)
_LEAD = re.compile(r"^(?:r(?:[ée]p)?\s*\.?\s*[:/]|→|⟶|->|=>|[:=])\s*(?=\S)", re.IGNORECASE)
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
    if _SIMPLE.fullmatch(rest) and "_" not in rest:
        text = readable(rest).rstrip(".,")
        return Answer(text, text, "last_line")
    if not rest:
        return None
    tagged = announcements.tagged(rest) if "</answer>" in rest else None
    if tagged is not None:
        rest = tagged.strip()
    return _found(rest, wanted, method="tagged" if tagged is not None else None)


def _found(rest: str, wanted: re.Pattern[str], *, method: str | None) -> Answer | None:
    if "boxed" in rest or "\\fbox" in rest:
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
                answer = _announced(later.text, wanted, method or "announced")
                if answer is not None:
                    return answer
            corrected = statements.obey_corrections("x" + readable(after[:MAX_ANSWER]))
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
        if not SUBSTANCE.search(said.text):
            subject = _SUBJECT.search(readable(rest[-_TAIL:]))
            if subject is None:
                return None  # It breaks off where the answer would stand.
            return _answer(subject[1], "subject", wanted, last=False)
        if not (said.weak and _concluded_later(said.text, wanted)):
            answer = _announced(said.text, wanted, method or "announced")
            if answer is not None:
                return answer
    return _last(rest, wanted, method or "last_line")


def _concluded_later(text: str, wanted: re.Pattern[str]) -> bool:
    """Tell whether later sentences conclude something else than a weak announcement."""
    later = statements.sentences(text[-_TAIL:])[1:]
    return any(
        statements.conclusion(one, wanted=wanted) != one and not statements.is_aside(one)
        for one in later[-3:]
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
        if line.lstrip()[:2] in _BULLETS:
            items = [one.strip()[2:].strip() for one in lines[number:] if one.lstrip()[:2] in _BULLETS]
            if len(items) == 1:
                items = [line_text(line)]
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
    head = _bare_head(text, wanted)
    if head is not None:
        return _answer(readable(head), method, wanted, last=True)
    text = readable(text[-_TAIL:])
    for gate in _ASIDE_GATES:
        if gate in text:
            aside = _HEADING_ASIDE.search(text)
            if aside is not None and wanted.search(text, 0, aside.start()):
                return _last_statement(text[: aside.start()].rstrip(), wanted, method)
            break
    if statements.is_unfinished(text) and not _SUBJECT.search(text[-200:]):
        return None
    return _last_statement(text, wanted, method)


def _last_statement(text: str, wanted: re.Pattern[str], method: str) -> Answer | None:
    """The last sentence that holds what is wanted, a display counting as one."""
    if text.endswith(("\\]", "$$", "}")) and "\n" in text:
        row = _last_display(text)
        if row is not None:
            return _answer(row, method, wanted, last=True)
    end = len(text)
    aside: str | None = None
    for number in range(_MAX_LINES):
        start = text.rfind("\n", 0, end) + 1
        line = text[start:end]
        if SUBSTANCE.search(line) and not _FENCE.match(line):
            if number == 0 and line.lstrip()[:2] in _BULLETS:
                items = _last_items(text[:end])
                if items is not None:
                    return _answer(items, method, wanted, last=False)
            line = line_text(line)
            if number == 0 and len(line) <= 20 and "." not in line and len(_WORD.findall(line)) <= 1:
                return _answer(line, method, wanted, last=True)
            for sentence in reversed(statements.sentences(line)):
                if statements.is_unknown(sentence):
                    return None
                if statements.is_aside(sentence):
                    aside = aside or (sentence if wanted.search(sentence) else None)
                    continue
                if wanted.search(sentence):
                    return _answer(sentence, method, wanted, last=True)
        if start == 0:
            break
        end = start - 1
    return _answer(aside, method, wanted, last=True) if aside is not None else None


def _last_items(text: str) -> str | None:
    """The bare items of a list that ends a text, as one statement; None for a single one or for sentences."""
    items: list[str] = []
    for line in reversed(text.split("\n")[-_MAX_LINES:]):
        if line.lstrip()[:2] not in _BULLETS:
            break
        items.insert(0, line.strip()[2:].strip())
    return " ; ".join(items) if len(items) > 1 and all(_is_bare(item) for item in items) else None


def _last_display(text: str) -> str | None:
    last = max(text.rfind("\\]"), text.rfind("$$"), text.rfind("\\end{align"))
    if last < 0 or len(text) - last > 20:
        return None
    first = max(text.rfind("\\[", 0, last), text.rfind("$$", 0, last), text.rfind("\\begin{align", 0, last))
    return _display_row(text[first:]) if first >= 0 else None


def _bare_head(text: str, wanted: re.Pattern[str]) -> str | None:
    """An answer that stands alone before its explanation: « 12. On multiplie 3 par 4. »."""
    first = _FIRST.match(text)
    if first is None or first.end() == len(text):
        return None
    head = line_text(first[1])
    if not SUBSTANCE.search(head) or len(_WORD.findall(head)) > 1:
        return None
    later = statements.sentences(readable(text[first.end() :][-_TAIL:]))
    return head if later and not _continues(later[-_MAX_LINES:], wanted) else None


def _is_bare(sentence: str) -> bool:
    return len(sentence) <= 40 and len(_WORD.findall(sentence)) <= 1


def _continues(later: list[str], wanted: re.Pattern[str]) -> bool:
    """Tell whether what follows a bare answer says something of its own, rather than explain."""
    last = later[-1]
    return (
        any(
            (_is_bare(one) and wanted.search(one)) or (wanted is statements.VALUE and "=" in one)
            for one in later
        )
        or statements.conclusion(last, wanted=wanted) != last
        or any(statements.is_unknown(one) for one in later)
        or any(statements.obey_corrections(" . " + one) != " . " + one for one in later)
    )


def _answer(line: str, method: str, wanted: re.Pattern[str], *, last: bool) -> Answer | None:
    line = without_markup(line[-MAX_ANSWER:] if last else line[:MAX_ANSWER])
    text = line
    if len(text) > 8 or "→" in text:
        text = statements.without_hedge(text)
        text = statements.obey_corrections(text)
        if " " in text:
            text = statements.without_explanation(text)
            if not last:
                found = statements.sentences(text)
                text = found[0] if found else text
            if wanted is statements.VALUE and (
                "lim" in text or "quand" in text or "lorsqu" in text or " en " in text
            ):
                text = statements.without_condition(text)
            if not ("qu" in text and statements.DENIES_THAT.search(text)):
                text = statements.conclusion(text, wanted=wanted)
            text = _REMARK.sub("", text) if "(" in text else text
        text = statements.without_hedge(text)
    text = _ENDING.sub("", unwrapped(text) if text.startswith("\\text") else text)
    if text[:1] in _LEADS:
        text = _LEAD.sub("", text, count=1)
        if text[:1] in "\"'" and text[-1:] == text[:1]:
            text = text[1:-1].strip()
    if text[:1] in ",." and text[1:2].isdigit():
        text = "0" + text
    if "est " in text or "serait " in text:
        right = _SUBJECT_IS_RIGHT.match(text)
        text = right[1] if right is not None else text
    if not SUBSTANCE.search(text):
        return None
    return Answer(text, line, method)
