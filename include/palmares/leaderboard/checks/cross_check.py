"""The cross-check of a scorer: a second, plain extraction of the final answer, and estimates about a text."""

from __future__ import annotations

import re

from palmares.leaderboard.checks.equivalence import opposite, value

_TAIL = 20_000
"""Characters of a generation's end that are looked at."""
_TRACE_END = re.compile(r"</(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_TRACE_START = re.compile(r"<(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\s{0,3}\{([^{}\n]{1,200})\}")
_NUMBER = re.compile(r"(?<![\w.,])[-\u2212]?\d+(?:[.,]\d+)?(?:\s?/\s?\d+)?(?:\s?%)?(?!\w)")
_TRUTH = re.compile(r"\b(?:vraie?|faux|fausse|oui|non)\b", re.IGNORECASE)
_LETTER = re.compile(r"(?<![\w'’])[A-H](?![\w'’])")
_ENDED = re.compile(r"[.!?…»)\]}|`\"*$]\s*\Z")
_WORD = re.compile(r"[^\W\d_]+")
_FRENCH = frozenset({
    "le", "la", "les", "un", "une", "des", "du", "de", "et", "est", "sont", "dans", "pour", "que", "qui",
})  # fmt: skip
_ENGLISH = frozenset({
    "the", "an", "of", "and", "is", "are", "in", "for", "that", "which", "not", "with", "so", "we", "this",
})  # fmt: skip
_FEWEST_WORDS = 12
_SPOKEN = 4_000
"""Characters of a generation's end that tell its language."""


def after_trace(text: str) -> str | None:
    """What follows the reasoning trace; None: the trace never ends."""
    tail = text[-_TAIL:]
    ends = list(_TRACE_END.finditer(tail))
    rest = tail[ends[-1].end() :] if ends else tail
    start = _TRACE_START.search(rest) or (None if ends else _TRACE_START.match(text.lstrip()[:20]))
    return None if start else rest


def second_answer(text: str, gold: str) -> str | None:
    """The last thing of the expected answer's kind: boxed, a number, a truth value, a letter, a line's end.

    Returns:
        None where there is nothing of that kind: then there is nothing to compare.
    """
    rest = after_trace(text)
    if rest is None or not rest.strip():
        return None
    boxed = _BOXED.findall(rest)
    if boxed:
        return str(boxed[-1]).strip() or None
    if opposite(gold) is not None:
        return _last(_TRUTH, rest)
    if re.fullmatch(r"[A-H]", gold.strip()):
        return _last(_LETTER, rest)
    if value(gold) is not None:
        return _last(_NUMBER, rest)
    line = rest.strip().splitlines()[-1]
    return re.split(r"[:=]", line)[-1].strip(" *.$") or None


def looks_cut_off(text: str, max_generated_tokens: int) -> bool:
    """Whether a generation of unknown token count seems to have met its limit.

    An estimate: it has two characters or more for each token that was allowed (French has some four, formulas
    two to three) and does not end as a text ends.
    """
    return (
        max_generated_tokens > 0
        and len(text) >= 2 * max_generated_tokens
        and _ENDED.search(text[-80:]) is None
    )


def is_other_language(text: str) -> bool | None:
    """Whether English words outnumber French ones; None: too few words to tell."""
    words = _WORD.findall(text[-_SPOKEN:].casefold())
    if len(words) < _FEWEST_WORDS:
        return None
    english = sum(word in _ENGLISH for word in words)
    return english > sum(word in _FRENCH for word in words)


def _last(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.findall(text)
    return str(found[-1]) if found else None
