"""Quotients of polynomials over the rationals, with roots, i, π, logarithms and powers of e as generators."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from french_answers.values.limits import MAX_BITS, MAX_POWER, MAX_TERMS, UnreadableError

Monomial = tuple[tuple[str, Fraction], ...]
"""Generators in order, each with its exponent: ``v:x`` a letter, ``r:2`` a prime below a root, ``i``, ``pi``,
``ln:2``, ``E:m`` the power of e whose exponent is monomial *m*, and ``?:…`` an opaque one."""
Polynomial = dict[Monomial, Fraction]

ONE: Polynomial = {(): Fraction(1)}
TURN = "E:i*pi"
"""A root of unity; its powers depend on each other, where the school has no value for them."""


@dataclass(frozen=True, slots=True)
class Form:
    """A quotient of two polynomials; neither is changed after it is made."""

    top: Polynomial
    bottom: Polynomial

    @property
    def opaque(self) -> bool:
        """Whether a difference from another form proves nothing."""
        names = {name for part in (self.top, self.bottom) for mono in part for name, _ in mono}
        return any("?" in name or name == TURN for name in names)

    def rational(self) -> Fraction | None:
        """The value, if it is a rational number."""
        if self.bottom == ONE and all(not mono for mono in self.top):
            return self.top.get((), Fraction(0))
        return None

    def letters(self) -> set[str]:
        """Letters that are generators themselves."""
        parts = (self.top, self.bottom)
        return {name[2:] for part in parts for mono in part for name, _ in mono if name.startswith("v:")}


def same(one: Form, other: Form) -> bool:
    """Whether two forms are one, by multiplying across."""
    if one.bottom == other.bottom:
        return one.top == other.top
    return times(one.top, other.bottom) == times(other.top, one.bottom)


def proportional(one: Form, other: Form) -> bool:
    """Whether one is a number other than zero times the other: ``… = 0`` has the same solutions."""
    first, second = one.top, other.top
    if not first or not second or first.keys() != second.keys():
        return not first and not second
    ratios = {first[mono] / second[mono] for mono in first}
    return len(ratios) == 1


def constant(value: Fraction) -> Form:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise UnreadableError("too large a number")
    return Form({(): Fraction(value)} if value else {}, ONE)


def generator(name: str, exponent: Fraction = Fraction(1)) -> Form:
    return Form({((name, exponent),): Fraction(1)}, ONE)


def normal(powers: Iterable[tuple[str, Fraction]], value: Fraction) -> tuple[Monomial, Fraction]:
    """Take whole powers of primes and of i² into the coefficient."""
    kept = []
    for name, exponent in powers:
        if name == "i":
            turns = exponent % 4
            if turns >= 2:
                value, turns = -value, turns - 2
            exponent = turns
        elif name[:2] == "r:":
            whole = math.floor(exponent)
            if whole:
                value *= _bounded_power(Fraction(int(name[2:])), whole)
            exponent -= whole
        elif name == TURN:
            exponent %= 2
        if exponent:
            kept.append((name, exponent))
    kept.sort()
    return tuple(kept), value


def _times_monomials(one: Monomial, other: Monomial, value: Fraction) -> tuple[Monomial, Fraction]:
    if not one or not other:
        return one or other, value
    powers = dict(one)
    for name, exponent in other:
        powers[name] = powers.get(name, Fraction(0)) + exponent
    return normal(powers.items(), value)


def add_term(total: Polynomial, mono: Monomial, value: Fraction) -> None:
    value += total.get(mono, Fraction(0))
    if value:
        total[mono] = value
    else:
        total.pop(mono, None)


def times(one: Polynomial, other: Polynomial) -> Polynomial:
    if one == ONE:
        return other
    if other == ONE:
        return one
    if len(one) * len(other) > MAX_TERMS * 8:
        raise UnreadableError("too many terms")
    total: Polynomial = {}
    for mono, value in one.items():
        for mono_2, value_2 in other.items():
            add_term(total, *_times_monomials(mono, mono_2, value * value_2))
    _check(total)
    return total


def _check(total: Polynomial) -> None:
    if len(total) > MAX_TERMS:
        raise UnreadableError("too many terms")
    for value in total.values():
        if value.numerator.bit_length() > MAX_BITS or value.denominator.bit_length() > MAX_BITS:
            raise UnreadableError("too large a number")


def add_forms(one: Form, other: Form, sign: int) -> Form:
    if one.bottom == other.bottom:
        top, addend, bottom = dict(one.top), other.top, one.bottom
    else:
        top = dict(times(one.top, other.bottom))
        addend, bottom = times(other.top, one.bottom), times(one.bottom, other.bottom)
    for mono, value in addend.items():
        add_term(top, mono, sign * value)
    _check(top)
    return Form(top, bottom)


def multiply(one: Form, other: Form) -> Form:
    return _reduced(times(one.top, other.top), times(one.bottom, other.bottom))


def divide(one: Form, other: Form) -> Form:
    if not other.top:
        raise UnreadableError("a division by zero")
    return _reduced(times(one.top, other.bottom), times(one.bottom, other.top))


def _reduced(top: Polynomial, bottom: Polynomial) -> Form:
    """Divide by a denominator of one term."""
    if bottom == ONE or len(bottom) != 1:
        return Form(top, bottom)
    ((mono, value),) = bottom.items()
    inverse, factor = normal([(name, -exponent) for name, exponent in mono], 1 / value)
    return Form(times(top, {inverse: factor}), ONE)


def _bounded_power(base: Fraction, exponent: int) -> Fraction:
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if abs(exponent) * max(bits, 1) > MAX_BITS and abs(base) != 1:
        raise UnreadableError("too large a power")
    if exponent < 0 and not base:
        raise UnreadableError("a division by zero")
    return base ** (exponent if abs(base) != 1 else exponent % 2)


def whole_power(base: Form, exponent: int) -> Form:
    if exponent < 0:
        return divide(Form(ONE, ONE), whole_power(base, -exponent))
    if len(base.top) <= 1 and len(base.bottom) <= 1:
        parts = []
        for part in (base.top, base.bottom):
            power: Polynomial = {} if exponent else dict(ONE)
            for mono, value in part.items():
                key, factor = normal(
                    [(name, power_of * exponent) for name, power_of in mono], _bounded_power(value, exponent)
                )
                power = {key: factor}
            parts.append(power)
        return _reduced(parts[0], parts[1])
    if exponent > MAX_POWER:
        raise UnreadableError("too large a power")
    result = Form(ONE, ONE)
    for bit in f"{exponent:b}":
        result = multiply(result, result)
        if bit == "1":
            result = multiply(result, base)
    return result


def monomial_key(mono: Monomial) -> str:
    """Write a monomial; a power of e stands in parentheses, since its own name is a product."""
    names = ((f"({name})" if name[:2] == "E:" else name, exponent) for name, exponent in mono)
    return "*".join(name if exponent == 1 else f"{name}^{exponent}" for name, exponent in names)


def key_of(part: Polynomial) -> str:
    return "+".join(sorted(f"{value}*{monomial_key(mono)}" for mono, value in part.items()))
