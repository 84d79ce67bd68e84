"""Averages ifeval-fr: the mean of the strict accuracies at the prompt's and at the instruction's level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from palmares.benchmarks import statistics
from palmares.benchmarks.errors import RowError
from palmares.benchmarks.scorer import Average, DetailsRow, Grade, hash_sources
from palmares.benchmarks.statistics import mean, ratio_influences, standard_error

_SOURCES = hash_sources(Path(__file__), Path(str(statistics.__file__)))
"""Taken when the module is loaded: a process may outlive the files that it was loaded from."""
PROMPT_LEVEL = "prompt_level_strict_acc"
INSTRUCTION_LEVEL = "inst_level_strict_acc"


class IfevalFrScorer:
    """Takes the checkers' verdicts that the details hold; the checkers do not run again."""

    name = "ifeval-fr"
    version = "1"

    @property
    def code_hash(self) -> str:
        """Of this module and of the statistics that it averages with."""
        return _SOURCES

    def grade(self, row: DetailsRow) -> Grade:
        """A row is right if it follows all of its instructions.

        Raises:
            RowError: The row has no verdicts of the checkers.
        """
        followed = instructions_followed(row)
        right = sum(followed)
        return Grade(
            correct=bool(prompt_followed(row)),
            extracted=None,
            method="instructions",
            reason=f"{right:g} of {len(followed)} instructions followed.",
        )

    def average(self, rows: Sequence[DetailsRow]) -> Average:
        """Average both levels over *rows*.

        At the instructions' level each instruction counts once, so that the accuracy is a ratio of sums; its
        error, and that of the mean of both, come from each row's pull (``statistics.ratio_influences``).

        Raises:
            RowError: There are no rows, or one has no verdicts of the checkers.
        """
        if not rows:
            raise RowError("ifeval-fr: the details hold no rows. Evaluate again.")
        prompts = ratio_influences([[prompt_followed(row)] for row in rows])
        instructions = ratio_influences([instructions_followed(row) for row in rows])
        pulls = [mean(pair) for pair in zip(prompts, instructions, strict=True)]
        return Average(
            value=min(1.0, max(0.0, mean(pulls))),  # Rounding alone can leave [0, 1].
            stderr=standard_error(pulls),
            parts={PROMPT_LEVEL: mean(prompts), INSTRUCTION_LEVEL: mean(instructions)},
            n=len(rows),
        )


def prompt_followed(row: DetailsRow) -> float:
    """Whether all instructions were followed, as 0 or 1.

    Raises:
        RowError: The row does not say.
    """
    value = row.metrics.get(PROMPT_LEVEL)
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    return _fraction(row, PROMPT_LEVEL, value)


def instructions_followed(row: DetailsRow) -> list[float]:
    """One 0 or 1 for each instruction of the row; at least one.

    Raises:
        RowError: The row does not say.
    """
    value = row.metrics.get(INSTRUCTION_LEVEL)
    values = list(value) if isinstance(value, list | tuple) else [value]
    if not values:
        raise _missing(row, INSTRUCTION_LEVEL)
    return [_fraction(row, INSTRUCTION_LEVEL, one) for one in values]


def _fraction(row: DetailsRow, metric: str, value: object) -> float:
    if not isinstance(value, bool | int | float) or not math.isfinite(value) or not 0 <= value <= 1:
        raise _missing(row, metric)
    return float(value)


def _missing(row: DetailsRow, metric: str) -> RowError:
    return RowError(
        f"ifeval-fr: row {row.row_id} has no {metric} between 0 and 1, its metrics are "
        f"{sorted(row.metrics)}. Restore the details, or evaluate again."
    )
