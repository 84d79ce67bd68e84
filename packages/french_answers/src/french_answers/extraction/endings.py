"""Finds the statement that a text without an announcement ends with."""

from __future__ import annotations

import re

from french_answers.extraction import statements
from french_answers.extraction.markup import line_text, readable
from french_answers.extraction.passages import (
    BULLETS,
    FENCE,
    MAX_LINES,
    WORD,
    is_bare,
    last_display,
    last_items,
)
from french_answers.extraction.statements import SUBSTANCE, VALUE
from french_answers.extraction.trailing_text import Answer, finish

TAIL = 1600
"""Characters of a text's end that are read."""
_EXPLAINED = 800
"""Characters of an answer with its explanation after it; longer texts work towards one."""
_SHORT = 60
_SYMBOL = 4
"""Characters of a statement such as « −i », which holds no number."""
_MARKS = frozenset("-*•|`#>~}+")
_PROSE = re.compile(r"(?<![\\A-Za-z])[^\W\d_]{2}")
_ASIDES = (
    "Explication", "Explanation", "Justification", "Vérification", "Verification", "Remarque", "Preuve",
    "Démonstration", "Détail", "Méthode", "Raisonnement", "Développement",
)  # fmt: skip
_ASIDE_GATE = re.compile("Expl|Just|V[ée]rif|Remar|Preuv|Démon|Détai|Métho|Raiso|Dével")
_HEADING_ASIDE = re.compile(
    r"[*_#>\s-]*(?:explications?|justifications?|v[ée]rifications?|remarques?|preuve|d[ée]monstration"
    r"|d[ée]tails?(?: des? calculs?)?|m[ée]thode|raisonnement|explanation|d[ée]veloppement)\b[*_ ]*"
    r"(?:\([^()\n]{0,40}\))?[*_ ]*:?",
    re.IGNORECASE,
)
_HEAD = 42
_ABBREVIATED = (" av", " apr", " env", "M", " p", "cf")
_NUMBERED = re.compile(
    r"[*#\s-]*(?:[ée]tape|question|exercice|partie|cas|probl[èe]me|on|nous|je|soit|posons|comme|si|pour"
    r"|d'après)\b|(?:\d{1,2}\s*\))",
    re.IGNORECASE,
)
_INTENTION = re.compile(
    r"(?:on|nous|je|il)\s+(?:cherch|veu[tx]|voul|va\b|vais|allons|doi[ts]|devons|faut|essa[iy]|reste à)\w*",
    re.IGNORECASE,
)
"""« On cherche m. »: a text that ends so has not come to its answer."""
SUBJECT = re.compile(
    r"(?:^|[\n.!?:,]\s*|\b(?:donc|que|mais)\s+)([^\n!?,]{1,80}?)\s+(?:est|sont|serait)\s+(?:donc\s+|bien\s+)?"
    r"(?:la|les|ma)\s+(?:(?:bonne|seule|vraie)s?\s+)*"
    r"(?:r[ée]ponses?|solutions?)(?:\s+(?:correcte|exacte|finale|juste|attendue|cherchée)s?)?[\s.!*]*$",
    re.IGNORECASE,
)
"""« 8 est la bonne réponse »."""


