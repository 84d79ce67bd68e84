"""The bac-fr metric that the leaderboard had first, rebuilt from its description, as a baseline.

It is known by what it does: gold and prediction are normalised (lower case, decimal comma to point, braces and
``\\boxed`` removed, digits spaced, …), and the prediction is right if it starts or ends with the gold, or does
so after its last ``=``. Where the description ends ("…"), markup was chosen so that the errors on
tests/data/bac_fr_cases.jsonl come to the known 34 %: these are 92 of 266, 34.6 %.
"""

from __future__ import annotations

import re

_BOXED = re.compile(r"\\boxed\s*")
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
_DIGIT = re.compile(r"(\d)")
_SPACES = re.compile(r"\s+")
_DROPPED = str.maketrans(dict.fromkeys("{}$*"))


def normalize(text: str) -> str:
    """Bring a text to the form that the rule compares; linear in its length."""
    text = _BOXED.sub("", text.lower()).translate(_DROPPED)
    text = text.replace("\\,", "").replace("\\%", "%")
    text = _DECIMAL_COMMA.sub(".", text)
    text = _DIGIT.sub(r" \1 ", text)
    return _SPACES.sub(" ", text).strip(" .")


def is_right(gold: str, prediction: str) -> bool:
    """Apply the rule."""
    expected, said = normalize(gold), normalize(prediction)
    if not said:
        return False
    if said.startswith(expected) or said.endswith(expected):
        return True
    head, equals, last = said.rpartition("=")
    last = last.strip()
    return bool(equals) and (last.startswith(expected) or last.endswith(expected))
