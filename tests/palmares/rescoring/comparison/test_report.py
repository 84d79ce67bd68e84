from __future__ import annotations

import json
import math

import pytest
from palmares.leaderboard.statistics.significance import mcnemar
from palmares.rescoring.comparison import ScoreAt, compare, overall, to_json


def changes(model, to_right=(), to_wrong=(), *, task="bac-fr", same=10):
    rows = [(row_id, False, True) for row_id in to_right] + [(row_id, True, False) for row_id in to_wrong]
    return compare(
        model, task, rows + [(f"s{number}", number % 2 == 0, number % 2 == 0) for number in range(same)]
    )


def test_scores_come_from_the_counts_with_their_errors():
    (line,) = overall([changes("m", "ab", "c", same=7)]).lines

    assert line.before is not None
    assert line.after is not None
    assert [line.before.value, line.after.value] == pytest.approx([0.5, 0.6])
    assert line.after.stderr == pytest.approx(math.sqrt(0.6 * 0.4 / 9))
    assert line.p_value == mcnemar(2, 1)


def test_given_scores_are_kept_as_they_are():
    before = {"m": {"bac-fr": ScoreAt(value=0.123, stderr=None)}}
    after = {"m": {"bac-fr": ScoreAt(value=0.456, stderr=0.01)}}

    (line,) = overall([changes("m", "a")], before, after).lines

    assert (line.before, line.after) == (before["m"]["bac-fr"], after["m"]["bac-fr"])


def test_an_old_score_is_not_guessed_where_old_verdicts_are_missing():
    (line,) = overall([compare("m", "bac-fr", [("a", None, True), ("b", False, True)])]).lines

    assert line.before is None
    assert line.after == ScoreAt(value=1.0, stderr=0.0)


def test_the_largest_change_comes_first_and_p_values_are_corrected_for_their_number():
    report = overall([changes("small", "a"), changes("big", "abcdefgh"), changes("none")])

    assert [line.changes.model for line in report.lines] == ["big", "small", "none"]
    assert report.lines[0].p_holm == pytest.approx(3 * report.lines[0].p_value)
    assert report.changed == 9


def test_a_task_is_tested_over_its_rows_since_all_models_answer_the_same():
    report = overall(
        [changes(f"m{number}", to_right="ab", to_wrong="z" if number else "") for number in range(20)]
    )

    (task,) = report.tasks
    assert (task.to_right, task.to_wrong, task.models, task.models_changed) == (40, 19, 20, 20)
    assert (task.rows_leaning_right, task.rows_leaning_wrong) == (2, 1)
    assert task.p_value == mcnemar(2, 1)  # 59 verdicts, but three rows only
    assert [row.row_id for row in task.most_changed] == ["a", "b", "z"]


def test_ranks_are_by_the_mean_of_normalised_scores_of_all_tasks():
    other = {
        "m": {"gpqa-fr": ScoreAt(value=0.25, stderr=None)},
        "n": {"gpqa-fr": ScoreAt(value=0.4, stderr=None)},
    }

    report = overall([changes("m", "abcdefgh"), changes("n")], other, other, baselines={"gpqa-fr": 0.25})

    assert {move.model: (move.before, move.after) for move in report.moves} == {"m": (2, 1), "n": (1, 2)}
    averages = {move.model: move.average_after for move in report.moves}
    assert averages["n"] == pytest.approx((0.5 + 0.15 / 0.75) / 2)


def test_a_model_without_a_task_is_not_ranked():
    report = overall([changes("m"), changes("n"), changes("n", task="gpqa-fr")])

    assert {move.model: move.after for move in report.moves} == {"n": 1, "m": None}


def test_the_report_for_programs_has_every_changed_row():
    data = json.loads(
        json.dumps(to_json(overall([changes("m", [f"r{number}" for number in range(300)], "z")])))
    )

    assert len(data["lines"][0]["to_right"]) == 300
    assert data["lines"][0]["to_wrong"] == ["z"]
    assert data["ranks"][0]["up"] == 0


def test_nothing_at_all_is_a_report_too():
    report = overall([])

    assert (report.lines, report.tasks, report.moves, report.rank_agreement) == ((), (), (), None)
