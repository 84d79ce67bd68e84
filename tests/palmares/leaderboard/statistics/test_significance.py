from __future__ import annotations

from math import comb

import pytest
from palmares.leaderboard.statistics.significance import holm, mcnemar


@pytest.mark.parametrize(("to_right", "to_wrong"), [(0, 1), (5, 0), (8, 2), (2, 8), (121, 59)])
def test_mcnemar_is_the_exact_binomial_test_of_the_changed_rows(to_right, to_wrong):
    changed, fewer = to_right + to_wrong, min(to_right, to_wrong)
    tail = sum(comb(changed, count) for count in range(fewer + 1)) / 2**changed

    assert mcnemar(to_right, to_wrong) == pytest.approx(min(1.0, 2 * tail))


@pytest.mark.parametrize("count", [0, 1, 7])
def test_as_many_one_way_as_the_other_is_no_direction(count):
    assert mcnemar(count, count) == 1


def test_rows_that_did_not_change_do_not_count():
    assert mcnemar(5, 0) == pytest.approx(1 / 16)


def test_holm_corrects_stepwise_and_keeps_the_order():
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]).tolist() == [1, 1]
    assert holm([]).tolist() == []
