"""Finds the statement that a text without an announcement ends with."""

from __future__ import annotations

import re

from include.leaderboard.scoring.extraction import statements
from include.leaderboard.scoring.extraction.finishing import Answer, finish
from include.leaderboard.scoring.extraction.markup import line_text, readable
from include.leaderboard.scoring.extraction.passages import (
    BULLETS,
    FENCE,
    MAX_LINES,
    WORD,
    is_bare,
    last_display,
    last_items,
)
from include.leaderboard.scoring.extraction.statements import SUBSTANCE, VALUE

TAIL = 1600
"""Characters of a text's end that are read."""
_EXPLAINED = 800
"""Characters of an answer with its explanation after it; longer texts work towards one."""
_SHORT = 24
_ASIDE_GATES = (
    "xpli", "xplanation", "ustifi", "rification", "emarque", "reuve", "monstration", "étail", "éthode",
    "aisonnement", "éveloppement",
)  # fmt: skip
_HEADING_ASIDE = re.compile(
    r"^[*_#>\s-]*(?:explications?|justifications?|v[ée]rifications?|remarques?|preuve|d[ée]monstration"
    r"|d[ée]tails?(?: des? calculs?)?|m[ée]thode|raisonnement|explanation|d[ée]veloppement)\b[*_ ]*"
    r"(?:\([^()\n]{0,40}\))?[*_ ]*:?",
    re.IGNORECASE | re.MULTILINE,
)
_FIRST = re.compile(r"([^\n.]{1,40}?)(?:(?<!\bav)(?<!\bapr)(?<!\bM)(?<!\benv)[.!][*_]*\s+|\s*\n+)(?=\S)")
_NUMBERED = re.compile(
    r"[*#\s-]*(?:[ée]tape|question|exercice|partie|cas|probl[èe]me|\d{1,2}\s*\))", re.IGNORECASE
)
SUBJECT = re.compile(
    r"(?:^|[\n.!?:,]\s*|\b(?:donc|que|mais)\s+)([^\n!?,]{1,80}?)\s+(?:est|sont|serait)\s+(?:donc\s+|bien\s+)?"
    r"(?:la|les|ma)\s+(?:(?:bonne|seule|vraie)s?\s+)*"
    r"(?:r[ée]ponses?|solutions?)(?:\s+(?:correcte|exacte|finale|juste|attendue|cherchée)s?)?[\s.!*]*$",
    re.IGNORECASE,
)
"""« 8 est la bonne réponse »."""


def last_answer(text: str, wanted: re.Pattern[str], method: str) -> Answer | None:
    """The last statement that holds what is wanted, explanations and verifications passed over.

    Returns:
        None for « je ne sais pas », and for a text that breaks off.
    """
    head = _bare_head(text, wanted) if len(text) <= _EXPLAINED else None
    if head is not None:
        return finish(readable(head), method, wanted, last=True)
    tail = text[-TAIL:]
    for gate in _ASIDE_GATES:
        if gate in tail:
            aside = _HEADING_ASIDE.search(tail)
            if aside is not None and wanted.search(tail, 0, aside.start()):
                return _last_statement(readable(tail[: aside.start()].rstrip()), wanted, method)
            break
    line = readable(tail[tail.rfind("\n") + 1 :])
    if len(line) <= _SHORT and line[:1] not in "-*•|`#>~\\$}" and not WORD.search(line) and wanted.search(line):
        return None if statements.is_unfinished(line) else finish(line, method, wanted, last=True)
    if statements.is_unfinished(line) and not SUBJECT.search(line[-200:]):
        return None
    return _last_statement(readable(tail), wanted, method)


def _last_statement(text: str, wanted: re.Pattern[str], method: str) -> Answer | None:
    if text.endswith(("\\]", "$$", "}")) and "\n" in text:
        row = last_display(text)
        if row is not None:
            return finish(row, method, wanted, last=True)
    end = len(text)
    aside: str | None = None
    for number in range(MAX_LINES):
        start = text.rfind("\n", 0, end) + 1
        line = text[start:end]
        if SUBSTANCE.search(line) and not FENCE.match(line):
            if number == 0 and line.lstrip()[:2] in BULLETS:
                items = last_items(text[:end])
                if items is not None:
                    return finish(items, method, wanted, last=False)
            line = line_text(line)
            if number == 0 and len(line) <= 20 and "." not in line and len(WORD.findall(line)) <= 1:
                return finish(line, method, wanted, last=True)
            for sentence in reversed(statements.sentences(line)):
                if statements.is_unknown(sentence):
                    return None
                if statements.is_aside(sentence):
                    aside = aside or (sentence if wanted.search(sentence) else None)
                elif wanted.search(sentence):
                    return finish(sentence, method, wanted, last=True)
        if start == 0:
            break
        end = start - 1
    return finish(aside, method, wanted, last=True) if aside is not None else None


def _bare_head(text: str, wanted: re.Pattern[str]) -> str | None:
    """An answer that stands alone before its explanation: « 12. On multiplie 3 par 4. »."""
    first = _FIRST.match(text)
    if first is None or first.end() == len(text) or not wanted.search(first[1]) or _NUMBERED.match(first[1]):
        return None
    head = line_text(first[1])
    if not SUBSTANCE.search(head) or len(WORD.findall(head)) > 1:
        return None
    later = statements.sentences(readable(text[first.end() :]))
    return head if later and not _continues(later[-MAX_LINES:], wanted) else None


def _continues(later: list[str], wanted: re.Pattern[str]) -> bool:
    """Tell whether what follows a bare answer says something of its own, rather than explain."""
    return (
        any((is_bare(one) and wanted.search(one)) or (wanted is VALUE and "=" in one) for one in later)
        or statements.conclusion(later[-1], wanted=wanted) != later[-1]
        or any(statements.is_unknown(one) for one in later)
        or any(statements.obey_corrections(" . " + one) != " . " + one for one in later)
    )
