"""The grading benchmark's pairs and baseline are what its figures rest on; nothing is timed here."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from performance.grading.families import FAMILIES, draw_from
from performance.grading.original_rule import is_right, normalize, normalize_by_patterns
from performance.grading.pairs import LENGTH_CLASSES, LONGEST, SHORTEST, unique_pairs
from performance.grading.report import markdown
from performance.grading.timing import run
from performance.grading_speed import errors_on_cases, parse_arguments, to_json

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "packages/french_answers/tests/data/bac_fr_cases.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
TRACES = ("<think>", "<thinking>", "<reasoning>")


@pytest.mark.parametrize(
    ("gold", "prediction", "right"),
    [
        ("5", "15", True),
        ("3", "-3", True),
        ("vrai", "Ce n'est pas vrai", True),
        ("1/2", "0,5", False),
        ("12", "La réponse est 12 cm.", False),
        ("12", "x = 12", True),
        ("3,14", "3.14", True),
        ("12", "<think>La réponse est 12", True),
    ],
)
def test_the_original_rule_errs_as_it_is_described_to(gold, prediction, right):
    assert is_right(gold, prediction) is right


def test_the_original_rule_is_wrong_on_a_third_of_the_cases():
    wrong = [case for case in CASES if is_right(case["gold"], case["prediction"]) != case["correct"]]

    assert len(wrong) / len(CASES) == pytest.approx(0.34, abs=0.01)


def test_both_ways_of_writing_the_original_rule_say_the_same():
    texts = [case["prediction"] for case in CASES] + [p.prediction for p in unique_pairs(2000, seed=5)]

    assert [normalize(text) for text in texts] == [normalize_by_patterns(text) for text in texts]


def test_the_mix_is_the_case_files():
    counted = Counter((case["family"], case["correct"]) for case in CASES)

    assert {
        (name, correct): count
        for name, (_, right, wrong) in FAMILIES.items()
        for correct, count in ((True, right), (False, wrong))
        if count
    } == dict(counted)


def test_no_pair_comes_twice_within_a_part_nor_in_two_parts():
    pairs = [pair for part in (0, 1) for pair in unique_pairs(4000, seed=7, part=part, parts=2)]

    assert len({(pair.gold, pair.prediction) for pair in pairs}) == len(pairs) == 8000


def test_the_same_seed_draws_the_same_pairs():
    assert list(unique_pairs(300, seed=11)) == list(unique_pairs(300, seed=11))
    assert list(unique_pairs(300, seed=11)) != list(unique_pairs(300, seed=12))


def test_lengths_traces_and_families_are_as_announced():
    pairs = list(unique_pairs(20_000, seed=13))
    lengths = [len(pair.prediction) for pair in pairs]
    families = Counter(pair.family for pair in pairs)
    traced = sum(pair.prediction.startswith(TRACES) for pair in pairs)

    assert SHORTEST <= min(lengths) < 10
    assert LONGEST * 0.9 < max(lengths) <= LONGEST
    assert traced / len(pairs) == pytest.approx(0.2, abs=0.03)
    for name, (_, right, wrong) in FAMILIES.items():
        assert families[name] / len(pairs) == pytest.approx((right + wrong) / len(CASES), abs=0.01)


def test_a_trace_that_never_ends_is_no_answer_even_if_it_names_the_gold():
    cut = [
        pair
        for pair in unique_pairs(20_000, seed=17)
        if pair.prediction.startswith(TRACES) and "</" not in pair.prediction
    ]

    assert len(cut) > 50
    assert not any(pair.correct for pair in cut)
    assert all(pair.prediction.endswith(pair.gold) for pair in cut)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_wrong_notation_is_also_a_right_one(family):
    from random import Random

    random = Random(19)
    for _ in range(300):
        forms = FAMILIES[family][0](random)
        assert not set(forms.right) & set(forms.wrong)
        assert forms.gold not in forms.wrong
    assert draw_from(random, family, correct=False).family == family


def test_two_workers_together_grade_every_row_once():
    found = run(3_000, seed=23, workers=2)
    answer = to_json(found, by_length=True)

    assert answer["whole_mix"]["palmares"]["rows"] == answer["whole_mix"]["original"]["rows"] == 3_000
    assert sum(part["palmares"]["rows"] for part in answer["by_length"].values()) == 3_000
    assert answer["whole_mix"]["error_ratio"] < 0.1
    assert answer["peak_memory_mb"] > 0


def test_every_measured_figure_gets_a_place_in_the_tables():
    found = run(300, seed=29, workers=1)
    answer = {
        "machine": {"cores": 2, "memory_gb": 24.0, "python": "3.11"},
        "scorer": {"version": "2"},
        "runs": [to_json(found, by_length=True), to_json(found, by_length=True) | {"workers": 2}],
        "case_files": {"bac_fr_cases.jsonl": errors_on_cases("bac_fr_cases.jsonl")},
        "speed_up": {"2": 1.75},
    }

    text = markdown(answer)

    assert "300 unique pairs" in text
    assert all(f"| {length} |" in text for length in LENGTH_CLASSES)
    assert "| `bac_fr_cases.jsonl` | 266 | 92 (40) |" in text
    assert "| 1.75 × |" in text


def test_workers_are_a_list_on_the_command_line():
    assert parse_arguments(["--rows", "10", "--workers", "1,2"]).workers == [1, 2]
