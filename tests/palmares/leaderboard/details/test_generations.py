"""All generations of details give the same rows."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from palmares.leaderboard.details.rows import Span, iterate_details, layout_of, read_details
from palmares.leaderboard.errors import ResultsFormatError

from tests.palmares.leaderboard.details.layouts import (
    ANSWERS,
    LAYOUTS,
    as_columns,
    as_samples,
    as_structs,
)

TIME = "2025-03-01T10-20-30.123456"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_tells_the_same_of_each_row(tmp_path, layout):
    name, write = LAYOUTS[layout]
    path = tmp_path / name.format(time=TIME)
    write(path, ANSWERS)

    rows = read_details(path)

    assert [
        (row.row_id, row.gold, row.choices, row.predictions, row.instruction, row.metrics) for row in rows
    ] == [
        (
            answer.row_id,
            (answer.gold,),
            answer.choices,
            (answer.said,),
            answer.instruction,
            {"bac-fr-qem": answer.before},
        )
        for answer in ANSWERS
    ]
    assert all(row.generated and row.question for row in rows)


def test_struct_columns_are_known_without_their_underscores(tmp_path):
    as_structs(tmp_path / "with.parquet", ANSWERS)
    as_structs(tmp_path / "without.parquet", ANSWERS, underscores=False)

    assert read_details(tmp_path / "with.parquet") == read_details(tmp_path / "without.parquet")


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("columns", "lighteval-columns"),
        ("struct strings", "lighteval-structs"),
        ("samples", "lm-eval-samples"),
    ],
)
def test_the_layout_is_told_by_names(tmp_path, layout, expected):
    name, write = LAYOUTS[layout]
    path = tmp_path / name.format(time=TIME)
    write(path, ANSWERS)

    assert layout_of(path) == expected


def test_a_choice_by_log_likelihood_has_its_gold_by_index_and_is_not_generated(tmp_path):
    row = {
        "choices": ["A", "B", "C", "D"], "gold": [], "gold_index": [2], "instruction": "", "example": "q",
        "metrics": {"acc": 1.0}, "predictions": [-3.5, -2.0, -1.0, -9.0], "specifics": None,
        "pred_logits": [],
    }  # fmt: skip
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "native.parquet")
    strings = {key: str(value) for key, value in row.items()}
    pq.write_table(pa.Table.from_pylist([strings]), tmp_path / "strings.parquet")

    for path in tmp_path.iterdir():
        (read,) = read_details(path)
        assert (read.gold, read.generated, read.instruction) == (("C",), False, None)


def test_log_likelihood_samples_are_not_generations(tmp_path):
    line = {
        "doc_id": 3, "doc": {"choices": ["A", "B"], "prompt": "q"}, "target": 1,
        "resps": [[["-1.5", "False"]], [["-0.5", "True"]]], "filter": "none", "metrics": ["acc"], "acc": 1.0,
    }  # fmt: skip
    path = tmp_path / "samples_gpqa-fr_x.jsonl"
    path.write_text(json.dumps(line) + "\n")

    (row,) = read_details(path)

    assert (row.row_id, row.gold, row.predictions, row.generated) == ("3", ("B",), (), False)


def test_an_answer_of_two_words_true_and_false_is_a_generation(tmp_path):
    path = tmp_path / "samples_bac-fr_x.jsonl"
    line = {"doc_id": 0, "doc": {}, "target": "True", "resps": [["True"]], "filter": "none", "metrics": []}
    path.write_text(json.dumps(line) + "\n")

    assert read_details(path)[0].predictions == ("True",)


@pytest.mark.parametrize("layout", [one for one in LAYOUTS if one != "samples"])
def test_row_groups_and_positions_can_be_chosen(tmp_path, layout):
    name, write = LAYOUTS[layout]
    path = tmp_path / name.format(time=TIME)
    write(path, ANSWERS)
    pq.write_table(pq.read_table(path), path, row_group_size=2)

    spans = {
        Span(row_groups=(1, 2), first_row=2): ["r2", "r3", "r4"],
        Span(row_groups=(1, 2), first_row=3, skip=1): ["r3", "r4"],
        Span(row_groups=(0, 1, 2), first_row=1, skip=1, rows=3): ["r1", "r2", "r3"],
        Span(row_groups=(0,), first_row=0, skip=2): [],
    }

    for span, expected in spans.items():
        assert [row.row_id for row in iterate_details(path, span)] == expected


def test_an_id_that_could_be_a_text_is_not_shown(tmp_path):
    answers = [ANSWERS[0].__class__(row_id="Quelle est la capitale ?", gold="1", said="1", before=1)]
    as_columns(tmp_path / "a.parquet", answers)
    as_samples(tmp_path / "samples_a_x.jsonl", answers)

    assert read_details(tmp_path / "a.parquet")[0].row_id == "row-000000"
    assert read_details(tmp_path / "samples_a_x.jsonl")[0].row_id == "0"


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("predictions", {"a": 1}, "row 0, column predictions: not texts but dict"),
        ("metrics", [1.0], "row 0, column metrics: not a mapping but list"),
        ("gold_index", [0.5], "row 0, column gold_index: neither an index"),
        ("gold_index", [7], r"row 0, column gold_index: index \[7\] is outside the 2 choices"),
        ("specifics", "no mapping", "row 0, column specifics: not a mapping but a text that is neither"),
    ],
)
def test_a_value_of_a_wrong_type_is_named_by_file_row_and_column(tmp_path, column, value, said):
    row = {
        "choices": ["x", "y"], "gold": [], "gold_index": [0], "instruction": "", "metrics": {"acc": 1.0},
        "predictions": ["secret"], "specifics": None,
    }  # fmt: skip
    pq.write_table(pa.Table.from_pylist([row | {column: value}]), tmp_path / "a.parquet")

    with pytest.raises(ResultsFormatError, match=rf"a\.parquet: {said}") as caught:
        read_details(tmp_path / "a.parquet")

    assert "secret" not in str(caught.value)


def test_missing_members_of_a_struct_are_named(tmp_path):
    row = {"__doc__": {"query": "q"}, "__model_response__": {"text": ["a"]}, "__metric__": {"acc": 1}}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")

    with pytest.raises(ResultsFormatError, match=r"columns \['__doc__.choices', '__doc__.gold_index'\]"):
        read_details(tmp_path / "a.parquet")


def test_missing_struct_columns_are_named(tmp_path):
    pq.write_table(pa.Table.from_pylist([{"__doc__": {"choices": ["a"]}}]), tmp_path / "a.parquet")

    with pytest.raises(
        ResultsFormatError, match=r"columns \['__model_response__', '__metric__'\] are missing"
    ):
        read_details(tmp_path / "a.parquet")


def test_a_file_that_was_cut_off_is_named(tmp_path):
    as_columns(tmp_path / "a.parquet", ANSWERS)
    content = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(content[: len(content) // 2])
    (tmp_path / "empty.parquet").write_bytes(b"")
    as_samples(tmp_path / "samples_a_x.jsonl", ANSWERS)
    lines = (tmp_path / "samples_a_x.jsonl").read_bytes()
    (tmp_path / "samples_a_x.jsonl").write_bytes(lines[:-20])

    with pytest.raises(ResultsFormatError, match=r"a\.parquet: not parquet, cut off or damaged"):
        read_details(tmp_path / "a.parquet")
    with pytest.raises(ResultsFormatError, match=r"empty\.parquet: not parquet.*0 bytes"):
        read_details(tmp_path / "empty.parquet")
    with pytest.raises(ResultsFormatError, match="line 10 is not JSON, or cut off"):
        read_details(tmp_path / "samples_a_x.jsonl")


def test_damage_in_the_middle_of_a_file_is_named(tmp_path):
    as_columns(tmp_path / "a.parquet", ANSWERS * 200)
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    for position in range(100, len(content) // 2, 7):
        content[position] ^= 0xFF
    (tmp_path / "a.parquet").write_bytes(content)

    with pytest.raises(ResultsFormatError, match=r"a\.parquet"):
        read_details(tmp_path / "a.parquet")


def test_samples_without_their_members_are_named(tmp_path):
    path = tmp_path / "samples_a_x.jsonl"
    path.write_text('{"doc_id": 0, "doc": {}}\n')

    with pytest.raises(ResultsFormatError, match=r"line 1: columns \['target', 'resps'\] are missing"):
        read_details(path)


def test_an_array_of_samples_is_read_like_lines(tmp_path, monkeypatch):
    lines, array = tmp_path / "samples_a_x.jsonl", tmp_path / "samples_a_x.json"
    as_samples(lines, ANSWERS)
    records = [json.loads(line) for line in lines.read_text().splitlines()]
    for indent in (None, 2):
        array.write_text(json.dumps(records, indent=indent))
        for chunk in (1 << 20, 50):
            monkeypatch.setattr("palmares.leaderboard.details.lm_eval_samples._CHUNK", chunk)
            assert read_details(array) == read_details(lines)
    array.write_text(json.dumps(records)[:-30])
    with pytest.raises(ResultsFormatError, match="element 9 is not JSON, or cut off"):
        read_details(array)


def test_a_file_without_rows_has_none(tmp_path):
    as_columns(tmp_path / "a.parquet", ANSWERS)
    table = pq.read_table(tmp_path / "a.parquet")
    pq.write_table(table.slice(0, 0), tmp_path / "a.parquet")

    assert read_details(tmp_path / "a.parquet") == []


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(ResultsFormatError, match="no such file"):
        read_details(tmp_path / "a.parquet")
