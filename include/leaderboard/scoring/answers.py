"""Finds the final answer in what a model wrote."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_CHARACTERS = 8000
"""Of a generation's end that is read; the final answer is there."""
MAX_ANSWER = 400

_REASONING_END = re.compile(r"</(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_REASONING_START = re.compile(r"<(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_ANNOUNCED = re.compile(
    r"(?:r[ée]ponses?|r[ée]sultats?|solutions?)(?:[ ]+(?:finale|correcte|exacte|juste|attendue)s?)?[ ]*"
    r"(?P<verb>n['’]est[ ]pas|n['’]est|est|sont|vaut|=|:)[ ]*(?:donc[ ]|alors[ ]|:[ ]*)?(?P<answer>[^\n]*)",
    re.IGNORECASE,
)
_CORRECTED = re.compile(r"\bpas\b[^\n]{0,80}?\bmais\b[ ]*(?P<answer>[^\n]*)", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?]+(?=\s|$)")
_EXPLANATION = re.compile(
    r",?\s+(?:car|puisque|parce que?|en effet|c'est-à-dire)\b.*", re.IGNORECASE | re.DOTALL
)
_MARKUP = re.compile(r"\*\*|__|`|^#+\s*|^[-•>]\s+(?=\D)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A candidate for the final answer."""

    text: str
    """One statement, markup taken off."""
    line: str
    """The whole line that it stands on: ``B. 3π`` is two sentences, and its letter is the first."""
    method: str


def without_reasoning(text: str) -> str | None:
    """Take a reasoning trace off; None if it never ends: then there is no answer."""
    ends = list(_REASONING_END.finditer(text))
    rest = text[ends[-1].end() :] if ends else text
    return None if _REASONING_START.search(rest) else rest


def final_answer(prediction: str) -> Answer | None:
    """Find the final answer: boxed, announced (``la réponse est …``), else the last sentence.

    A conclusion beats every earlier number; the last of several counts. Linear in the text's length.

    Returns:
        None for an empty text or an unfinished reasoning trace.
    """
    rest = without_reasoning(prediction)
    if rest is None:
        return None
    rest = rest[-MAX_CHARACTERS:].replace("\0", "")
    boxed = _last_boxed(rest)
    if boxed is not None:
        return Answer(text=boxed, line=boxed, method="boxed") if boxed.strip() else None
    announced = next(reversed(list(_ANNOUNCED.finditer(rest))), None)
    if announced is not None and _substance(announced["answer"]):
        if announced["verb"].casefold().startswith("n"):
            corrected = _CORRECTED.search(announced.group())
            if corrected is None:
                return None
            return _answer(corrected["answer"], "corrected")
        return _answer(announced["answer"], "announced")
    lines = [line for line in rest.splitlines() if _substance(line)]
    return _answer(lines[-1], "last_line") if lines else None


def _answer(line: str, method: str) -> Answer | None:
    line = _MARKUP.sub("", line).strip()[-MAX_ANSWER:]
    head = _EXPLANATION.sub("", line, count=1)
    sentences = [part.strip() for part in _SENTENCE_END.split(head) if _substance(part)]
    if not sentences:
        return None
    # What is announced comes first, what is concluded comes last.
    text = sentences[-1] if method == "last_line" else sentences[0]
    return Answer(text=text.rstrip(" .,;:!"), line=head, method=method)


def _substance(text: str) -> bool:
    return any(character.isalnum() or character in "∞½¼¾⅓⅔π∅" for character in text)


def _last_boxed(text: str) -> str | None:
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth = 0
    opening = start + len("\\boxed")
    for position in range(opening, min(len(text), opening + MAX_ANSWER)):
        if text[position] == "{":
            depth += 1
        elif text[position] == "}":
            depth -= 1
            if depth == 0:
                return text[opening + 1 : position]
    return None
