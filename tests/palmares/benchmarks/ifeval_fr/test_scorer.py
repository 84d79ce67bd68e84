"""ifeval-fr: the mean of two strict accuracies, with its error."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest
from palmares.benchmarks.errors import RowError
from palmares.benchmarks.ifeval_fr.scorer import IfevalFrScorer
from palmares.benchmarks.registry import all_scorers, text_scorers
from palmares.benchmarks.scorer import DetailsRow


def row(prompt: Any, instructions: Any, number: int = 1) -> DetailsRow:
    return DetailsRow(
        row_id=f"ifeval-{number}",
        gold=(),
        choices=(),
        instruction=None,
        predictions=("un texte",),
        metrics={"prompt_level_strict_acc": prompt, "inst_level_strict_acc": instructions},
        specifics={},
    )


def test_the_score_is_the_mean_of_both_levels_and_every_instruction_counts_once():
    found = IfevalFrScorer().average([row(1, [1, 1, 1]), row(0, [0])])

    assert found.parts == {
        "prompt_level_strict_acc": pytest.approx(0.5),
        "inst_level_strict_acc": pytest.approx(0.75),
    }
    assert found.value == pytest.approx(0.625)
    assert found.n == 2


def test_the_error_is_that_of_resampled_rows():
    random = Random(3)
    rows = []
    for number in range(400):
        followed = [int(random.random() < 0.7) for _ in range(random.randint(1, 4))]
        rows.append(row(int(all(followed)), followed, number))
    stderr = IfevalFrScorer().average(rows).stderr
    assert stderr is not None

    values = [IfevalFrScorer().average(random.choices(rows, k=len(rows))).value for _ in range(400)]
    centre = math.fsum(values) / len(values)
    spread = math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1))

    assert stderr == pytest.approx(spread, rel=0.15)


def test_one_row_has_no_error():
    assert IfevalFrScorer().average([row(1, [1])]).stderr is None


def test_a_row_is_right_if_all_its_instructions_are_followed():
    scorer = IfevalFrScorer()

    assert scorer.grade(row(1, [1, 1])).correct is True
    assert scorer.grade(row(0, [1, 0])).correct is False
    assert scorer.grade(row(0, [1, 0])).reason == "1 of 2 instructions followed."
    assert scorer.grade(row([1], 1)).correct is True  # as lists or bare, details hold both


@pytest.mark.parametrize(
    ("prompt", "instructions"), [(None, [1]), (1, None), (1, []), (1, [2]), (math.nan, [1]), ("1", [1])]
)
def test_rows_without_verdicts_are_named_by_id_and_metric(prompt, instructions):
    with pytest.raises(RowError, match=r"row ifeval-1 has no \w+_strict_acc"):
        IfevalFrScorer().average([row(prompt, instructions)])


def test_no_rows_are_no_score():
    with pytest.raises(RowError, match="no rows"):
        IfevalFrScorer().average([])


def test_every_scorer_says_who_it_is():
    for task, scorer in all_scorers().items():
        assert scorer.name == task
        assert scorer.version.isdigit()
        assert len(scorer.code_hash) == 64
    assert "ifeval-fr" not in text_scorers()  # its score is no share of right rows


def test_a_hash_is_that_of_the_code_that_was_loaded_whatever_the_file_says_later(monkeypatch):
    before = IfevalFrScorer().code_hash
    monkeypatch.setattr("pathlib.Path.read_bytes", lambda _: b"another deployment")

    assert IfevalFrScorer().code_hash == before
