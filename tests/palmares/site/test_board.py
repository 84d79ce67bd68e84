"""Rows, the ranks that the data allows, and search."""

from __future__ import annotations

import pytest
from palmares.site.board import Search, difference, rows_of

from tests.palmares.site.public_data import TITLES, many, record, small_board


def board():
    return {row.name: row for row in rows_of(small_board(), TITLES)}


def test_models_whose_intervals_overlap_share_their_ranks():
    texts = {name: row.rank_text for name, row in board().items()}
    assert texts == {
        "org/premier": "1",
        "org/deuxième": "2–3",
        "autre/troisieme": "2–3",
        "org/perfect": "4",
        "org/flagged": "–",
        "org/withdrawn": "–",
    }


def test_the_rank_interval_holds_the_rank_and_counts_who_can_overtake():
    rows = rows_of(many(300), TITLES)
    spans = []
    for row in rows:
        assert row.average is not None
        assert row.average_stderr is not None
        half = 1.959964 * row.average_stderr
        spans.append((row.average - half, row.average + half))
    for row, (low, high) in zip(rows, spans, strict=True):
        surely_above = sum(other_low > high for other_low, _ in spans)
        surely_below = sum(other_high < low for _, other_high in spans)
        best, worst = 1 + surely_above, len(rows) - surely_below
        assert (row.best_rank, row.worst_rank) == (best, worst)
        assert row.rank is not None
        assert best <= row.rank <= worst


def test_an_error_of_zero_is_no_error_known():
    value = board()["org/perfect"].values["BAC-fr"]
    assert (value.shown, value.stderr) == (100.0, None)


def test_a_column_that_the_table_lacks_reads_as_unknown():
    (row,) = rows_of([{"fullname": "org/bare"}], TITLES)
    assert (row.average, row.rank_text, row.license, row.values["BAC-fr"].shown) == (None, "–", "?", None)


def test_a_link_that_runs_a_script_is_no_link():
    assert board()["org/flagged"].moderation_link is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 6),
        ("premier", 1),
        ("PREMIER; deuxieme", 2),
        ("ancien", 1),
        ("license: mit", 1),
        ("licence:mit ; org", 1),
        ("org; license: mit", 1),
        ("@license: mit premier", 1),
        ("license: mit; license: apache-2.0", 6),
        ("type: merge", 1),
        ("type: base merges", 1),
        ("org: autre", 1),
        ("precision: bfloat16 troisieme; premier", 2),
        ("architecture: llama", 6),
        ("nobody", 0),
        ("license: gpl", 0),
        (";;  ;", 6),
    ],
)
def test_a_search_takes_names_and_fields_in_any_order(text: str, expected: int):
    search = Search.parse(text)
    assert sum(search.matches(row) for row in board().values()) == expected


def test_a_difference_has_the_interval_of_two_independent_values():
    rows = board()
    found = difference(rows["org/premier"], rows["org/deuxième"])
    assert found is not None
    assert found == pytest.approx((20.0, 1.959964 * 8**0.5))
    assert difference(rows["org/premier"], rows["org/withdrawn"]) is None
    assert difference(rows["org/premier"], rows["org/perfect"], "BAC-fr") == (-20.0, None)


def test_one_model_alone_has_the_first_rank():
    (row,) = rows_of([record("org/one", 50.0, Rank=1)], TITLES)
    assert row.rank_text == "1"


def test_the_ranks_and_intervals_of_the_table_are_shown_as_they_are():
    measured = {
        "Rank Best": 1, "Rank Worst": 3, "Tie Group": 1, "Average Low": 47.5, "Average High": 52.0,
        "BAC-fr Low": 40.0, "BAC-fr High": 60.0, "BAC-fr Rank Best": 2, "BAC-fr Rank Worst": 2,
    }  # fmt: skip
    first, unknown = rows_of(
        [record("org/one", 50.0, Rank=1, **measured), record("org/two", 49.9, Rank=2)], TITLES
    )
    assert (first.rank_text, first.tie_group, first.interval) == ("1–3", 1, (47.5, 52.0))
    assert (first.values["BAC-fr"].interval, first.values["BAC-fr"].ranks) == ((40.0, 60.0), (2, 2))
    assert (unknown.rank_text, unknown.interval) == ("2", None)
