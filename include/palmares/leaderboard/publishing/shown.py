"""A score as readers see it: one value, error and rule for the card, the terminal and every command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from palmares.benchmarks.statistics import normalize, wilson_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownScore:
    """Fractions, rescaled so that guessing is 0."""

    shown: float
    shown_stderr: float | None
    """Where guessing was cut off at 0, of the value before the cut. None: not known, or 0: a standard error
    of 0 claims certainty, which no sample has."""
    interval: tuple[float, float] | None
    """Wilson's, 95 %, where there is no standard error; None: the number of rows is not known either."""

    @classmethod
    def of(cls, value: float, stderr: float | None, *, rows: int | None, baseline: float) -> Self:
        """Rescale a measured value.

        Args:
            value: Fraction, as measured.
            stderr: Its standard error.
            rows: Rows that it is of.
            baseline: What guessing scores.
        """
        interval = None
        if not stderr and rows:
            low, high = wilson_interval(value, rows)
            interval = normalize(low, baseline=baseline), normalize(high, baseline=baseline)
        return cls(
            shown=normalize(value, baseline=baseline),
            shown_stderr=stderr / (1 - baseline) if stderr else None,
            interval=interval,
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"interval": None if self.interval is None else list(self.interval)}


def rule_of(baselines: Mapping[str, float], *, is_weighted: bool = False) -> list[str]:
    """The rule of the shown numbers, a sentence each.

    Args:
        baselines: What guessing scores, by the column's title.
        is_weighted: Some columns count more than others.
    """
    rescaled = ", ".join(
        f"{title} ({100 * baseline:g} %)" for title, baseline in baselines.items() if baseline
    )
    mean = "weighted" if is_weighted else "plain"
    lines = [f"Per cent ± one standard error. The average is the {mean} mean of the columns."]
    if rescaled:
        lines.append(f"Rescaled so that guessing counts as 0: {rescaled}.")
    return lines
