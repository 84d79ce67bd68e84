"""Details are read with native columns and with Python reprs in strings alike."""

from __future__ import annotations

import pytest
from palmares.leaderboard.details.rows import read_details
from palmares.leaderboard.errors import ResultsFormatError

from tests.palmares.leaderboard.results_folder import write_details

NATIVE = {
    "choices": ["oui", "non"],
    "gold": ["]0;1]"],
    "instruction": "Répondre.",
    "metrics": {"bac-fr-qem": 1.0},
    "predictions": ["L'intervalle ]0;1]"],
    "specifics": '{"row_id": "r1"}',
}


def test_native_columns_and_reprs_give_the_same_rows(tmp_path):
    texts = {key: value if isinstance(value, str) else repr(value) for key, value in NATIVE.items()}
    write_details(tmp_path / "native.parquet", [NATIVE])
    write_details(tmp_path / "texts.parquet", [texts])

    rows = read_details(tmp_path / "native.parquet")

    assert rows == read_details(tmp_path / "texts.parquet")
    assert (rows[0].row_id, rows[0].gold, rows[0].choices) == ("r1", ("]0;1]",), ("oui", "non"))
    assert rows[0].metrics == {"bac-fr-qem": 1.0}


def test_an_answer_that_looks_like_a_list_stays_text(tmp_path):
    write_details(tmp_path / "a.parquet", [{**NATIVE, "gold": "[0;1]", "predictions": "(1, 2)"}])

    row = read_details(tmp_path / "a.parquet")[0]

    assert (row.gold, row.predictions) == (("[0;1]",), ("(1, 2)",))


def test_code_in_a_string_is_never_run(tmp_path):
    write_details(tmp_path / "a.parquet", [{**NATIVE, "metrics": "{__import__('os').getcwd(): 1}"}])

    with pytest.raises(ResultsFormatError, match="row 0, column metrics: not a mapping"):
        read_details(tmp_path / "a.parquet")


def test_a_row_without_an_id_is_named_by_its_position(tmp_path):
    write_details(tmp_path / "a.parquet", [{**NATIVE, "specifics": None, "instruction": None}])

    row = read_details(tmp_path / "a.parquet")[0]

    assert (row.row_id, row.instruction) == ("row-000000", None)


def test_missing_columns_and_broken_files_are_named(tmp_path):
    write_details(tmp_path / "a.parquet", [{"gold": ["1"]}])
    (tmp_path / "b.parquet").write_bytes(b"nothing")

    with pytest.raises(ResultsFormatError, match=r"a\.parquet: columns .*'choices'"):
        read_details(tmp_path / "a.parquet")
    with pytest.raises(ResultsFormatError, match=r"b\.parquet: not parquet"):
        read_details(tmp_path / "b.parquet")
