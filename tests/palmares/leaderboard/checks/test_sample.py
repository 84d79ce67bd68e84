from __future__ import annotations

from palmares.leaderboard.checks.sample import sample

from tests.palmares.leaderboard.checks.broken_scorers import row_of


def test_a_sample_is_the_same_whatever_the_order_and_keeps_rows_of_one_id():
    rows = [row_of("1", row_id=str(number % 50)) for number in range(100)]

    chosen = [row.row_id for row in sample(rows, 10)]

    assert chosen == [row.row_id for row in sample(reversed(rows), 10)]
    assert len(chosen) == 10
    assert len(set(chosen)) == 5


def test_a_small_task_is_taken_whole():
    rows = [row_of("1", row_id=str(number)) for number in range(7)]

    assert {row.row_id for row in sample(iter(rows), 500)} == {row.row_id for row in rows}
