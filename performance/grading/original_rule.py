"""The bac-fr metric that the leaderboard had first, rebuilt from its description, as a baseline.

It is known by what it does: gold and prediction are normalised (lower case, decimal comma to point, braces
and ``\\boxed`` removed, digits spaced, …), and the prediction is right if it starts or ends with the gold,
or does so after its last ``=``. Where the description ends ("…"), markup was chosen so that the errors on
packages/french_answers/tests/data/bac_fr_cases.jsonl come to the known 34 %: these are 92 of 266, 34.6 %.

How it was written is not known, so there are two ways with the same verdicts: plain replacements, the
quickest found and the one to be measured against, and regular expressions, five times as slow.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_REMOVED = ("\\boxed", "{", "}", "$", "*", "\\,")
_DECIMAL_COMMA = re.compile(r",(?<=\d,)(?=\d)")
_ASCII_DIGITS = tuple((digit, f" {digit} ") for digit in "0123456789")

_BOXED = re.compile(r"\\boxed")
_MARKUP = re.compile(r"[{}$*]|\\,")
_COMMA = re.compile(r"(?<=\d),(?=\d)")
_DIGIT = re.compile(r"([0-9])")
_SPACES = re.compile(r"\s+")


def normalize(text: str) -> str:
    """Bring a text to the form that the rule compares, by plain replacements; linear in its length."""
    text = text.lower()
    for removed in _REMOVED:
        text = text.replace(removed, "")
    text = text.replace("\\%", "%")
    if "," in text:
        text = _DECIMAL_COMMA.sub(".", text)
    for digit, spaced in _ASCII_DIGITS:
        text = text.replace(digit, spaced)
    return " ".join(text.split()).strip(" .")


def normalize_by_patterns(text: str) -> str:
    """The same by regular expressions."""
    text = _MARKUP.sub("", _BOXED.sub("", text.lower())).replace("\\%", "%")
    text = _DIGIT.sub(r" \1 ", _COMMA.sub(".", text))
    return _SPACES.sub(" ", text).strip(" .")


def is_right(gold: str, prediction: str, *, normal_form: Callable[[str], str] = normalize) -> bool:
    """Apply the rule."""
    expected, said = normal_form(gold), normal_form(prediction)
    if not said:
        return False
    if said.startswith(expected) or said.endswith(expected):
        return True
    _, equals, last = said.rpartition("=")
    last = last.strip()
    return bool(equals) and (last.startswith(expected) or last.endswith(expected))
