"""docs/operate/failures.md says what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest
from palmares.leaderboard.outcomes import SENTENCES, RetryBudgets
from palmares.signatures import SIGNATURES, Signature

TEXT = (Path(__file__).parents[4] / "docs" / "operate" / "failures.md").read_text(encoding="utf-8")


def row_of(signature: Signature) -> str:
    """A row of the table of signs."""
    where = signature.source.removeprefix("https://github.com/")
    link = where if where == signature.source else f"[{where}]({signature.source})"
    return f"| `{signature.failure_class}` | {signature.sentence} | {link} |"


def test_the_table_of_signs_is_the_code_s_in_its_order():
    _, _, after = TEXT.partition("| class | in words | read in |\n|---|---|---|\n")
    table, _, _ = after.partition("\n\n")

    assert table.splitlines() == [row_of(signature) for signature in SIGNATURES]


@pytest.mark.parametrize("failure_class", sorted(SENTENCES))
def test_each_class_has_its_row_and_its_budget(failure_class):
    _, _, after = TEXT.partition("## Classes")
    table, _, _ = after.partition("\n## ")
    (row,) = [line for line in table.splitlines() if line.startswith(f"| `{failure_class}` | ")]

    retries = RetryBudgets().of(failure_class)
    if retries:
        assert f"| {retries} retr{'y' if retries == 1 else 'ies'} |" in row
    else:
        assert "retr" not in row
