"""Scores are means over the rows, with their errors; numbers that look wrong do not pass."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import pytest
from french_answers import GradingPolicy
from palmares.benchmarks import registry
from palmares.benchmarks.registry import text_scorers
from palmares.benchmarks.statistics import normalize, ratio_influences, standard_error
from palmares.leaderboard.errors import GateError, ResultsFormatError, ResultsIncompleteError
from palmares.leaderboard.results.verify import read_manifest
from palmares.leaderboard.scoring import ScoredResults, average, score_results

from tests.palmares.leaderboard.checks.broken_scorers import BROKEN
from tests.palmares.leaderboard.results_folder import read_manifest_json, write_details, write_manifest

GPQA = "community|gpqa-fr|0"


def scored(folder, settings):
    return score_results(folder, read_manifest(folder), settings.suite())


def test_bac_fr_is_graded_again_and_the_rest_averaged(results_folder, settings):
    results = scored(results_folder, settings)

    assert {task: one.value for task, one in results.scores.items()} == pytest.approx(
        {"bac-fr": 0.75, "ifeval-fr": 0.55, "gpqa-fr": 0.5}
    )
    assert results.scores["bac-fr"].reported == {"bac-fr-qem": 0.5}
    assert results.scores["bac-fr"].stderr == pytest.approx(math.sqrt(0.75 * 0.25 / 3))
    assert results.scores["gpqa-fr"].shown == pytest.approx(1 / 3)
    assert results.average == pytest.approx((0.75 + 0.55 + 1 / 3) / 3)
    assert not results.preliminary


def test_scores_are_rebuilt_from_what_was_stored_without_grading(results_folder, settings, monkeypatch):
    fresh = scored(results_folder, settings)
    scores = json.loads(json.dumps(fresh.scores_json()))
    graded = {
        task: [json.loads(json.dumps(one)) for one in records] for task, records in fresh.graded.items()
    }
    monkeypatch.setattr(registry, "text_scorers", None)

    stored = ScoredResults.from_stored(scores, graded, suite=settings.suite())

    assert stored == replace(fresh, sanity_rates={})
    with pytest.raises(ResultsIncompleteError, match=r"Nothing is stored of \['community\|bac-fr\|0'\]"):
        ScoredResults.from_stored(
            scores, {"gpqa-fr": graded["gpqa-fr"], "ifeval-fr": []}, suite=settings.suite()
        )


def test_graded_records_hold_ids_and_no_text(results_folder, settings):
    records = scored(results_folder, settings).graded["bac-fr"]

    assert [record["row_id"] for record in records] == ["bac0", "bac1", "bac2", "bac3"]
    assert set(records[0]) == {"row_id", "correct", "unsure", "method", "reason", "scorer", "scorer_version"}


def test_the_average_needs_every_task(results_folder, settings):
    scores = scored(results_folder, settings).scores_json()
    del scores["gpqa-fr"]

    assert average(scores, settings.suite()) is None


def test_a_reported_number_that_the_rows_contradict_is_parked(results_folder, settings):
    manifest = read_manifest_json(results_folder)
    manifest["tasks"][GPQA]["metrics"]["acc"] = 0.75
    write_manifest(results_folder, manifest)

    with pytest.raises(GateError, match=r"acc is 0\.500000 over the 4 rows.*reports 0\.750000"):
        scored(results_folder, settings)


@pytest.mark.parametrize("value", [math.nan, 999.0, -0.1])
def test_a_row_that_is_no_fraction_is_parked(results_folder, settings, value):
    manifest = read_manifest_json(results_folder)
    row = {
        "choices": [], "gold": ["A"], "instruction": None, "predictions": ["A"],
        "specifics": '{"row_id": "x"}', "metrics": {"acc": value},
    }  # fmt: skip
    write_details(results_folder / manifest["tasks"][GPQA]["details"], [row])

    with pytest.raises(GateError, match="row x has acc"):
        scored(results_folder, settings)


def test_a_row_without_the_metric_is_a_format_error(results_folder, settings):
    manifest = read_manifest_json(results_folder)
    row = {
        "choices": [], "gold": ["A"], "instruction": None, "predictions": ["A"], "specifics": None,
        "metrics": {"other": 1.0},
    }  # fmt: skip
    write_details(results_folder / manifest["tasks"][GPQA]["details"], [row])

    with pytest.raises(ResultsFormatError, match="no metric 'acc'"):
        scored(results_folder, settings)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("accept_all", "an empty answer right on 4 of 4, at most 0"),
        ("reject_all", "the expected answer itself right on 0 of 4, at least 4"),
        ("prefix", "a digit too many at the end right on 2 of 2, at most 0"),
        ("empty_normaliser", "an empty answer right"),
        ("original", "a negation of the answer right"),
    ],
)
def test_a_scorer_that_fails_its_sanity_baselines_is_parked(
    results_folder, settings, monkeypatch, name, message
):
    monkeypatch.setattr(registry, "text_scorers", lambda: {"bac-fr": BROKEN[name][0]})

    with pytest.raises(GateError, match=message) as raised:
        scored(results_folder, settings)

    assert re.search(r"rows bac\d", str(raised.value))
    assert "1/2" not in str(raised.value)


def test_what_the_sanity_baselines_counted_is_in_the_results(results_folder, settings):
    rates = scored(results_folder, settings).sanity_json()

    assert set(rates) == {"bac-fr", "ifeval-fr", "gpqa-fr"}
    gold = next(rate for rate in rates["bac-fr"] if rate["name"] == "gold")
    assert (gold["count"], gold["rows"], gold["least"], gold["breached"]) == (4, 4, 4, False)
    assert json.loads(json.dumps(rates)) == rates


def test_a_model_that_writes_nothing_is_parked(results_folder, settings):
    manifest = read_manifest_json(results_folder)
    task = manifest["tasks"]["community|bac-fr|0"]
    rows = [
        {
            "choices": [], "gold": [str(number)], "instruction": None, "predictions": [""],
            "specifics": json.dumps({"row_id": f"row{number}"}), "metrics": {"bac-fr-qem": 0.0},
        }
        for number in range(30)
    ]  # fmt: skip
    write_details(results_folder / task["details"], rows)
    task["metrics"]["bac-fr-qem"] = 0.0
    write_manifest(results_folder, manifest)

    with pytest.raises(GateError, match=r"the model wrote nothing on 30 of 30, at most 15 \(rows row0, row1"):
        scored(results_folder, settings)


def test_a_limited_run_is_preliminary(results_folder, settings):
    manifest = read_manifest_json(results_folder)
    manifest["limit_samples"] = 4
    write_manifest(results_folder, manifest)

    assert scored(results_folder, settings).preliminary


@pytest.mark.parametrize(("accuracy", "expected"), [(0.25, 0.0), (1.0, 1.0), (0.1, 0.0), (0.5, 1 / 3)])
def test_guessing_scores_zero_and_perfection_one(accuracy, expected):
    assert normalize(accuracy, baseline=1 / 4) == pytest.approx(expected)


def test_a_baseline_of_one_is_refused():
    with pytest.raises(ValueError, match="baseline"):
        normalize(0.5, baseline=1)


def test_pulls_on_a_ratio_average_to_the_ratio_of_sums():
    parts = [[1, 1, 0], [0], [1]]

    pulls = ratio_influences(parts)

    assert sum(pulls) / 3 == pytest.approx(3 / 5)
    assert ratio_influences([[1], [0]]) == [1, 0]


def test_one_row_has_no_standard_error():
    assert standard_error([1.0]) is None


def test_a_leaderboard_s_own_scorers_grade_in_place_of_the_default_ones(results_folder, settings):
    strict = text_scorers(GradingPolicy(form=False))

    results = score_results(results_folder, read_manifest(results_folder), settings.suite(), scorers=strict)

    assert results.scores["bac-fr"].value == pytest.approx(0.5)  # 0,5 for 1/2 is another form
    assert results.scores["bac-fr"].scorer_hash == strict["bac-fr"].code_hash
    assert strict["bac-fr"].code_hash != text_scorers()["bac-fr"].code_hash
