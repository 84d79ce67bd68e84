"""The charts: pictures that are there, the same for the same leaderboard, and of ranked models only."""

from __future__ import annotations

import io
from typing import Any

import pytest
from matplotlib.image import imread
from palmares.leaderboard.publishing import contents_of
from palmares.leaderboard.publishing.charts import COLOURS, COST_PATH, SCORES_PATH, _cost, _scores, charts
from palmares.leaderboard.submissions.moderation import ModerationAction

from tests.palmares.leaderboard.publishing.conftest import decided, scores_of


@pytest.fixture
def contents(settings, make_result):
    def make(count=3, **changes):
        results = [
            make_result(f"org/m{number}", scores=scores_of(number / 10, 0.5, 0.5), hours=1 + number)
            for number in range(count)
        ]
        return contents_of(results, suite=settings.suite(), **{"moderation": {}, **changes})

    return make


def test_a_group_is_drawn_in_the_place_of_its_tasks(grouped_suite, make_result):
    grouped = contents_of([make_result()], suite=grouped_suite, moderation={})
    (legend,) = _scores(grouped.ranked, grouped).legends

    assert [text.get_text() for text in legend.get_texts()] == ["IFEval-fr", "Exams", "Average · Moyenne"]


def test_two_pictures_are_drawn_of_a_size_that_is_read(contents):
    drawn = charts(contents(), most=20)

    assert set(drawn) == {SCORES_PATH, COST_PATH}
    for content in drawn.values():
        height, width = imread(io.BytesIO(content), format="png").shape[:2]
        assert 1000 < width < 2000
        assert 300 < height < 4000


@pytest.mark.parametrize("count", [1, 20])
def test_one_model_and_twenty_can_be_drawn(contents, count):
    assert len(charts(contents(count), most=20)) == 2


def test_the_same_leaderboard_gives_the_same_bytes(contents):
    assert charts(contents(), most=20) == charts(contents(), most=20)


def test_nothing_is_drawn_of_nothing_and_of_flagged_models(contents):
    assert charts(contents(0), most=20) == {}
    assert charts(contents(1, moderation=decided("org/m0", ModerationAction.FLAGGED)), most=20) == {}


def test_every_point_is_at_its_value_with_its_95_per_cent_interval(contents, settings):
    found = contents(1)
    (axes,) = _scores(found.ranked, found).axes
    points: dict[str, Any] = {str(container.get_label()): container for container in axes.containers}

    row = found.rows[0]
    assert set(points) == {"BAC-fr", "IFEval-fr", "GPQA-fr", "Average · Moyenne"}
    line, _, (bars,) = points["GPQA-fr"].lines
    value = 100 * row.values["gpqa-fr"].shown
    assert line.get_xdata()[0] == pytest.approx(value)
    (segment,) = bars.get_segments()
    reach = 1.96 * 100 * row.values["gpqa-fr"].stderr
    assert [point[0] for point in segment] == pytest.approx([value - reach, value + reach])


def test_series_differ_in_colour_and_in_shape(contents):
    found = contents(2)
    (axes,) = _scores(found.ranked, found).axes
    drawn: list[Any] = list(axes.containers)
    looks = {(one.lines[0].get_color(), one.lines[0].get_marker()) for one in drawn}

    assert len({colour for colour, _ in looks}) == len({marker for _, marker in looks}) == 4
    assert len(set(COLOURS)) == len(COLOURS)


def test_axes_are_labelled_in_both_languages(contents):
    found = contents(2)
    (scores,) = _scores(found.ranked, found).axes
    (cost,) = _cost(found.ranked).axes

    assert "avec intervalles" in scores.get_xlabel()
    assert "with 95 % intervals" in scores.get_xlabel()
    assert "GPU-hours" in cost.get_xlabel()
    assert "Heures-GPU" in cost.get_xlabel()
    assert cost.get_ylabel() == "Average (%) · Moyenne (%)"


def test_models_that_no_cheaper_one_equals_are_named(settings, make_result):
    results = [
        make_result("org/cheap", scores=scores_of(0.5, 0.5, 0.5), hours=1),
        make_result("org/wasteful", scores=scores_of(0.4, 0.4, 0.4), hours=2),
        make_result("org/strong", scores=scores_of(0.9, 0.9, 0.9), hours=3),
    ]
    found = contents_of(results, suite=settings.suite(), moderation={})
    (axes,) = _cost(found.ranked).axes

    assert [text.get_text() for text in axes.texts] == ["cheap", "strong"]


@pytest.mark.parametrize(
    ("hours", "expected"), [((1, 2), "linear"), ((0.2, 40), "log"), ((0.003, 0.004), "linear")]
)
def test_costs_of_several_decades_are_drawn_on_a_logarithmic_axis_that_says_so(
    settings, make_result, hours, expected
):
    results = [make_result(f"org/m{number}", hours=one) for number, one in enumerate(hours)]
    found = contents_of(results, suite=settings.suite(), moderation={})
    (axes,) = _cost(found.ranked).axes

    assert axes.get_xscale() == expected
    assert ("log" in axes.get_xlabel()) is (expected == "log")
