"""French text as IFEval's checkers count it: words and sentences, without any downloaded model."""

from __future__ import annotations

import re

_WORD = re.compile(r"aujourd['’]hui|\w+(?:-\w+)*", re.IGNORECASE)
_END = re.compile(r"(?:[.!?]+|…)[\"»”)\]’]*(?=\s|$)|\n+")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(«])(?:M|MM|Mme|Mlle|Dr|Pr|St|Ste|Me|cf|etc|env|p|pp|art|chap|fig|vol|no|n°|av|bd|apr|J|[A-ZÀ-Ý])\.$"
)


def words(text: str) -> list[str]:
    """Split into words: an elision is two ("l'eau": l, eau), a compound is one ("arc-en-ciel")."""
    return _WORD.findall(text)


def sentences(text: str) -> list[str]:
    """Split into sentences: at final punctuation before a blank, and at line ends.

    Abbreviations ("M.", "Dr.", initials) do not end a sentence; "etc." does only at the end of its line.
    """
    found = []
    start = 0
    for end in _END.finditer(text):
        candidate = text[start : end.end()].strip()
        if not end[0].startswith("\n") and _ABBREVIATION.search(candidate) and text[end.end() :].strip():
            continue
        if words(candidate):
            found.append(candidate)
        start = end.end()
    rest = text[start:].strip()
    return [*found, rest] if words(rest) else found
