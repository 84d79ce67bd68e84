"""Rank intervals and tie groups, on made-up leaderboards whose order is known."""

from __future__ import annotations

import numpy as np
import pytest
from palmares.leaderboard.statistics.paired import bootstrap_means
from palmares.leaderboard.statistics.ranks import Rank, ranks


def ranked(benchmarks: list[dict[str, list[float]]], draws: int = 2000) -> dict[str, Rank]:
    """By the plain mean over benchmarks; rows drawn again, the same for all models."""
    names = list(benchmarks[0])
    averages = {name: float(np.mean([np.mean(each[name]) for each in benchmarks])) for name in names}
    sampled = [
        np.mean(
            [bootstrap_means(np.array(each[name]), seed=i, draws=draws) for i, each in enumerate(benchmarks)],
            axis=0,
        )
        for name in names
    ]
    return ranks(averages, np.array(sampled).T)


def answers(abilities: dict[str, float], rows: int = 500, seed: int = 5) -> dict[str, list[float]]:
    draw = np.random.default_rng(seed)
    difficulty = draw.random(rows)
    return {
        name: (draw.random(rows) < np.clip(ability + 0.3 - 0.6 * difficulty, 0, 1)).astype(float).tolist()
        for name, ability in abilities.items()
    }


def test_models_far_apart_have_one_rank_each() -> None:
    found = ranked([answers({"low": 0.2, "high": 0.8, "middle": 0.5})])

    assert list(found) == ["high", "middle", "low"]
    assert [(rank.best, rank.worst, rank.tie_group) for rank in found.values()] == [
        (1, 1, 1), (2, 2, 2), (3, 3, 3),
    ]  # fmt: skip


def test_models_that_the_rows_cannot_separate_share_their_ranks() -> None:
    found = ranked([answers({"a": 0.5, "b": 0.5, "c": 0.5, "far": 0.05})])

    assert {(rank.best, rank.worst) for name, rank in found.items() if name != "far"} == {(1, 3)}
    assert {rank.tie_group for name, rank in found.items() if name != "far"} == {1}
    assert (found["far"].best, found["far"].worst, found["far"].tie_group) == (4, 4, 2)


def test_models_with_the_same_answers_are_never_separated() -> None:
    rows = answers({"a": 0.6})["a"]

    found = ranked([{"a": rows, "twin": list(rows)}])

    assert all((rank.best, rank.worst) == (1, 2) for rank in found.values())


def test_twenty_equal_models_are_hardly_ever_put_in_an_order() -> None:
    wrong = 0
    for seed in range(20):
        found = ranked([answers(dict.fromkeys(map(str, range(20)), 0.5), rows=300, seed=seed)], draws=1000)
        wrong += any(rank.best > 1 for rank in found.values())

    assert wrong <= 4  # of 20, at 5 % each


def test_the_average_is_over_benchmarks_and_not_over_rows() -> None:
    found = ranked([{"a": [1.0] * 10, "b": [0.0] * 10}, {"a": [0.0] * 90, "b": [1.0] * 90}])

    assert found["a"].average == found["b"].average == 0.5


def test_one_model_is_first_and_last() -> None:
    found = ranked([{"alone": [1.0, 0.0]}])

    assert (found["alone"].best, found["alone"].worst, found["alone"].tie_group) == (1, 1, 1)


@pytest.mark.parametrize(
    ("averages", "shape"), [({}, (10, 0)), ({"a": 0.5}, (10, 2)), ({"a": 0.5, "b": 0.4}, (10, 1))]
)
def test_draws_of_other_models_are_refused(averages: dict[str, float], shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="nothing to rank"):
        ranks(averages, np.zeros(shape))