def last_answer(text: str, needed: re.Pattern[str], method: str) -> Answer | None:
    """The last statement that holds what is needed, explanations and verifications passed over.

    Returns:
        None for « je ne sais pas », and for a text that breaks off.
    """
    head = _bare_head(text, needed) if len(text) <= _EXPLAINED else None
    if head is not None:
        return finish(readable(head), method, needed, last=True)
    tail = text[-TAIL:]
    aside = _aside_heading(tail)
    if aside >= 0 and needed.search(tail, 0, aside):
        return _last_statement(readable(tail[:aside].rstrip()), needed, method)
    line = readable(tail[tail.rfind("\n") + 1 :])
    if statements.is_unfinished(line) and not SUBJECT.search(line[-200:]):
        return None
    if (
        (line[:1] not in _MARKS or (line[:1] in "+-" and line[1:2] not in " -+"))
        and not line.endswith(("\\]", "$$"))
        and "\\end{" not in line
    ):
        if len(line) <= _SHORT and "." not in line and needed.search(line) and not _PROSE.search(line):
            return finish(line, method, needed, last=True)
        found = statements.sentences(line)
        sentence = found[-1] if found else ""
        if (
            needed.search(sentence)
            and not statements.is_aside(sentence)
            and not statements.is_unknown(sentence)
        ):
            return finish(sentence, method, needed, last=True)
    return _last_statement(readable(tail), needed, method)


def _aside_heading(text: str) -> int:
    """Where the first line starts that heads an explanation; -1 without one."""
    first = -1
    if not _ASIDE_GATE.search(text):
        return first
    for word in _ASIDES:
        position = text.find(word)
        while position >= 0:
            start = text.rfind("\n", 0, position) + 1
            if _HEADING_ASIDE.match(text, start):
                first = start if first < 0 else min(first, start)
                break
            position = text.find(word, position + 1)
    return first


def _last_statement(text: str, needed: re.Pattern[str], method: str) -> Answer | None:
    if text.endswith(("\\]", "$$", "}")) and "\n" in text:
        row = last_display(text)
        if row is not None:
            return finish(row, method, needed, last=True)
    end = len(text)
    aside: str | None = None
    for number in range(MAX_LINES):
        start = text.rfind("\n", 0, end) + 1
        line = text[start:end]
        if SUBSTANCE.search(line) and not FENCE.match(line):
            if number == 0 and line.lstrip()[:2] in BULLETS:
                items = last_items(text[:end])
                if items is not None:
                    return finish(items, method, needed, last=False)
            line = line_text(line)
            if number == 0 and len(line) <= 20 and "." not in line and len(WORD.findall(line)) <= 1:
                return finish(line, method, needed, last=True)
            for sentence in reversed(statements.sentences(line)):
                if statements.is_unknown(sentence):
                    return None
                if statements.is_aside(sentence):
                    aside = aside or (sentence if needed.search(sentence) else None)
                elif number == 0 and _INTENTION.match(sentence) and not needed.search(sentence):
                    return None
                elif needed.search(sentence) or (len(sentence) <= _SYMBOL and not _PROSE.search(sentence)):
                    return finish(sentence, method, needed, last=True)
        if start == 0:
            break
        end = start - 1
    return finish(aside, method, needed, last=True) if aside is not None else None


def _bare_head(text: str, needed: re.Pattern[str]) -> str | None:
    """An answer that stands alone before its explanation: « 12. On multiplie 3 par 4. »."""
    end = text.find("\n", 0, _HEAD)
    for mark in (". ", "! "):
        found = text.find(mark, 0, _HEAD)
        if found > 0 and (end < 0 or found < end) and not text[:found].endswith(_ABBREVIATED):
            end = found
    if end <= 0:
        return None
    head = text[:end].strip()
    if len(WORD.findall(head)) > 1 or "." in head or _NUMBERED.match(head) or not needed.search(head):
        return None
    head = line_text(head)
    if not SUBSTANCE.search(head):
        return None
    later = statements.sentences(readable(text[end + 1 :]))
    return head if later and not _continues(later[-MAX_LINES:], needed) else None


def _continues(later: list[str], needed: re.Pattern[str]) -> bool:
    """Tell whether what follows a bare answer says something of its own, rather than explain."""
    return (
        any((is_bare(one) and needed.search(one)) or (needed is VALUE and "=" in one) for one in later)
        or statements.conclusion(later[-1], needed=needed) != later[-1]
        or any(statements.is_unknown(one) for one in later)
        or any(statements.obey_corrections(" . " + one) != " . " + one for one in later)
    )
