"""Intervals and ranks of the leaderboard's rows, from what each evaluated row counts."""

from __future__ import annotations

import numpy as np
import pytest
from palmares.leaderboard.publishing import contents_of
from palmares.leaderboard.publishing.contents_table import contents_frame
from palmares.leaderboard.publishing.rank_intervals import with_rank_intervals
from palmares.leaderboard.statistics.resampling import task_scores
from palmares.leaderboard.submissions.moderation import ModerationAction

from tests.palmares.leaderboard.publishing.conftest import decided, scores_of

ROWS = 300
TASKS = ("bac-fr", "ifeval-fr", "gpqa-fr")


@pytest.fixture
def leaderboard(settings, make_result):
    """Make the contents of models, each with its share of right rows in every task."""

    def make(shares, *, moderation=None, unknown=()):
        results, rows = [], {}
        for number, (name, share) in enumerate(shares.items()):
            right = np.arange(ROWS) < round(share * ROWS)
            np.random.default_rng(number).shuffle(right)
            value = float(right.mean())
            scores = scores_of(value, value, value, stderr=0.0 if value in {0, 1} else 0.02)
            scores = {task: score | {"n": ROWS} for task, score in scores.items()}
            result = make_result(f"org/{name}", scores=scores, revision=f"{number:040x}")
            results.append(result)
            if name not in unknown:
                rows[result.submission.job_key] = {
                    task: task_scores(dict(zip(map(str, range(ROWS)), right.astype(float), strict=True)))
                    for task in TASKS
                }
        contents = contents_of(results, suite=settings.suite(), moderation=moderation or {})
        return with_rank_intervals(contents, rows, seed=1)

    return make


def test_models_far_apart_have_one_rank_and_near_ones_share_theirs(leaderboard):
    found = leaderboard({"low": 0.3, "near": 0.68, "best": 0.7})

    placed = {
        row.model_id: (row.placing.best, row.placing.worst, row.placing.tie_group) for row in found.rows
    }
    assert placed == {"org/best": (1, 2, 1), "org/near": (1, 2, 1), "org/low": (3, 3, 2)}
    best = found.rows[0]
    assert best.placing.low < best.average < best.placing.high
    assert best.values["bac-fr"].ranks == (1, 2)
    assert best.values["bac-fr"].interval[0] < 0.7 < best.values["bac-fr"].interval[1]


def test_a_model_whose_rows_are_not_known_has_no_interval_and_leaves_its_place_open_for_the_others(
    leaderboard,
):
    found = leaderboard({"low": 0.3, "best": 0.7, "old": 0.5}, unknown={"old"})

    placed = {row.model_id: row.placing and (row.placing.best, row.placing.worst) for row in found.rows}
    assert placed == {"org/best": (1, 2), "org/old": None, "org/low": (2, 3)}


def test_a_flagged_model_is_no_rival(leaderboard):
    found = leaderboard(
        {"best": 0.7, "other": 0.69}, moderation=decided("org/other", ModerationAction.FLAGGED)
    )

    assert [(row.placing.best, row.placing.worst) for row in found.rows if row.placing] == [(1, 1)]


def test_perfect_answers_claim_no_certainty(leaderboard):
    (row,) = leaderboard({"perfect": 1.0}).rows

    assert row.values["bac-fr"].interval == pytest.approx((0.987, 1.0), abs=0.001)
    assert (row.placing.low, row.placing.high) == pytest.approx((0.984, 1.0), abs=0.003)


def test_the_table_holds_intervals_ranks_and_ties(leaderboard):
    frame = contents_frame(leaderboard({"low": 0.3, "best": 0.7}), hub_url="https://hub.example")

    first = frame.iloc[0]
    assert (first["Rank"], first["Rank Best"], first["Rank Worst"], first["Tie Group"]) == (1, 1, 1, 1)
    assert first["Average Low"] < first["Average ⬆️"] < first["Average High"]
    assert first["GPQA-fr Low"] < first["GPQA-fr"] < first["GPQA-fr High"]
    assert (first["GPQA-fr Rank Best"], first["GPQA-fr Rank Worst"]) == (1, 1)
