from __future__ import annotations

import math
import pickle
import tracemalloc

import pytest
from palmares.rescoring.comparison import compare

ROWS = [("a", False, True), ("b", True, False), ("c", True, True), ("d", False, False), ("e", False, True)]


def test_changes_are_counted_both_ways_by_row_id():
    changes = compare("org/model", "bac-fr", ROWS)

    assert (changes.to_right, changes.to_wrong, changes.changed) == (("a", "e"), ("b",), 3)
    assert (changes.rows, changes.right_before, changes.right_after) == (5, 2, 3)


def test_a_row_without_an_old_verdict_counts_in_the_new_score_only():
    changes = compare("org/model", "bac-fr", [*ROWS, ("f", None, True), ("g", None, False)])

    assert (changes.rows, changes.pairs, changes.unknown_before) == (7, 5, 2)
    assert (changes.right_before, changes.right_after, changes.changed) == (2, 4, 3)
    assert changes.shift == pytest.approx(1 / 5)


def test_the_error_of_a_change_is_that_of_the_paired_differences():
    changes = compare("org/model", "bac-fr", ROWS)
    differences = [after - before for _, before, after in ROWS]
    centre = sum(differences) / 5
    variance = sum((one - centre) ** 2 for one in differences) / 4

    assert changes.shift_stderr == pytest.approx(math.sqrt(variance / 5))


def test_without_pairs_there_is_no_change_to_speak_of():
    nothing = compare("org/model", "bac-fr", [("a", None, True)])

    assert (nothing.shift, nothing.shift_stderr) == (None, None)
    assert compare("org/model", "bac-fr", [("a", True, True)]).shift_stderr is None


def test_memory_grows_with_what_changed_and_not_with_the_rows():
    tracemalloc.start()
    rows = ((f"{number:064d}", number % 2 == 0, number % 2 == 0) for number in range(60_000))
    changes = compare("org/model", "bac-fr", rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert changes.rows == 60_000
    assert peak < 200_000


def test_changes_travel_between_processes():
    changes = compare("org/model", "bac-fr", ROWS)

    assert pickle.loads(pickle.dumps(changes)) == changes
