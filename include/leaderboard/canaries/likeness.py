"""Whether two short answers might mean the same: generous on purpose, and independent of every scorer."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

_MARKS = re.compile(r"\\(?:text|mathrm|mathbf|left|right|displaystyle|[,;:! ])|[$`]")
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]{1,40})\}\s*\{([^{}]{1,40})\}")
_THOUSANDS = re.compile(r"(?<=\d)[ \u00a0\u2009\u202f](?=\d{3}(?!\d))")
_TOKEN = re.compile(r"\d+(?:[.,]\d+)?|[^\W\d_]+")
_VALUE = re.compile(
    r"(?P<sign>[-+]?)\s*(?P<whole>\d{1,40})(?:[.,](?P<part>\d{1,40}))?(?:\s*/\s*(?P<below>\d{1,40}))?\s*(?P<percent>%?)"
)
_STEM = 4
"""Letters of a word that are compared: *vrai* and *vraies* may agree."""
_SAME = (
    {"vrai", "oui", "true", "exact", "correct", "juste", "v"},
    {"faux", "fausse", "non", "false", "incorrect", "inexact", "f"},
    {"0", "zero", "nul", "nulle", "aucun", "aucune", "rien", "vide", "∅"},
    {"1", "un", "une", "premier", "premiere"},
    {"2", "deux"}, {"3", "trois"}, {"4", "quatre"}, {"5", "cinq"}, {"6", "six"}, {"7", "sept"}, {"8", "huit"},
    {"9", "neuf"}, {"10", "dix"}, {"11", "onze"}, {"12", "douze"}, {"100", "cent"}, {"1000", "mille"},
)  # fmt: skip
_MEANS = {word: str(number) for number, words in enumerate(_SAME) for word in words}


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
    if folded in _SAME[0]:
        return "faux"
    return "vrai" if folded in _SAME[1] else None


def may_agree(text: str, gold: str) -> bool:
    """Whether *text* might be right where *gold* is expected; False is certain, True is not.

    They may agree if they share a word (by its first letters), a number (by value), or both lack either.
    """
    left, right = _parts(fold(text)), _parts(fold(gold))
    return bool(left & right) or not left or not right


def _parts(folded: str) -> set[str | Fraction]:
    words = [token[:_STEM] if token not in _MEANS else token for token in _TOKEN.findall(folded)]
    parts: set[str | Fraction] = {word for word in words if not word[0].isdigit()}
    parts |= {f"={_MEANS[word]}" for word in words if word in _MEANS}
    parts |= {found for match in _VALUE.finditer(folded) if (found := _fraction(match)) is not None}
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
