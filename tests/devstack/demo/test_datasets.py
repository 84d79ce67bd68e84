"""The demo's three datasets."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from palmares.benchmarks.ifeval_fr.task.checkers import follows, instruction_problem

from devstack.demo.canary import CANARY
from devstack.demo.make_datasets import DATASETS_DIRECTORY, make_datasets
from devstack.demo.questions import read_questions

NAMES = ["bac-fr", "gpqa-fr", "ifeval-fr"]
COLUMNS = {
    "bac-fr": ["enonce", "instruction", "choix", "choix correct", "reponse"],
    "gpqa-fr": [
        "Question",
        "Réponse correcte",
        "Réponse incorrecte 1",
        "Réponse incorrecte 2",
        "Réponse incorrecte 3",
    ],
    "ifeval-fr": ["key", "prompt", "instruction_id_list", "kwargs"],
}


def read(name: str) -> pa.Table:
    return pq.read_table(DATASETS_DIRECTORY / name / "train.parquet")


@pytest.mark.parametrize("name", NAMES)
def test_columns_are_exactly_those_of_the_hidden_set(name: str):
    assert read(name).column_names == COLUMNS[name]


@pytest.mark.parametrize("name", NAMES)
def test_there_are_forty_different_rows_at_least_and_each_holds_the_canary(name: str):
    rows = [str(row) for row in read(name).to_pylist()]
    assert len(set(rows)) == len(rows) >= 40
    assert all(row.count(CANARY) == 1 for row in rows)


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_file_is_what_the_script_writes(name: str, tmp_path: Path):
    make_datasets(tmp_path)
    assert pq.read_table(tmp_path / name / "train.parquet").equals(read(name))


def test_bac_fr_has_free_answers_and_choices_and_nulls():
    rows = read("bac-fr").to_pylist()
    with_choices = [row for row in rows if row["choix"] is not None]
    assert 0 < len(with_choices) < len(rows)
    assert all(row["choix correct"] in row["choix"] for row in with_choices)
    assert all(row["reponse"] for row in rows)
    assert {row["instruction"] is None for row in rows} == {True, False}


def test_every_instruction_can_be_checked_and_is_followed_by_the_answer_that_models_learn():
    needs_the_evaluator = {"language:response_language"}
    identifiers = set()
    for question in read_questions()["ifeval-fr"]:
        row = question.row
        for identifier, kwargs in zip(row["instruction_id_list"], row["kwargs"], strict=True):
            assert instruction_problem(identifier, kwargs) is None
            assert identifier in needs_the_evaluator or follows(identifier, kwargs, question.answer)
            identifiers.add(identifier)
    assert len(identifiers) >= 12


def test_no_answer_holds_the_canary():
    assert not any(
        CANARY in question.answer for questions in read_questions().values() for question in questions
    )
