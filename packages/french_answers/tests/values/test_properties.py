"""Laws of comparison, on generated values."""

from __future__ import annotations

from decimal import Decimal

import pytest
from french_answers.values import compare_values, is_value
from hypothesis import given, settings
from hypothesis import strategies as st

numbers = st.decimals(min_value=-(10**9), max_value=10**9, allow_nan=False, allow_infinity=False, places=4)
fractions = st.fractions(min_value=-1000, max_value=1000, max_denominator=500)
GOLDS = [
    "12", "-0,5", "3/7", "12 500,75", "6,02×10^23", r"2\sqrt{3}", r"\frac{\pi}{4}", "e^{2}", "ln(2)/3",
    "2x+1",
    "x^2-6x+9", "cos(2x)", "y=2x-3", "2x-y+1=0", "S={-1;2}", "{0,5;1,5}", "]0;1]", "]-∞;2[∪]3;7]", "ℝ∖{2}",
    "(1;-2)", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "1+2i", r"2e^{i\frac{\pi}{3}}", "+∞", "25 km/h",
    "25 %",
    "50°", "1 h 30 min", "x=2 et y=3", "5,2 ± 0,1", "∅", "trois quarts",
]  # fmt: skip


def french(number: Decimal) -> str:
    return f"{number:,}".replace(",", "\u202f").replace(".", ",").replace("-", "−")


@given(numbers)
def test_a_number_equals_itself_in_french_notation(number):
    assert compare_values(str(number), french(number)).equal
    assert compare_values(french(number), f"x = {number}").equal


@given(numbers, numbers)
def test_plain_numbers_are_compared_by_value_both_ways(one, other):
    assert compare_values(str(one), french(other)).equal == (one == other)
    assert compare_values(french(other), str(one)).equal == (one == other)


@given(fractions, fractions)
def test_fractions_are_equal_exactly_when_their_values_are(one, other):
    latex = rf"\frac{{{other.numerator}}}{{{other.denominator}}}"

    assert compare_values(str(one), latex).equal == (one == other)
    assert compare_values(latex, str(one)).equal == (one == other)


@pytest.mark.parametrize("gold", GOLDS)
def test_a_gold_equals_itself_between_marks(gold):
    assert is_value(gold)
    assert compare_values(gold, gold).equal
    assert compare_values(gold, f"  {gold}. ").equal
    assert compare_values(gold, f"${gold}$").equal


@pytest.mark.parametrize("gold", GOLDS)
def test_a_gold_with_one_digit_changed_is_never_equal(gold):
    changed = [
        gold[:place] + digit + gold[place + 1 :]
        for place, old in enumerate(gold)
        if old.isascii() and old.isdigit()
        for digit in "0123456789"
        if digit != old
    ]

    assert [text for text in changed if compare_values(gold, text).equal] == []


def test_golds_of_different_values_differ():
    pairs = [(gold, other) for gold in GOLDS for other in GOLDS if gold != other]

    assert [pair for pair in pairs if compare_values(*pair).equal] == []


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(GOLDS), st.text(max_size=120), st.none() | st.text(max_size=60))
def test_any_text_gets_a_verdict(gold, text, instruction):
    one = compare_values(gold, text, instruction=instruction)

    assert compare_values(gold, text, instruction=instruction) == one
    assert not compare_values(text, "12", instruction=instruction).slow


FRAGMENTS = st.sampled_from(
    [
        "12", "0,5", "\\frac", "{", "}", "(", ")", "[", "]", ";", ",", "\\sqrt", "√", "π", "∞", "x", "e",
        "^", "_", "-", "+",
        "*", "/", "=", "≈", "<", "≤", "∈", "∪", "\\{", "\\}", " ou ", " et ", "ln", "sin(", "°", "%", " cm",
        "m/s", " h ",
        "\\begin{pmatrix}", "\\end{pmatrix}", "&", "\\\\", "|", "!", "±", "∖", "\\mathbb{R}", "S=", "x_1",
        "²", "1 000",
        "trois quarts", "million", "plus l'infini", " est ", "9**9", "\0", "\ud800", "½", "\\binom",
        "\\over", "log_",
        "\\text{", "$", "~", "**", "1e999", " privé de ", "et demie", "⇔", "≠", "∅", "\\lim_{x\\to",
        "100000!",
    ]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(GOLDS), st.lists(FRAGMENTS, max_size=30).map("".join))
def test_any_arrangement_of_signs_gets_a_verdict(gold, text):
    assert isinstance(compare_values(gold, text).equal, bool)
    assert isinstance(is_value(text), bool)
