from __future__ import annotations

from dataclasses import replace

import pytest
from palmares.leaderboard.errors import StoreError

from tests.palmares.store.entries import edit, put


@pytest.mark.parametrize("path", ["/etc/passwd", "../a", "a/../../b", "a//b", "./a", "", "a\0b", "a/"])
def test_a_path_that_leads_elsewhere_is_refused(path):
    with pytest.raises(StoreError, match="no plain relative path"):
        put(path)


def test_a_file_too_large_for_the_database_is_refused_with_its_size():
    with pytest.raises(StoreError, match=r"50,000,001 bytes, more than the 50,000,000.*Split"):
        put(content=bytes(50_000_001))


def test_an_entry_has_what_its_kind_needs():
    with pytest.raises(StoreError, match="a put has content"):
        replace(put(), content=None)
    with pytest.raises(StoreError, match="an edit_request has changes"):
        replace(edit(status="x"), changes=None)
