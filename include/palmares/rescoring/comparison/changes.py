"""Compares a model's verdicts before and after: ids of the rows that changed, counts of the rest."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictChanges:
    """One model's rows of one task, under the old scorer and the new one."""

    model: str
    task: str
    """Short name."""
    rows: int
    unknown_before: int
    """Rows without an old verdict; they are in no paired figure."""
    right_before: int
    """Of the rows with an old verdict."""
    right_after: int
    """Of all rows."""
    to_right: tuple[str, ...]
    """Ids of the rows that were wrong and are right, in the file's order."""
    to_wrong: tuple[str, ...]

    @property
    def pairs(self) -> int:
        """Rows with both verdicts."""
        return self.rows - self.unknown_before

    @property
    def changed(self) -> int:
        return len(self.to_right) + len(self.to_wrong)

    @property
    def shift(self) -> float | None:
        """Change of the share of right rows, over the pairs; None: there are none."""
        return (len(self.to_right) - len(self.to_wrong)) / self.pairs if self.pairs else None

    @property
    def shift_stderr(self) -> float | None:
        """Standard error of *shift*, with each row paired with itself; None below two pairs.

        A row moves by +1, 0 or -1, so that the sum of squares is the number of changed rows.
        """
        if self.pairs < 2 or self.shift is None:
            return None
        spread = self.changed - self.pairs * self.shift**2
        return math.sqrt(max(0.0, spread) / (self.pairs - 1) / self.pairs)


def compare(model: str, task: str, rows: Iterable[tuple[str, bool | None, bool]]) -> VerdictChanges:
    """Count what changed, one row at a time.

    Args:
        model: Its name, as the report shall show it.
        task: Short name.
        rows: Row id, verdict before (None: not known), verdict after.
    """
    total = unknown = right_before = right_after = 0
    to_right: list[str] = []
    to_wrong: list[str] = []
    for row_id, before, after in rows:
        total += 1
        right_after += after
        if before is None:
            unknown += 1
            continue
        right_before += before
        if before != after:
            (to_right if after else to_wrong).append(row_id)
    return VerdictChanges(
        model=model,
        task=task,
        rows=total,
        unknown_before=unknown,
        right_before=right_before,
        right_after=right_after,
        to_right=tuple(to_right),
        to_wrong=tuple(to_wrong),
    )
