"""Answers with known verdicts, in the families of the labelled cases and in their proportions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from performance.grading.families_notation import NOTATION_FAMILIES
from performance.grading.families_text import TEXT_FAMILIES
from performance.grading.forms import Forms

FAMILIES: dict[str, tuple[Callable[[Random], Forms], int, int]] = NOTATION_FAMILIES | TEXT_FAMILIES
"""Name → (maker, right cases, wrong cases): the counts are the case file's, and set the mix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalAnswer:
    """The end of a generation, with what it should be graded as."""

    family: str
    instruction: str | None
    gold: str
    text: str
    correct: bool


_CHOICES = [
    (name, correct)
    for name, (_, right, wrong) in FAMILIES.items()
    for correct, count in ((True, right), (False, wrong))
    for _ in range(count)
]


def draw_answer(random: Random) -> FinalAnswer:
    """Draw a family and a verdict by their share, then values and a notation."""
    family, correct = _CHOICES[int(random.random() * len(_CHOICES))]
    return draw_from(random, family, correct=correct)


def draw_from(random: Random, family: str, *, correct: bool) -> FinalAnswer:
    """Draw values and a notation."""
    forms = FAMILIES[family][0](random)
    texts = forms.right if correct else forms.wrong
    text = texts[int(random.random() * len(texts))]
    return FinalAnswer(
        family=family, instruction=forms.instruction, gold=forms.gold, text=text, correct=correct
    )
