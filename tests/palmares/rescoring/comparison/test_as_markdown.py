from __future__ import annotations

import re

import pytest
from palmares.rescoring.comparison import compare, markdown, overall
from palmares.rescoring.comparison.output import p_text, plain_name


def changes(model, right, wrong, same=100):
    rows = [(f"right{number}", False, True) for number in range(right)]
    rows += [(f"wrong{number}", True, False) for number in range(wrong)]
    return compare(model, "bac-fr", rows + [(f"same{number}", True, True) for number in range(same)])


def test_the_report_tells_counts_scores_tests_ranks_and_row_ids():
    text = markdown(
        overall([changes("org/one", 30, 4), changes("org/two", 0, 2), changes("org/three", 0, 0)])
    )

    assert "**36 of 336 verdicts changed**: 30 to right, 6 to wrong, in 2 of 3 models." in text
    assert "McNemar's test, exact (binomial) and two-sided" in text
    assert re.search(
        r"\| org/one \| bac-fr \| 134 \| 30 \| 4 \| 77\.61 ± 3\.6\d \| 97\.01 ± 1\.4\d \| \+19\.40 ±", text
    )
    assert "`right0`, `right1`" in text
    assert "and 10 more" in text
    assert "`wrong0`" in text


def test_every_row_of_every_table_has_the_head_s_number_of_cells():
    text = markdown(overall([changes("a|b\nc", 3, 1), changes("d", 0, 1), changes("e", 9, 0, same=5)]))

    tables = re.findall(r"(?:^\|.*\|$\n)+", text + "\n", re.MULTILINE)
    assert len(tables) >= 4
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


@pytest.mark.parametrize(
    "name", ["a|b", "<script>", "[x](http://y)", "`code`", "**bold**", "a\nb", "a\u202eb", "$x$"]
)
def test_a_model_s_name_is_text_and_no_markup(name):
    found = plain_name(name)

    assert not re.search(r"(?<!\\)[|<>\[\]()`*$]", found)
    assert not re.search(r"[\n\u202e]", found)


def test_long_tables_are_cut_and_say_so():
    text = markdown(overall([changes(f"org/m{number}", 1, 0) for number in range(203)]))

    assert "… and 3 more, in `flips.json`." in text


def test_rows_without_an_old_verdict_are_told():
    text = markdown(overall([compare("m", "bac-fr", [("a", None, True), ("b", True, True)])]))

    assert "1 rows had no old verdict" in text
    assert "2 (1 new)" in text


def test_a_report_without_changes_says_so():
    text = markdown(overall([changes("m", 0, 0)]))

    assert "**0 of 100 verdicts changed**" in text
    assert text.count("None.") == 2


def test_the_same_report_is_the_same_text():
    models = [changes("a", 3, 1), changes("b", 1, 1), changes("c", 0, 3)]

    assert markdown(overall(models)) == markdown(overall(list(reversed(models))))


@pytest.mark.parametrize(
    ("value", "text"), [(1.0, "1"), (0.0312, "0.031"), (1e-4, "0.0001"), (1e-9, "< 0.0001")]
)
def test_a_p_value_never_reads_zero(value, text):
    assert p_text(value) == text


def test_the_chart_is_shown_where_there_is_one():
    report = overall([changes("m", 1, 0)])

    assert "](flips.svg)" in markdown(report, chart_name="flips.svg")
    assert "![" not in markdown(report)
