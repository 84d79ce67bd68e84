"""Replaces French number words: cardinals, fractions, millions and dozens."""

from __future__ import annotations

import re

from french_answers.values.units import fold

_NUMBERS = {
    word: value
    for value, word in enumerate(
        (
            "zero", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze",
            "douze",
            "treize", "quatorze", "quinze", "seize",
        )
    )
} | {
    "une": 1, "vingt": 20, "vingts": 20, "trente": 30, "quarante": 40, "cinquante": 50, "soixante": 60,
    "septante": 70, "huitante": 80, "octante": 80, "nonante": 90,
}  # fmt: skip
_SCALES = {
    "dizaine": 10, "dizaines": 10, "douzaine": 12, "douzaines": 12, "centaine": 100, "centaines": 100,
    "mille": 10**3, "millier": 10**3, "milliers": 10**3, "million": 10**6, "millions": 10**6,
    "milliard": 10**9, "milliards": 10**9, "billion": 10**12, "billions": 10**12,
}  # fmt: skip
_HUNDREDS = {"cent": 100, "cents": 100}
_PARTS = {
    "demi": 2, "demie": 2, "moitie": 2, "tiers": 3, "quart": 4, "quarts": 4, "cinquieme": 5, "sixieme": 6,
    "septieme": 7, "huitieme": 8, "neuvieme": 9, "dixieme": 10, "onzieme": 11, "douzieme": 12,
    "quinzieme": 15,
    "seizieme": 16, "vingtieme": 20, "trentieme": 30, "centieme": 100, "millieme": 1000,
}  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+")
WORDS = re.compile(
    r"(?<![\\A-Za-z])(?!(?:sin|cos|tan|exp|sqrt|log|lim)\b)(?:[^\W\d_]{3}|(?:un|pi|de|du|on|au|ni)\b)",
    re.IGNORECASE,
)
"""Whether a text may hold words of the language at all, and not only symbols."""


def number_words(text: str) -> str:
    """Replace runs of number words; ``un`` alone stays an article, unless nothing else is there."""
    if not WORDS.search(text):
        return text
    result: list[str] = []
    position = 0
    run: list[re.Match[str]] = []
    for match in _WORD.finditer(text):
        word = fold(match.group())
        known = word in _NUMBERS or word in _HUNDREDS or word in _SCALES or word in _PARTS or _ordinal(word)
        if run:
            between = text[run[-1].end() : match.start()]
            joins = between in {" ", "-"} and (known or (word == "et" and between in {" ", "-"}))
            if joins:
                run.append(match)
                continue
            position = _finish(text, run, result, position)
            run = []
        if known:
            run = [match]
    if run:
        position = _finish(text, run, result, position)
    result.append(text[position:])
    return "".join(result)


def _ordinal(word: str) -> bool:
    return word in _PARTS or word.rstrip("s") in _PARTS


def _finish(text: str, run: list[re.Match[str]], result: list[str], position: int) -> int:
    while run and fold(run[-1].group()) == "et":
        run = run[:-1]
    words = [fold(match.group()) for match in run]
    before = text[: run[0].start()].rstrip()
    digits = re.search(r"\d+(?:[.,]\d+)?$", before)
    start, end = run[0].start(), run[-1].end()
    value = None
    if digits and len(words) == 1 and (words[0] in _SCALES or _ordinal(words[0])):
        value = _scaled(words[0])
    elif (not digits and words in (["un"], ["une"]) and (start, end) != (0, len(text))) or (
        not digits and len(words) == 1 and _ordinal(words[0]) and words[0] not in {"demi", "moitie"}
    ):
        value = None
    elif not digits:
        value = _spelled(words)
    if value is None:
        return position
    if text[end : end + 1] == "^":
        value = f"({value})"
    result.append(text[position:start] + value)
    rest = text[end:]
    scaled_noun = re.match(r"\s+d(?:e\s+|')(?=[^\W\d_])", rest)
    if scaled_noun and (words[-1] in _SCALES):
        result.append(" ")
        return end + scaled_noun.end()
    return end


def _scaled(word: str) -> str:
    if word in _SCALES:
        return f"*{_SCALES[word]}"
    return f"/{_PARTS.get(word) or _PARTS[word.rstrip('s')]}"


_COLLECTIVES = [[word] for word in ("dizaine", "dizaines", "douzaine", "douzaines", "centaine", "centaines")]


def _spelled(words: list[str]) -> str | None:
    """Read ``quatre-vingt-dix-sept``, ``trois cent mille``, ``cinq sixièmes``; None if it makes no number."""
    part = None
    if _ordinal(words[-1]):
        part = _PARTS.get(words[-1]) or _PARTS[words[-1].rstrip("s")]
        words = words[:-1]
        if words[-1:] == ["et"]:
            return None
    total = current = 0
    last = 10**18
    for word in words:
        if word == "et":
            continue
        if word in _NUMBERS:
            value = _NUMBERS[word]
            if value == 20 and current % 100 == 4:
                current += 76
            elif (
                (value and current % 10 and current % 100 not in (60, 80))
                or (value >= 20 and current % 100)
                or (current % 100 >= 20 and value >= 20)
            ):
                return None
            else:
                current += value
        elif word in _HUNDREDS:
            if current > 9:
                return None
            current = max(current, 1) * 100
        elif word in _SCALES:
            if _SCALES[word] >= last:
                return None
            last = _SCALES[word]
            total, current = total + max(current, 1) * last, 0
        else:
            return None
    value = total + current
    if part is None:
        return str(value)
    return f"{value or 1}/{part}"
