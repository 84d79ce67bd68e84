"""Places on the leaderboard before and after, and who moved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from palmares.leaderboard.publishing.ranking import rank


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One model's places; the leaderboard's own dense ranks, in which equals share one."""

    model: str
    before: int | None
    """None: not ranked, since a score is missing before or after."""
    after: int | None
    average_before: float | None
    """What the rank is by, as a fraction."""
    average_after: float | None

    @property
    def up(self) -> int | None:
        """Places won, negative if lost; None if not ranked."""
        if self.before is None or self.after is None:
            return None
        return self.before - self.after


def moves(
    before: Mapping[str, float], after: Mapping[str, float], *, unranked: Iterable[str] = ()
) -> tuple[Move, ...]:
    """Rank models twice, those that can be ranked both times: a newcomer's place is no move of the others.

    Args:
        before: What models were ranked by, as a fraction; a model that is missing was not ranked.
        after: The same, now.
        unranked: Models that shall be listed all the same.

    Returns:
        All models of any, in the order of today's ranks; the unranked ones last.
    """
    both = before.keys() & after.keys()
    models = [{"model": model} for model in {**before, **after, **dict.fromkeys(unranked)}]

    def value(averages: Mapping[str, float], model: str) -> float | None:
        return averages[model] if model in both else None

    old = {row["model"]: row["rank"] for row in rank(models, average=lambda row: value(before, row["model"]))}
    return tuple(
        Move(
            model=row["model"],
            before=old[row["model"]],
            after=row["rank"],
            average_before=before.get(row["model"]),
            average_after=after.get(row["model"]),
        )
        for row in rank(models, average=lambda row: value(after, row["model"]))
    )


def agreement(moved: tuple[Move, ...]) -> float | None:
    """Kendall's tau-b of the two orders, which minds ties: 1 is the same order, -1 the reverse.

    Returns:
        None with fewer than two models ranked both times, or when all are tied.
    """
    from scipy.stats import kendalltau  # type: ignore[import-untyped]

    both = [(move.before, move.after) for move in moved if move.up is not None]
    if len(both) < 2 or any(len({pair[side] for pair in both}) < 2 for side in (0, 1)):
        return None
    return float(kendalltau([pair[0] for pair in both], [pair[1] for pair in both]).statistic)
