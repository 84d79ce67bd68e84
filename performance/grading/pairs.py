"""A stream of unique (gold, prediction) pairs with known verdicts, as long as wanted."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from performance.grading.families import FinalAnswer, draw_answer, draw_from
from performance.grading.texts import with_trace, working

SHORTEST, LONGEST = 5, 4_000
"""Characters of a prediction."""
TRACE_SHARE = 0.2
_TRACE_NEEDS = 60
_SENTENCES = 160
"""Room left for whole sentences and tags beyond what was drawn."""
_COMPLETE = frozenset({"empty", "think"})
"""A blank text stays blank, and one with a trace of its own gets nothing before it."""
_CLASSES = (20, 100, 500, 2_000, LONGEST)
LENGTH_CLASSES = tuple(
    f"{low}-{high}" for low, high in zip((SHORTEST, *(edge + 1 for edge in _CLASSES)), _CLASSES, strict=False)
)


@dataclass(frozen=True, slots=True)
class Pair:
    """One row to grade."""

    family: str
    instruction: str | None
    gold: str
    prediction: str
    correct: bool


def length_class(prediction: str) -> int:
    """Index into :data:`LENGTH_CLASSES`."""
    length = len(prediction)
    return next(index for index, edge in enumerate(_CLASSES) if length <= edge)


def unique_pairs(count: int, *, seed: int, part: int = 0, parts: int = 1) -> Iterator[Pair]:
    """Draw *count* pairs, none twice; other *parts* of the same whole share none with this one.

    The family and the verdict are drawn first, by the case file's shares; then the length, log-uniform.
    What was there before is drawn anew, longer, in the same family: so the mix holds, and families with few
    short texts have longer ones.
    """
    random = Random(f"{seed}/{part}/{parts}")  # a str: seeded by its SHA-512, the same everywhere
    seen: set[int] = set()
    for _ in range(count):
        answer = draw_answer(random)
        longer = 1.0
        while True:
            pair = _pair(random, answer, longer)
            if zlib.crc32(pair.prediction.encode()) % parts == part:
                key = hash((pair.gold, pair.prediction))
                if key not in seen:
                    break
                longer = min(longer * 1.5, 40.0)
            answer = draw_from(random, answer.family, correct=answer.correct)
        seen.add(key)
        yield pair


def _pair(random: Random, answer: FinalAnswer, longer: float) -> Pair:
    target = SHORTEST * math.exp(random.random() * math.log(LONGEST / SHORTEST))
    target = min(target * longer, LONGEST - _SENTENCES)
    text, correct = answer.text, answer.correct
    room = int(target) - len(text)
    has_trace = random.random() < TRACE_SHARE and answer.family != "think"
    if has_trace:
        if answer.family != "empty" and room > 2 * _TRACE_NEEDS:
            text = f"{working(random, characters=room // 3)}\n\n{text}"
        text, ended = with_trace(random, text, answer.gold, characters=max(room // 2, _TRACE_NEEDS))
        correct = correct and ended
    elif answer.family not in _COMPLETE and room > 30:
        text = f"{working(random, characters=room - 2)}\n\n{text}"
    if len(text) < SHORTEST:
        text = f"Réponse : {text}"
    return Pair(answer.family, answer.instruction, answer.gold, text, correct)
