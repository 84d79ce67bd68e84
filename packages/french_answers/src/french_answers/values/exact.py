"""Brings a formula into an exact form that equal formulas share, as far as school mathematics goes.

A form is a quotient of two polynomials over the rationals. Their generators are letters, i, π, roots and
logarithms of primes, and powers of e; radicals of primes are linearly independent over the rationals
(Besicovitch 1940), so two forms of these alone are equal only if they are the same. Sines and their kin are
written as powers of e (Euler), which proves their identities. What has no such form (roots of sums, absolute
values) becomes an opaque generator: equal forms still prove equality, others nothing.
"""

from __future__ import annotations

import math
from fractions import Fraction

from french_answers.values.limits import MAX_BITS, MAX_PRIME, UnreadableError
from french_answers.values.polynomials import (
    ONE,
    TURN,
    Form,
    Polynomial,
    add_forms,
    add_term,
    constant,
    divide,
    generator,
    key_of,
    monomial_key,
    multiply,
    normal,
    times,
    whole_power,
)
from french_answers.values.tree import Node

_HALF = Fraction(1, 2)
MAX_FACTORIAL = 400
_EULER = frozenset({"sin", "cos", "tan", "cot", "sinh", "cosh", "tanh"})


def form(node: Node) -> Form:
    """Bring a tree into its form.

    Raises:
        UnreadableError: It is undefined (1/0), has no form here, or outgrows the bounds.
    """
    kind = node[0]
    if kind == "n":
        return constant(node[1])
    if kind == "v":
        return generator(f"v:{node[1]}")
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
        return divide(left, right)
    if kind == "*":
        return multiply(left, right)
    return add_forms(left, right, -1 if kind == "-" else 1)


def _named(name: str) -> Form:
    if name == "oo":
        raise UnreadableError("an infinity is no number")
    return generator("E:") if name == "e" else generator(name)


def _power(base: Form, exponent: Form) -> Form:
    constant = exponent.rational()
    if constant is not None:
        return whole_power(base, int(constant)) if constant.denominator == 1 else _root(base, constant)
    if exponent.bottom != ONE:
        return _opaque("pow", base, exponent)
    if base.top == {(("E:", Fraction(1)),): Fraction(1)} and base.bottom == ONE:
        return _exponential(exponent.top)
    value = base.rational()
    if value is None or value <= 0:
        return _opaque("pow", base, exponent)
    return _exponential(times(exponent.top, _logarithm_of(value)))


def _root(base: Form, exponent: Fraction) -> Form:
    """A power that is no whole number, of one term; of letters, only of one that stands alone."""
    if not base.top:
        if exponent < 0:
            raise UnreadableError("a division by zero")
        return base
    if len(base.top) != 1 or base.bottom != ONE:
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
    key, factor = normal(powers.items(), Fraction(1))
    return Form({key: factor}, ONE)


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
    result = Form(ONE, ONE)
    for mono, value in exponent.items():
        if len(mono) == 1 and mono[0][0][:3] == "ln:" and mono[0][1] == 1:
            factor = _root_or_power(constant(Fraction(int(mono[0][0][3:]))), value)
        elif mono == (("i", Fraction(1)), ("pi", Fraction(1))) and (value * 12).denominator == 1:
            cosine, sine = _cosine(value), _sine(value)
            if cosine is None or sine is None:
                factor = generator(TURN, value % 2)
            else:
                factor = add_forms(cosine, multiply(generator("i"), sine), 1)
        else:
            factor = generator(f"E:{monomial_key(mono)}", value)
        result = multiply(result, factor)
    return result


def _root_or_power(base: Form, exponent: Fraction) -> Form:
    return whole_power(base, int(exponent)) if exponent.denominator == 1 else _root(base, exponent)


def _opaque(name: str, *arguments: Form) -> Form:
    keys = (f"{key_of(argument.top)}/{key_of(argument.bottom)}" for argument in arguments)
    return generator(f"?:{name}({','.join(keys)})")


def _opaque_power(base: Form, exponent: Fraction) -> Form:
    whole, rest = divmod(exponent, 1)
    root = generator(f"?:root({key_of(base.top)}/{key_of(base.bottom)})", rest)
    return root if not whole else multiply(whole_power(base, int(whole)), root)


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
    return Form(table[turn], ONE) if turn in table else None


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
        return logarithm if name == "ln" else divide(logarithm, Form(_logarithm_of(Fraction(10)), ONE))
    if name in _EULER:
        return _euler(name, argument)
    return _opaque(name, argument)


def _logarithm(argument: Form) -> Form:
    """Of a product of numbers, roots and powers of e: a sum; of anything else, opaque."""
    if len(argument.top) != 1 or argument.bottom != ONE:
        if not argument.top:
            raise UnreadableError("a logarithm of zero")
        return _opaque("ln", argument)
    ((mono, value),) = argument.top.items()
    if value <= 0 or any(name[:2] != "r:" and name != "E:" for name, _ in mono):
        return _opaque("ln", argument)
    total = dict(_logarithm_of(value))
    for name, exponent in mono:
        add_term(total, () if name == "E:" else ((f"ln:{name[2:]}", Fraction(1)),), exponent)
    return Form(total, ONE)


def _euler(name: str, argument: Form) -> Form:
    """Write sin, cos, tan, cot and their hyperbolic kin as powers of e."""
    if argument.bottom != ONE:
        return _opaque(name, argument)
    hyperbolic = name.endswith("h")
    unit: Polynomial = ONE if hyperbolic else {(("i", Fraction(1)),): Fraction(1)}
    exponent = times(argument.top, unit)
    rising = _exponential(exponent)
    falling = _exponential({mono: -value for mono, value in exponent.items()})
    sine = divide(add_forms(rising, falling, -1), Form({mono: Fraction(2) for mono in unit}, ONE))
    cosine = multiply(add_forms(rising, falling, 1), constant(_HALF))
    name = name.removesuffix("h")
    if name in {"tan", "cot"}:
        return divide(sine, cosine) if name == "tan" else divide(cosine, sine)
    return sine if name == "sin" else cosine


def _absolute(argument: Form) -> Form:
    """Opaque but for numbers; the same for a formula and its negative."""
    value = argument.rational()
    if value is not None:
        return constant(abs(value))
    if argument.top[min(argument.top)] < 0:
        argument = Form({mono: -value for mono, value in argument.top.items()}, argument.bottom)
    return _opaque("abs", argument)


def _factorial(argument: Form) -> Form:
    value = argument.rational()
    if value is None:
        return _opaque("factorial", argument)
    if value.denominator != 1 or not 0 <= value <= MAX_FACTORIAL:
        raise UnreadableError("too large a factorial, or of no whole number")
    return constant(Fraction(math.factorial(int(value))))


def _binomial(total: Fraction | None, chosen: Fraction | None) -> Form:
    if total is None or chosen is None or total.denominator != 1 or chosen.denominator != 1:
        raise UnreadableError("a binomial of letters")
    if not 0 <= chosen <= MAX_FACTORIAL or not 0 <= total <= MAX_BITS:
        raise UnreadableError("too large a binomial")
    return constant(Fraction(math.comb(int(total), int(chosen))))
