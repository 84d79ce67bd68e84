"""The leaderboard's rows: every published model once, ranked, as people's decisions say."""

from __future__ import annotations

import math
import random

import pytest
from palmares.leaderboard.publishing import contents_of
from palmares.leaderboard.publishing.contents import model_link
from palmares.leaderboard.submissions.about import AboutModel
from palmares.leaderboard.submissions.moderation import ModerationAction

from tests.palmares.leaderboard.publishing.conftest import decided, scores_of


@pytest.fixture
def contents(settings):
    def make(*results, moderation=None):
        return contents_of(results, suite=settings.suite(), moderation=moderation or {})

    return make


def test_a_benchmark_with_a_baseline_is_shown_rescaled_and_the_average_is_of_what_is_shown(
    contents, make_result
):
    (row,) = contents(make_result(scores=scores_of(0.6, 0.5, 0.4))).rows

    assert row.values["gpqa-fr"].raw == 0.4
    assert row.values["gpqa-fr"].shown == pytest.approx((0.4 - 0.25) / 0.75)
    assert row.values["gpqa-fr"].stderr == pytest.approx(0.02 / 0.75)
    assert row.values["bac-fr"].shown == row.values["bac-fr"].raw == 0.6
    assert row.average == pytest.approx((0.6 + 0.5 + 0.2) / 3)


def test_below_guessing_is_zero(contents, make_result):
    (row,) = contents(make_result(scores=scores_of(0.6, 0.5, 0.1))).rows

    assert row.values["gpqa-fr"].shown == 0


def test_the_averages_error_is_that_of_a_mean_of_independent_values(contents, make_result):
    (row,) = contents(make_result(scores=scores_of(0.6, 0.5, 0.4, stderr=0.03))).rows

    assert row.average_stderr == pytest.approx(math.sqrt(0.03**2 + 0.03**2 + 0.04**2) / 3)


def test_a_group_is_a_column_of_its_own_and_its_weight_counts_in_the_average(grouped_suite, make_result):
    scores = scores_of(0.6, 0.5, 0.4, stderr=0.03)
    (row,) = contents_of([make_result(scores=scores)], suite=grouped_suite, moderation={}).rows

    exams = (row.values or {})["exams"]
    assert exams.raw == pytest.approx((0.6 + 0.4) / 2)
    assert exams.shown == pytest.approx((0.6 + 0.2) / 2)
    assert exams.stderr == pytest.approx(math.hypot(0.03, 0.04) / 2)
    assert row.average == pytest.approx((0.5 + 2 * 0.4) / 3)
    assert row.average_stderr == pytest.approx(math.hypot(0.03, math.hypot(0.03, 0.04)) / 3)


def test_an_average_without_one_of_its_errors_has_none(contents, make_result):
    (row,) = contents(make_result(scores=scores_of(0.6, 0.5, 0.4, stderr=None))).rows

    assert row.average_stderr is None


@pytest.mark.parametrize("broken", [None, float("nan"), 1.2, -0.1, True, "0.5"])
def test_a_model_with_a_task_that_has_no_usable_score_is_not_displayed_and_the_task_is_named(
    contents, make_result, broken
):
    scores = scores_of(0.6, 0.5, 0.4)
    scores["gpqa-fr"]["value"] = broken

    found = contents(make_result(scores=scores))

    assert found.rows == ()
    assert found.incomplete == {"org/model": ("gpqa-fr",)}


def test_a_model_with_a_task_missing_altogether_is_not_displayed(contents, make_result):
    scores = scores_of(0.6, 0.5, 0.4)
    del scores["bac-fr"], scores["ifeval-fr"]

    assert contents(make_result(scores=scores)).incomplete == {"org/model": ("bac-fr", "ifeval-fr")}


def test_a_limited_run_and_another_suites_result_are_not_on_the_leaderboard(contents, make_result):
    found = contents(make_result("org/a", limit_samples=10), make_result("org/b", suite="other"))

    assert found.rows == ()
    assert found.incomplete == {}


def test_the_newest_result_of_a_model_counts_whatever_the_order(contents, make_result):
    old = make_result(scores=scores_of(0.9, 0.9, 0.9), day=0)
    new = make_result(scores=scores_of(0.1, 0.1, 0.1), day=1, run_number=2)

    for results in ((old, new), (new, old)):
        (row,) = contents(*results).rows
        assert row.result is new


def test_one_model_in_two_precisions_has_two_rows(contents, make_result):
    found = contents(make_result(), make_result(precision="float16"))

    assert [row.result.submission.precision for row in found.rows] == ["bfloat16", "float16"]


def test_the_same_results_give_the_same_rows_in_whatever_order_they_come(contents, make_result):
    results = [make_result(f"org/m{index}", scores=scores_of(index % 3 / 10, 0.5, 0.5)) for index in range(9)]
    shuffled = list(results)
    random.Random(1).shuffle(shuffled)

    assert contents(*results) == contents(*shuffled)
    assert [row.rank for row in contents(*results).rows] == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_a_flagged_model_is_listed_with_its_numbers_and_reason_but_takes_no_rank(contents, make_result):
    found = contents(
        make_result("org/best", scores=scores_of(1, 1, 1)),
        make_result("org/good"),
        moderation=decided("org/best", ModerationAction.FLAGGED),
    )

    assert [(row.model_id, row.rank, row.is_flagged) for row in found.rows] == [
        ("org/good", 1, False),
        ("org/best", None, True),
    ]
    assert found.rows[1].average == 1
    assert found.rows[1].moderation.reason == "contaminated"


def test_a_withdrawn_model_is_listed_without_numbers(contents, make_result):
    found = contents(make_result(), moderation=decided("org/model", ModerationAction.WITHDRAWN))

    (row,) = found.rows
    assert (row.is_withdrawn, row.values, row.average, row.rank) == (True, None, None, None)


def test_a_renamed_model_has_one_row_under_its_new_name_and_keeps_its_result(contents, make_result):
    old = make_result("org/old")
    moderation = decided("org/old", ModerationAction.RENAMED, new="org/new")

    (row,) = contents(old, moderation=moderation).rows
    assert (row.model_id, row.former_names) == ("org/new", ("org/old",))
    assert row.result.submission.job_key == old.submission.job_key

    newer = make_result("org/new", day=1)
    (row,) = contents(old, newer, moderation=moderation).rows
    assert row.result is newer


def test_a_generation_is_one_more_than_the_base_models_and_a_circle_ends(contents, make_result):
    def based(model_id, base):
        return make_result(model_id, about=AboutModel(base_model=base))

    found = contents(
        based("org/base", None),
        based("org/tuned", "org/base"),
        based("org/merged", "org/tuned"),
        based("org/far", "elsewhere/unknown"),
        based("org/a", "org/b"),
        based("org/b", "org/a"),
    )

    assert {row.model_id: row.generation for row in found.rows} == {
        "org/base": 0,
        "org/tuned": 1,
        "org/merged": 2,
        "org/far": 1,
        "org/a": 1,
        "org/b": 1,
    }


def test_a_link_of_a_hostile_name_stays_a_link():
    link = model_link('a"><script>alert(1)</script>', hub_url="https://hub.example/")

    assert "<script" not in link
    assert link.count("<") == 2
