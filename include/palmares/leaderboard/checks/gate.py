"""Refuses numbers when a sanity baseline or a response statistic is beyond its limit, with the evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from palmares.leaderboard.checks.rates import Rate
from palmares.leaderboard.errors import GateError


def refuse_breaches(rates: Mapping[str, Sequence[Rate]], scorers: Mapping[str, str]) -> None:
    """Let a model's numbers pass if every rate of every task is within its limit.

    Args:
        rates: By short task name.
        scorers: Name and version of each task's scorer.

    Raises:
        GateError: One is not; all that are not are named, with counts, limits and up to five row ids each.
    """
    sentences = [
        sentence for task, of_task in rates.items() for sentence in _sentences(task, of_task, scorers[task])
    ]
    if sentences:
        raise GateError(" ".join(sentences))


def _sentences(task: str, rates: Sequence[Rate], scorer: str) -> Iterator[str]:
    breaches = {
        side: "; ".join(rate.sentence for rate in rates if rate.breached and rate.of == side)
        for side in ("scorer", "answers")
    }
    if breaches["scorer"]:
        # What a broken scorer makes of the answers is no evidence against the model.
        yield (
            f"{task}: scorer {scorer} fails its sanity baselines: {breaches['scorer']}. "
            "Correct the scorer or the data set, then re-score; nothing needs to run again."
        )
    elif breaches["answers"]:
        yield (
            f"{task}: the model's answers look wrong: {breaches['answers']}. Look at these rows in "
            "the private details. If the job is at fault (chat template, token limit), correct it and "
            "evaluate again; "
            f"if the answers are the model's own, raise the limit under {task}'s sanity_baselines.answers in "
            "leaderboard.yaml, and unpark the model."
        )
