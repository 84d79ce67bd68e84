"""A heuristic of equivalence of short answers: generous on purpose, and independent of every scorer."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

_MARKS = re.compile(r"\\(?:text|mathrm|mathbf|left|right|displaystyle|[,;:! ])|[$`]")
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]{1,40})\}\s*\{([^{}]{1,40})\}")
_THOUSANDS = re.compile(r"(?<=\d)[ \u00a0\u2009\u202f](?=\d{3}(?!\d))")
_WORD = re.compile(r"[^\W\d_]+")
_VALUE = re.compile(
    r"(?P<sign>[-+]?)\s*(?P<whole>\d{1,40})(?:[.,](?P<part>\d{1,40}))?(?:\s*/\s*(?P<below>\d{1,40}))?\s*(?P<percent>%?)"
)
_STEM = 4
"""Letters of a word that are compared: *vrai* and *vraies* may agree."""
_TRUE = frozenset({"vrai", "vraie", "oui", "true", "exact", "correct", "juste", "v"})
_FALSE = frozenset({"faux", "fausse", "non", "false", "incorrect", "inexact", "f"})
_WORDS = {
    "zero": 0, "nul": 0, "nulle": 0, "aucun": 0, "aucune": 0, "rien": 0, "vide": 0, "un": 1, "une": 1,
    "deux": 2, "trois": 3, "quatre": 4, "cinq": 5, "six": 6, "sept": 7, "huit": 8, "neuf": 9, "dix": 10,
    "onze": 11, "douze": 12, "cent": 100, "mille": 1000,
}  # fmt: skip


def fold(text: str) -> str:
    """One form for case, accents, signs and LaTeX fractions; the meaning stays."""
    text = _FRACTION.sub(r"\1/\2", text[:2000])
    text = _MARKS.sub("", text).replace("\u2212", "-").replace("\u2013", "-")
    decomposed = unicodedata.normalize("NFKD", text)
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    return _THOUSANDS.sub("", plain.replace("\u2044", "/")).casefold().strip(" \t\r\n.;:!")


def value(text: str) -> Fraction | None:
    """The number that a text is, if it is one and nothing else: integer, decimal, fraction, percentage."""
    found = _VALUE.fullmatch(fold(text))
    return None if found is None else _fraction(found)


def integer(text: str) -> bool:
    """Whether a text is a whole number, written in digits only."""
    return re.fullmatch(r"[-\u2212]?\d{1,15}", text.strip()) is not None


def opposite(text: str) -> str | None:
    """The other truth value; None: the text is none."""
    folded = fold(text)
    if folded in _TRUE:
        return "faux"
    return "vrai" if folded in _FALSE else None


def may_agree(text: str, gold: str) -> bool:
    """Whether *text* might be right where *gold* is expected; False is certain, True is not.

    They may agree if they share a word (by its first letters), a number (by value), or both lack either.
    """
    left, right = _parts(fold(text)), _parts(fold(gold))
    return bool(left & right) or not left or not right


def _parts(folded: str) -> set[str | Fraction]:
    parts: set[str | Fraction] = set()
    for word in _WORD.findall(folded):
        if word in _WORDS:
            parts.add(Fraction(_WORDS[word]))
        parts.add("vrai" if word in _TRUE else "faux" if word in _FALSE else word[:_STEM])
    for number in _VALUE.finditer(folded):
        found = _fraction(number)
        if found is not None:
            parts.add(found)
    return parts


def _fraction(match: re.Match[str]) -> Fraction | None:
    whole = Fraction(int(match["whole"]))
    if match["part"]:
        whole += Fraction(int(match["part"]), 10 ** len(match["part"]))
    if match["below"]:
        if not int(match["below"]):
            return None
        whole /= int(match["below"])
    if match["percent"]:
        whole /= 100
    return abs(whole) if match["sign"] != "-" else -abs(whole)
