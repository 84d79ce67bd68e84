"""Brings a formula into an exact form that equal formulas share, as far as school mathematics goes.

A form is a quotient of two polynomials over the rationals. Their generators are letters, i, π, roots and
logarithms of primes, and powers of e; radicals of primes are linearly independent over the rationals
(Besicovitch 1940), so two forms of these alone are equal only if they are the same. Sines and their kin are
written as powers of e (Euler), which proves their identities. What has no such form (roots of sums, absolute
values) becomes an opaque generator: equal forms still prove equality, others nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from include.leaderboard.scoring.values.limits import (
    MAX_BITS,
    MAX_POWER,
    MAX_PRIME,
    MAX_TERMS,
    UnreadableError,
)
from include.leaderboard.scoring.values.tree import Node

Monomial = tuple[tuple[str, Fraction], ...]
"""Generators in order, each with its exponent: ``v:x`` a letter, ``r:2`` a prime below a root, ``i``, ``pi``,
``ln:2``, ``E:m`` the power of e whose exponent is monomial *m*, and ``?:…`` an opaque one."""
Polynomial = dict[Monomial, Fraction]

_ONE: Polynomial = {(): Fraction(1)}
_HALF = Fraction(1, 2)
MAX_FACTORIAL = 400
_EULER = frozenset({"sin", "cos", "tan", "cot", "sinh", "cosh", "tanh"})
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
        if self.bottom == _ONE and all(not mono for mono in self.top):
            return self.top.get((), Fraction(0))
        return None

    def letters(self) -> set[str]:
        """Letters that are generators themselves."""
        parts = (self.top, self.bottom)
        return {name[2:] for part in parts for mono in part for name, _ in mono if name.startswith("v:")}


def form(node: Node) -> Form:
    """Bring a tree into its form.

    Raises:
        UnreadableError: It is undefined (1/0), has no form here, or outgrows the bounds.
    """
    kind = node[0]
    if kind == "n":
        return _constant(node[1])
    if kind == "v":
        return _generator(f"v:{node[1]}")
    if kind == "c":
        return _named(node[1])
    if kind == "neg":
        inner = form(node[1])
        return Form({mono: -value for mono, value in inner.top.items()}, inner.bottom)
    if kind == "f":
        return _function(node[1], [form(argument) for argument in node[2:]])
    if kind == "!":
        return _factorial(form(node[1]))
    left, right = form(node[1]), form(node[2])
    if kind == "^":
        return _power(left, right)
    if kind == "/":
        return _quotient(left, right)
    if kind == "*":
        return _product(left, right)
    return _sum(left, right, -1 if kind == "-" else 1)


def same(one: Form, other: Form) -> bool:
    """Whether two forms are one, by multiplying across."""
    if one.bottom == other.bottom:
        return one.top == other.top
    return _times(one.top, other.bottom) == _times(other.top, one.bottom)


def proportional(one: Form, other: Form) -> bool:
    """Whether one is a number other than zero times the other: ``… = 0`` has the same solutions."""
    first, second = one.top, other.top
    if not first or not second or first.keys() != second.keys():
        return not first and not second
    ratios = {first[mono] / second[mono] for mono in first}
    return len(ratios) == 1


def _constant(value: Fraction) -> Form:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise UnreadableError("too large a number")
    return Form({(): value} if value else {}, _ONE)


def _generator(name: str, exponent: Fraction = Fraction(1)) -> Form:
    return Form({((name, exponent),): Fraction(1)}, _ONE)


def _named(name: str) -> Form:
    if name == "oo":
        raise UnreadableError("an infinity is no number")
    return _generator("E:") if name == "e" else _generator(name)


def _normal(powers: Iterable[tuple[str, Fraction]], value: Fraction) -> tuple[Monomial, Fraction]:
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
    return _normal(powers.items(), value)


def _add(total: Polynomial, mono: Monomial, value: Fraction) -> None:
    value += total.get(mono, Fraction(0))
    if value:
        total[mono] = value
    else:
        total.pop(mono, None)


def _times(one: Polynomial, other: Polynomial) -> Polynomial:
    if one == _ONE:
        return other
    if other == _ONE:
        return one
    if len(one) * len(other) > MAX_TERMS * 8:
        raise UnreadableError("too many terms")
    total: Polynomial = {}
    for mono, value in one.items():
        for mono_2, value_2 in other.items():
            _add(total, *_times_monomials(mono, mono_2, value * value_2))
    _check(total)
    return total


def _check(total: Polynomial) -> None:
    if len(total) > MAX_TERMS:
        raise UnreadableError("too many terms")
    for value in total.values():
        if value.numerator.bit_length() > MAX_BITS or value.denominator.bit_length() > MAX_BITS:
            raise UnreadableError("too large a number")


def _sum(one: Form, other: Form, sign: int) -> Form:
    if one.bottom == other.bottom:
        top, addend, bottom = dict(one.top), other.top, one.bottom
    else:
        top = dict(_times(one.top, other.bottom))
        addend, bottom = _times(other.top, one.bottom), _times(one.bottom, other.bottom)
    for mono, value in addend.items():
        _add(top, mono, sign * value)
    _check(top)
    return Form(top, bottom)


def _product(one: Form, other: Form) -> Form:
    return _reduced(_times(one.top, other.top), _times(one.bottom, other.bottom))


def _quotient(one: Form, other: Form) -> Form:
    if not other.top:
        raise UnreadableError("a division by zero")
    return _reduced(_times(one.top, other.bottom), _times(one.bottom, other.top))


def _reduced(top: Polynomial, bottom: Polynomial) -> Form:
    """Divide by a denominator of one term."""
    if bottom == _ONE or len(bottom) != 1:
        return Form(top, bottom)
    ((mono, value),) = bottom.items()
    inverse, factor = _normal([(name, -exponent) for name, exponent in mono], 1 / value)
    return Form(_times(top, {inverse: factor}), _ONE)


def _bounded_power(base: Fraction, exponent: int) -> Fraction:
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if abs(exponent) * max(bits, 1) > MAX_BITS and abs(base) != 1:
        raise UnreadableError("too large a power")
    if exponent < 0 and not base:
        raise UnreadableError("a division by zero")
    return base ** (exponent if abs(base) != 1 else exponent % 2)


def _power(base: Form, exponent: Form) -> Form:
    constant = exponent.rational()
    if constant is not None:
        return _whole_power(base, int(constant)) if constant.denominator == 1 else _root(base, constant)
    if exponent.bottom != _ONE:
        return _opaque("pow", base, exponent)
    if base.top == {(("E:", Fraction(1)),): Fraction(1)} and base.bottom == _ONE:
        return _exponential(exponent.top)
    value = base.rational()
    if value is None or value <= 0:
        return _opaque("pow", base, exponent)
    return _exponential(_times(exponent.top, _logarithm_of(value)))


def _whole_power(base: Form, exponent: int) -> Form:
    if exponent < 0:
        return _quotient(Form(_ONE, _ONE), _whole_power(base, -exponent))
    if len(base.top) <= 1 and len(base.bottom) <= 1:
        parts = []
        for part in (base.top, base.bottom):
            power: Polynomial = {} if exponent else dict(_ONE)
            for mono, value in part.items():
                key, factor = _normal(
                    [(name, power_of * exponent) for name, power_of in mono], _bounded_power(value, exponent)
                )
                power = {key: factor}
            parts.append(power)
        return _reduced(parts[0], parts[1])
    if exponent > MAX_POWER:
        raise UnreadableError("too large a power")
    result = Form(_ONE, _ONE)
    for bit in f"{exponent:b}":
        result = _product(result, result)
        if bit == "1":
            result = _product(result, base)
    return result


def _root(base: Form, exponent: Fraction) -> Form:
    """A power that is no whole number, of one term; of letters, only of one that stands alone."""
    if not base.top:
        if exponent < 0:
            raise UnreadableError("a division by zero")
        return base
    if len(base.top) != 1 or base.bottom != _ONE:
        return _opaque_power(base, exponent)
    ((mono, value),) = base.top.items()
    powers: dict[str, Fraction] = {}
    if value < 0:
        if exponent.denominator != 2 or mono:
            return _opaque_power(base, exponent)
        powers["i"], value = Fraction(exponent.numerator), -value
    if any(name[0] in "v?iE" for name, _ in mono) and (
        len(mono) > 1 or mono[0][1] != 1 or mono[0][0][0] not in "vE" or mono[0][0] == TURN
    ):
        return _opaque_power(base, exponent)
    for name, power in mono:
        powers[name] = power * exponent
    for prime, count in _factors(value).items():
        name = f"r:{prime}"
        powers[name] = powers.get(name, Fraction(0)) + count * exponent
    key, factor = _normal(powers.items(), Fraction(1))
    return Form({key: factor}, _ONE)


def _factors(value: Fraction) -> dict[int, int]:
    """Prime factors of a positive fraction, the denominator's counted negative.

    Raises:
        UnreadableError: A factor is left that trial division cannot prove prime.
    """
    found: dict[int, int] = {}
    for rest, sign in ((value.numerator, 1), (value.denominator, -1)):
        prime = 2
        while prime * prime <= rest:
            if prime > MAX_PRIME:
                raise UnreadableError("too large a prime")
            while rest % prime == 0:
                found[prime] = found.get(prime, 0) + sign
                rest //= prime
            prime += 1 if prime == 2 else 2
        if rest > 1:
            found[rest] = found.get(rest, 0) + sign
    return found


def _logarithm_of(value: Fraction) -> Polynomial:
    if value <= 0:
        raise UnreadableError("a logarithm of no positive number")
    return {((f"ln:{prime}", Fraction(1)),): Fraction(count) for prime, count in _factors(value).items()}


def _exponential(exponent: Polynomial) -> Form:
    result = Form(_ONE, _ONE)
    for mono, value in exponent.items():
        if len(mono) == 1 and mono[0][0][:3] == "ln:" and mono[0][1] == 1:
            factor = _root_or_power(_constant(Fraction(int(mono[0][0][3:]))), value)
        elif mono == (("i", Fraction(1)), ("pi", Fraction(1))) and (value * 12).denominator == 1:
            cosine, sine = _cosine(value), _sine(value)
            if cosine is None or sine is None:
                factor = _generator(TURN, value % 2)
            else:
                factor = _sum(cosine, _product(_generator("i"), sine), 1)
        else:
            factor = _generator(f"E:{_monomial_key(mono)}", value)
        result = _product(result, factor)
    return result


def _root_or_power(base: Form, exponent: Fraction) -> Form:
    return _whole_power(base, int(exponent)) if exponent.denominator == 1 else _root(base, exponent)


def _monomial_key(mono: Monomial) -> str:
    return "*".join(name if exponent == 1 else f"{name}^{exponent}" for name, exponent in mono)


def _key(part: Polynomial) -> str:
    return "+".join(sorted(f"{value}*{_monomial_key(mono)}" for mono, value in part.items()))


def _opaque(name: str, *arguments: Form) -> Form:
    keys = (f"{_key(argument.top)}/{_key(argument.bottom)}" for argument in arguments)
    return _generator(f"?:{name}({','.join(keys)})")


def _opaque_power(base: Form, exponent: Fraction) -> Form:
    whole, rest = divmod(exponent, 1)
    root = _generator(f"?:root({_key(base.top)}/{_key(base.bottom)})", rest)
    return root if not whole else _product(_whole_power(base, int(whole)), root)


def _cosine(turn: Fraction) -> Form | None:
    """The cosine of *turn* times π, where the school knows it."""
    turn %= 2
    if turn > 1:
        turn = 2 - turn
    sign = 1
    if turn > _HALF:
        turn, sign = 1 - turn, -1
    table: dict[Fraction, Polynomial] = {
        Fraction(0): {(): Fraction(sign)},
        Fraction(1, 6): {(("r:3", _HALF),): Fraction(sign, 2)},
        Fraction(1, 4): {(("r:2", _HALF),): Fraction(sign, 2)},
        Fraction(1, 3): {(): Fraction(sign, 2)},
        _HALF: {},
    }
    return Form(table[turn], _ONE) if turn in table else None


def _sine(turn: Fraction) -> Form | None:
    return _cosine(_HALF - turn)


def _function(name: str, arguments: list[Form]) -> Form:
    argument = arguments[0]
    value = argument.rational()
    if name == "binom":
        return _binomial(value, arguments[1].rational())
    if name == "abs":
        return _absolute(argument)
    if name in {"ln", "log"}:
        logarithm = _logarithm(argument)
        return logarithm if name == "ln" else _quotient(logarithm, Form(_logarithm_of(Fraction(10)), _ONE))
    if name in _EULER:
        return _euler(name, argument)
    return _opaque(name, argument)


def _logarithm(argument: Form) -> Form:
    """Of a product of numbers, roots and powers of e: a sum; of anything else, opaque."""
    if len(argument.top) != 1 or argument.bottom != _ONE:
        if not argument.top:
            raise UnreadableError("a logarithm of zero")
        return _opaque("ln", argument)
    ((mono, value),) = argument.top.items()
    if value <= 0 or any(name[:2] != "r:" and name != "E:" for name, _ in mono):
        return _opaque("ln", argument)
    total = dict(_logarithm_of(value))
    for name, exponent in mono:
        _add(total, () if name == "E:" else ((f"ln:{name[2:]}", Fraction(1)),), exponent)
    return Form(total, _ONE)


def _euler(name: str, argument: Form) -> Form:
    """Write sin, cos, tan, cot and their hyperbolic kin as powers of e."""
    if argument.bottom != _ONE:
        return _opaque(name, argument)
    hyperbolic = name.endswith("h")
    unit: Polynomial = _ONE if hyperbolic else {(("i", Fraction(1)),): Fraction(1)}
    exponent = _times(argument.top, unit)
    rising = _exponential(exponent)
    falling = _exponential({mono: -value for mono, value in exponent.items()})
    sine = _quotient(_sum(rising, falling, -1), Form({mono: Fraction(2) for mono in unit}, _ONE))
    cosine = _product(_sum(rising, falling, 1), _constant(_HALF))
    name = name.removesuffix("h")
    if name in {"tan", "cot"}:
        return _quotient(sine, cosine) if name == "tan" else _quotient(cosine, sine)
    return sine if name == "sin" else cosine


def _absolute(argument: Form) -> Form:
    """Opaque but for numbers; the same for a formula and its negative."""
    value = argument.rational()
    if value is not None:
        return _constant(abs(value))
    if argument.top[min(argument.top)] < 0:
        argument = Form({mono: -value for mono, value in argument.top.items()}, argument.bottom)
    return _opaque("abs", argument)


def _factorial(argument: Form) -> Form:
    value = argument.rational()
    if value is None:
        return _opaque("factorial", argument)
    if value.denominator != 1 or not 0 <= value <= MAX_FACTORIAL:
        raise UnreadableError("too large a factorial, or of no whole number")
    return _constant(Fraction(math.factorial(int(value))))


def _binomial(total: Fraction | None, chosen: Fraction | None) -> Form:
    if total is None or chosen is None or total.denominator != 1 or chosen.denominator != 1:
        raise UnreadableError("a binomial of letters")
    if not 0 <= chosen <= MAX_FACTORIAL or not 0 <= total <= MAX_BITS:
        raise UnreadableError("too large a binomial")
    return _constant(Fraction(math.comb(int(total), int(chosen))))
