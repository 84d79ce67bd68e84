"""Seconds that ranks of a large leaderboard take, and how often intervals hold the truth of simulated ones.

    OPENBLAS_NUM_THREADS=1 python -m performance.rank_intervals --models 5000 --rows 2000
    python -m performance.rank_intervals --leaderboards 1000

A simulated model answers a row right with the probability 1 / (1 + exp(difficulty - ability)). Its true score
is the mean over all difficulties, so it is known which interval holds it and what its true rank is.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Mapping, Sequence

import numpy as np
from palmares.leaderboard.settings import DEFAULT_CONFIG_DIR, load_settings
from palmares.leaderboard.statistics.ranks import Rank, ranks
from palmares.leaderboard.statistics.resampling import TaskScores, draw
from palmares.leaderboard.suites import Suite

Leaderboard = list[dict[str, TaskScores]]
SPREAD = 1.0
"""Standard deviation of the difficulties."""


def simulate(suite: Suite, abilities: np.ndarray, rows: int, random: np.random.Generator) -> Leaderboard:
    """Answers of all models to the same rows, drawn anew."""
    models: Leaderboard = [{} for _ in abilities]
    for task in suite.tasks:
        difficulty = random.normal(scale=SPREAD, size=rows)
        chance = 1 / (1 + np.exp(difficulty[None, :] - abilities[:, None]))
        right = (random.random(chance.shape) < chance).astype(np.float32)
        for place, model in enumerate(models):
            model[task.name] = TaskScores(rows="0" * 64, scores=right[place])
    return models


def placed(models: Leaderboard, suite: Suite, *, draws: int, by_columns: bool = False) -> dict[str, Rank]:
    """Ranks by the suite's average; *by_columns*: and by each column before, as the leaderboard does it."""
    sampled = draw(models, suite, draws=draws)
    measured = [{name: one.mean for name, one in model.items()} for model in models]
    for column in suite.columns if by_columns else ():
        ranks({str(i): one[column.name] for i, one in enumerate(measured)}, sampled.columns[column.name])
    return ranks(_averages(suite, measured), sampled.average)


def _averages(suite: Suite, measured: Sequence[Mapping[str, float]]) -> dict[str, float]:
    found = {}
    for place, values in enumerate(measured):
        average = suite.average({name: {"value": value, "n": 1} for name, value in values.items()})
        assert average is not None
        found[str(place)] = average
    return found


def speed(suite: Suite, *, models: int, rows: int) -> dict[str, object]:
    """Processor seconds and memory of one ranking; *rows* are of all tasks together."""
    random = np.random.default_rng(1)
    made = simulate(suite, random.uniform(-2, 2, models), rows // len(suite.tasks), random)
    began = time.process_time()
    found = placed(made, suite, draws=10_000, by_columns=True)
    taken = time.process_time() - began
    widths = [rank.worst - rank.best for rank in found.values()]
    return {
        "models": models,
        "rows": rows,
        "draws": 10_000,
        "processor_s": round(taken, 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "median_width_of_a_rank": float(np.median(widths)),
    }


def coverage(suite: Suite, *, leaderboards: int, models: int, rows: int) -> dict[str, object]:
    """How often the true average and the true rank are within their intervals; *rows* are of each task."""
    random = np.random.default_rng(2)
    difficulty = random.normal(scale=SPREAD, size=400_000)
    abilities = np.repeat(np.linspace(-0.5, 1.5, models // 2), 2)  # each has an equal
    true = [float((1 / (1 + np.exp(difficulty - ability))).mean()) for ability in abilities]
    truth = _averages(suite, [dict.fromkeys((task.name for task in suite.tasks), value) for value in true])
    within = held = all_held = told_apart = equal_pairs = 0
    for _ in range(leaderboards):
        found = placed(simulate(suite, abilities, rows, random), suite, draws=2000)
        right = []
        for name, rank in found.items():
            within += rank.low <= truth[name] <= rank.high
            better = sum(value > truth[name] for value in truth.values())
            worse = sum(value < truth[name] for value in truth.values())
            # A model that ties with others truly holds each of their ranks.
            right.append(rank.best <= 1 + better and rank.worst >= models - worse)
        held += sum(right)
        all_held += all(right)
        for one in found:
            for other in found:
                if one < other and truth[one] == truth[other]:
                    equal_pairs += 1
                    told_apart += found[one].worst < found[other].best or found[other].worst < found[one].best
    total = leaderboards * models
    return {
        "leaderboards": leaderboards,
        "models": models,
        "rows_of_a_task": rows,
        "average_within_its_interval": round(within / total, 4),
        "rank_within_its_interval": round(held / total, 4),
        "leaderboards_with_all_ranks_within": round(all_held / leaderboards, 4),
        "equal_pairs_told_apart": round(told_apart / equal_pairs, 5),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=5000, help="of the speed's leaderboard")
    parser.add_argument("--rows", type=int, default=2000, help="of all its tasks together")
    parser.add_argument("--leaderboards", type=int, help="measure coverage on so many instead")
    given = parser.parse_args()
    chosen = load_settings(DEFAULT_CONFIG_DIR).suite()
    if given.leaderboards:
        report = coverage(chosen, leaderboards=given.leaderboards, models=20, rows=300)
    else:
        report = speed(chosen, models=given.models, rows=given.rows)
    print(json.dumps(report, indent=2))
