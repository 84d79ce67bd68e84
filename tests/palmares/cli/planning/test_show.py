"""A GPU's memory as a bar: everything is shown, nothing twice, in any width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from palmares.cli.planning.show import USES, bar, cells_of, gibibytes, parts_of

GIB = 2**30


@given(
    sizes=st.lists(st.integers(0, 10**12), min_size=1, max_size=8),
    width=st.integers(10, 200),
)
def test_the_cells_fill_the_width_and_each_use_has_one(sizes, width):
    parts = {f"use{number}": size for number, size in enumerate(sizes)}
    cells = cells_of(parts, width=width)

    assert sum(cells.values()) == (width if any(sizes) else 0)
    assert set(cells) == {name for name, size in parts.items() if size}
    assert all(count >= 1 for count in cells.values())


def test_what_no_use_claims_is_left_to_others():
    parts = parts_of({"free": 10 * GIB, "weights": 60 * GIB}, total=80 * GIB)

    assert parts == {"weights": 60 * GIB, "free": 10 * GIB, "reserve": 10 * GIB}
    assert list(parts) == ["weights", "free", "reserve"]


def test_a_use_that_is_not_known_is_drawn_all_the_same():
    drawn = bar(parts_of({"weights": GIB, "adapters": GIB}, total=2 * GIB), width=20)

    assert drawn.plain == "W" * 10 + "?" * 10


def test_no_two_uses_share_a_letter_or_a_style():
    letters = [use.letter for use in USES.values()]
    assert len(set(letters)) == len(letters)
    assert all(len(letter) == 1 for letter in letters)


@pytest.mark.parametrize(("size", "shown"), [(80 * GIB, "80.0 GiB"), (2**20, "1.0 MiB"), (0, "0.0 MiB")])
def test_bytes_are_shown_in_units_for_people(size, shown):
    assert gibibytes(size) == shown
