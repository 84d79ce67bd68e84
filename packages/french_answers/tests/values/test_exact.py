"""Exact forms keep the value of a formula, and equal forms prove equality."""

from __future__ import annotations

import cmath
import math
from fractions import Fraction

import pytest
from french_answers.values import approximate, exact
from french_answers.values.limits import UnreadableError
from french_answers.values.polynomials import Form, Polynomial, proportional, same
from french_answers.values.text import clean, tokens
from french_answers.values.tree import Node, parse
from hypothesis import assume, given, settings
from hypothesis import strategies as st

leaves = st.one_of(
    st.integers(-6, 12).map(lambda value: ("n", value)),
    st.fractions(-3, 3, max_denominator=6).map(lambda value: ("n", value)),
    st.sampled_from([("v", "x"), ("v", "y"), ("c", "pi"), ("c", "e"), ("c", "i")]),
)
halves = st.sampled_from([("n", Fraction(1, 2)), ("n", Fraction(1, 3)), ("n", Fraction(-1, 2))])


def branches(trees):
    return st.one_of(
        st.tuples(st.sampled_from("+-*/"), trees, trees),
        st.tuples(st.just("neg"), trees),
        st.tuples(st.just("^"), trees, st.integers(-3, 4).map(lambda value: ("n", value))),
        st.tuples(st.just("^"), st.integers(1, 60).map(lambda value: ("n", value)), halves),
        st.tuples(st.just("^"), st.just(("c", "e")), trees),
        st.tuples(st.just("f"), st.sampled_from(["sin", "cos", "tan", "sinh", "cosh", "tanh"]), trees),
        st.tuples(st.just("f"), st.just("ln"), st.integers(1, 40).map(lambda value: ("n", value))),
    )


trees = st.recursive(leaves, branches, max_leaves=7)


def formed(node: Node) -> Form:
    try:
        return exact.form(node)
    except UnreadableError:
        assume(False)
        raise


def part_value(part: Polynomial) -> complex:
    return sum(
        (complex(float(value)) * math.prod(generator(name, power) for name, power in mono))
        for mono, value in part.items()
    )


def generator(name: str, power: Fraction) -> complex:
    kind, _, rest = name.partition(":")
    if kind == "E":
        # Not a power of a power, which would leave the principal branch.
        factors = [factor.partition("^") for factor in rest.split("*") if factor]
        exponent = math.prod(generator(base, Fraction(inner or 1)) for base, _, inner in factors)
        return cmath.exp(exponent * float(power))
    if name == "i":
        return 1j ** float(power)
    if name == "pi":
        return complex(math.pi) ** float(power)
    if kind == "v":
        known = approximate.value(("v", rest))
        assert known is not None
        return known ** float(power)
    return complex(int(rest) if kind == "r" else math.log(int(rest))) ** float(power)


@settings(max_examples=500, deadline=None)
@given(trees)
def test_a_form_has_the_value_of_its_formula(node):
    value = approximate.value(node)
    assume(value is not None and 1e-6 < abs(value) < 1e6)
    form = formed(node)
    names = {name for part in (form.top, form.bottom) for mono in part for name, _ in mono}
    assume(not form.opaque and not any("(" in name for name in names))  # powers of e in exponents of e
    try:
        top, bottom = part_value(form.top), part_value(form.bottom)
        assume(abs(bottom) > 1e-6)
        found = top / bottom
    except (ArithmeticError, ValueError):
        assume(False)
        raise

    assert value is not None
    assert abs(found - value) <= 1e-5 * max(1, abs(value))


@settings(max_examples=300, deadline=None)
@given(trees, trees)
def test_equal_forms_have_equal_values(one, other):
    first, second = formed(one), formed(other)
    if same(first, second):
        left, right = approximate.value(one), approximate.value(other)
        if left is not None and right is not None:
            assert abs(left - right) <= 1e-6 * max(1, abs(left))


@settings(max_examples=200, deadline=None)
@given(trees, trees)
def test_a_sum_has_one_form_in_both_orders(one, other):
    assert same(formed(("+", one, other)), formed(("+", other, one)))
    assert same(formed(("*", one, other)), formed(("*", other, one)))


def form_of(text: str) -> Form:
    return exact.form(parse(tokens(clean(text))))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("√8", "2√2"),
        ("√2√3", "√6"),
        ("1/(1+√2)", "√2-1"),
        ("2^{1/3}×4^{1/3}", "2"),
        ("ln(12)", "2ln 2 + ln 3"),
        ("e^{ln(3)}", "3"),
        ("e^{2x}e^{-x}", "e^x"),
        ("2^x×4^x", "8^x"),
        ("e^{iπ}", "-1"),
        ("sin(3x)", "3sin(x)-4sin(x)^3"),
        ("cos(π/2-x)", "sin x"),
        ("cosh(x)^2-sinh(x)^2", "1"),
        ("(1+i)^4", "-4"),
        ("\\frac{x^2-1}{x-1}", "x+1"),
    ],
)
def test_school_identities_share_a_form(one, other):
    assert same(form_of(one), form_of(other))


def test_powers_of_powers_of_e_keep_apart():
    assert not same(form_of("e^{e^{i×ln(2)}}"), form_of("e^{ln(2)×e^{i}}"))


def test_equations_with_the_same_solutions_are_proportional():
    assert proportional(form_of("2x-y+1"), form_of("-4x+2y-2"))
    assert not proportional(form_of("2x-y+1"), form_of("-4x+2y+2"))


@pytest.mark.parametrize(
    "text", ["1/0", "0^{-1}", "ln(0)", "1/(sin(x)^2+cos(x)^2-1)", "9^9^9", "(x+y+z)^{41}", "500!"]
)
def test_what_is_undefined_or_too_large_has_no_form(text):
    with pytest.raises(UnreadableError):
        form_of(text)
