"""Families whose answers are numbers, formulas, sets and intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from performance.grading.forms import Forms, superscript


def _integer(random: Random) -> Forms:
    n = random.randint(12, 99_999)
    m, turned = n + random.randint(1, 9), str(n)[::-1].lstrip("0")
    if int(turned) == n:
        turned = str(n + 1)
    return Forms(
        str(n),
        (
            f"{n}", f"{n}.", f"**{n}**", f"Réponse : {n}", f"La réponse est {n}.", f"x = {n}",
            f"\\boxed{{{n}}}", f"${n}$", f"{n},0", f"{n}.00", f" {n} \n", f"Réponse finale : **{n}**",
        ),
        (
            f"{n}0", f"1{n}", f"-{n}", f"{n},2", f"{n} ou {m}", turned, f"{n}/5", f"{n}^2",
            f"{n % 10 + n + 1}", "Je ne sais pas",
        ),
    )  # fmt: skip


def _zero(random: Random) -> Forms:
    n = random.randint(1, 999)
    return Forms(
        "0",
        ("0", "0,0", "zéro", "$0$", "La limite est 0."),
        (f"{n}0", f"0,{n}", f"-{n}0", f"{n}00", f"0 ou {n}"),
    )


def _negative(random: Random) -> Forms:
    n = random.randint(2, 9_999)
    return Forms(
        f"-{n}",
        (f"-{n}", f"−{n}", f"- {n}", f"x=-{n}", f"$-{n}$", f"-{n},0"),
        (f"{n}", f"-{n}0", f"-1{n}", f"-{n} ou {n}", f"±{n}"),
    )


def _thousands(random: Random) -> Forms:
    high, low = random.randint(2, 99), random.randint(1, 8) * 100 + random.randint(1, 99)
    n = high * 1000 + low
    return Forms(
        str(n),
        (
            f"{high} {low}", f"{n}", f"{high}\\,{low}", f"{high}\u202f{low}", f"{high}\xa0{low} €",
            f"{high} {low} euros",
        ),
        (f"{high},{low % 10 + 1}", str(n + 1)[:-1], f"{n // 100} {n % 100 * 10:03}", f"{low}"),
    )  # fmt: skip


def _decimal(random: Random) -> Forms:
    a, b = random.randint(2, 999), random.randint(11, 99)
    if b % 10 == 0:
        b += 1
    return Forms(
        f"{a},{b}",
        (
            f"{a}.{b}", f"{a},{b}", f"≈ {a},{b}", f"environ {a},{b}", f"{a},{b}0", f"$\\approx {a}{{,}}{b}$",
            f"${a}{{,}}{b}$",
        ),
        (f"{a},{b // 10}", f"{a},{b}5", f"{a}{b}", f"{a}{b // 10},{b % 10}", f"-{a},{b}", f"1{a},{b}"),
    )  # fmt: skip


def _rounding(random: Random) -> Forms:
    n = random.randint(11, 98)
    if n % 10 == 0:
        n += 1
    return Forms(
        f"0,{n}",
        (f"0,{n}", f"p ≈ 0,{n}", f"environ 0.{n}"),
        (f"0,{n // 10}", f"0,{n + 1}", f"{n}", f"0,0{n}"),
        "Arrondir au centième.",
    )


def _fraction(random: Random) -> Forms:
    b = random.choice((2, 4, 5, 8, 16, 20, 25, 40))
    a = random.randint(1, 400)
    while math.gcd(a, b) > 1:
        a += 1
    decimal = f"{a / b:.6f}".rstrip("0").replace(".", ",")
    return Forms(
        f"{a}/{b}",
        (
            decimal, f"\\frac{{{a}}}{{{b}}}", f"\\dfrac{{{a}}}{{{b}}}", f"{a}/{b}", f"{2 * a}/{2 * b}",
            f"{3 * a}/{3 * b}", f"$\\frac{{{a}}}{{{b}}}$", f"P(A)=\\frac{{{a}}}{{{b}}}",
        ),
        (f"{a}/{b + 1}", f"{a + b}", f"{a}/{b}0", f"-{a}/{b}", f"1{a}/{b}", f"{a}/{b} ou {a}/{b + 1}"),
    )  # fmt: skip


def _root(random: Random) -> Forms:
    a, b = random.randint(2, 60), random.choice((2, 3, 5, 6, 7, 10, 11, 13))
    return Forms(
        f"{a}\\sqrt{{{b}}}",
        (f"{a}√{b}", f"\\sqrt{{{a * a * b}}}", f"${a}\\sqrt{{{b}}}$", f"{a}*sqrt({b})", f"{a} \\sqrt{{{b}}}"),
        (f"√{b}", f"{a}\\sqrt{{{b + 1}}}", f"{a + 1}√{b}", f"-{a}\\sqrt{{{b}}}", f"{a}\\sqrt{{{b}0}}"),
    )


def _pi(random: Random) -> Forms:
    a, b = random.randint(2, 40), random.choice((3, 4, 5, 7, 8, 9, 11))
    while math.gcd(a, b) > 1:
        a += 1
    return Forms(
        f"{a}\\pi/{b}",
        (f"{a}π/{b}", f"\\frac{{{a}\\pi}}{{{b}}}", f"$\\dfrac{{{a}\\pi}}{{{b}}}$", f"{a}pi/{b}"),
        (f"{a}π/{b + 1}", f"{a + 1}π/{b}", f"{b}/({a}π)", f"-{a}π/{b}"),
    )


def _exp(random: Random) -> Forms:
    n = random.randint(2, 99)
    return Forms(
        f"e^{{{n}}}",
        (f"e^{n}" if n < 10 else f"e^{{{n}}}", f"\\mathrm{{e}}^{{{n}}}", f"exp({n})", f"e{superscript(n)}"),
        (f"{n}e", f"e^{{{n + 1}}}", "e", f"e^{{{n}0}}"),
    )


def _ln(random: Random) -> Forms:
    n = random.randint(2, 999)
    return Forms(
        f"ln({n})",
        (f"\\ln {n}", f"ln {n}", f"$\\ln({n})$", f"x = ln({n})"),
        (f"ln({n + 1})", f"{n}", f"ln({n}0)", f"-ln({n})"),
    )


def _scientific(random: Random) -> Forms:
    a, b, k = random.randint(1, 9), random.randint(11, 98), random.randint(4, 40)
    if b % 10 == 0:
        b += 1
    return Forms(
        f"{a},{b}×10^{k}",
        (f"{a}.{b}e{k}", f"{a},{b} \\times 10^{{{k}}}", f"{a},{b}·10{superscript(k)}", f"{a},{b} x 10^{k}"),
        (f"{a},{b}×10^{k - 1}", f"{a},{b}", f"{a}{b}", f"{a},{b // 10}×10^{k}"),
    )


def _infinity(random: Random) -> Forms:
    n = random.randint(0, 99)
    sign, other, word = ("+", "-", "plus") if random.random() < 0.5 else ("-", "+", "moins")
    return Forms(
        f"{sign}\\infty",
        (f"{sign}∞", f"{sign}\\infty", f"${sign}\\infty$", f"{word} l'infini", f"La limite est {sign}∞."),
        (f"{other}∞", f"{n}", f"{other}\\infty", f"{n + 1}"),
    )


def _solution_set(random: Random) -> Forms:
    a, b = -random.randint(1, 99), random.randint(2, 99)
    if b == -a:
        b += 1
    return Forms(
        f"S={{{a};{b}}}",
        (
            f"x={a} ou x={b}", f"{{{b};{a}}}", f"{a} et {b}", f"S = \\{{{a} ; {b}\\}}",
            f"$S=\\{{{a};{b}\\}}$", f"Les solutions sont {a} et {b}.",
        ),
        (f"{{{a}}}", f"{{{-a};{b}}}", f"{a};{b};{b + 1}", f"{b}", f"S={{{a};{b}0}}"),
    )  # fmt: skip


def _interval(random: Random) -> Forms:
    a = random.randint(-99, 99)
    b = a + random.randint(1, 99)
    if b == 0:
        b = 1
    return Forms(
        f"]{a};{b}]",
        (f"]{a} ; {b}]", f"\\left]{a};{b}\\right]", f"$]{a};{b}]$", f"x ∈ ]{a};{b}]"),
        (f"[{a};{b}]", f"]{a};{b}[", f"]{a};{b}0]", f"]{b};{a}]"),
    )


def _tuple(random: Random) -> Forms:
    a, b = random.randint(1, 99), random.randint(1, 99)
    if a == b:
        b += 1
    return Forms(
        f"({a};{b})",
        (f"({a} ; {b})", f"({a}, {b})", f"\\begin{{pmatrix}}{a}\\\\{b}\\end{{pmatrix}}", f"A({a};{b})"),
        (f"({b};{a})", f"({a};{b};{b + 1})", f"({a};{b}0)", f"(-{a};{b})"),
    )


def _algebra(random: Random) -> Forms:
    a, b = random.randint(2, 99), random.randint(1, 99)
    return Forms(
        f"{a}x+{b}",
        (f"{b}+{a}x", f"{a}x + {b}", f"f(x)={a}x+{b}", f"{a}·x+{b}", f"${a}x+{b}$"),
        (f"{a}x-{b}", f"{a}x+{b}0", f"x+{b}", f"1{a}x+{b}"),
    )


def _line(random: Random) -> Forms:
    a, b = random.randint(2, 99), random.randint(1, 99)
    return Forms(
        f"y={a}x-{b}",
        (f"y = {a}x - {b}", f"y=-{b}+{a}x", f"$y={a}x-{b}$"),
        (f"y={a}x+{b}", f"y={a}x-{b}0", f"y=-{a}x-{b}"),
    )


def _complex(random: Random) -> Forms:
    a, b = random.randint(1, 99), random.randint(2, 99)
    if a == b:
        b += 1
    return Forms(
        f"{a}+{b}i",
        (f"{b}i+{a}", f"{a} + {b}i", f"${a}+{b}i$", f"z = {a}+{b}i"),
        (f"{a}-{b}i", f"{b}+{a}i", f"{a}+{b}0i"),
    )


def _unicode(random: Random) -> Forms:
    n = random.randint(2, 60)
    return Forms(
        f"x^{{{n}}}" if n > 9 else f"x^{n}",
        (f"x{superscript(n)}", f"$x^{{{n}}}$", f"x^{{{n}}}"),
        (f"x^{{{n + 1}}}", f"{n}x", "x"),
    )


NOTATION_FAMILIES: dict[str, tuple[Callable[[Random], Forms], int, int]] = {
    "integer": (_integer, 12, 10),
    "zero": (_zero, 5, 5),
    "negative": (_negative, 6, 5),
    "thousands": (_thousands, 6, 4),
    "decimal": (_decimal, 7, 6),
    "rounding": (_rounding, 3, 4),
    "fraction": (_fraction, 8, 6),
    "root": (_root, 5, 5),
    "pi": (_pi, 4, 4),
    "exp": (_exp, 5, 4),
    "ln": (_ln, 4, 4),
    "scientific": (_scientific, 4, 4),
    "infinity": (_infinity, 5, 4),
    "solution_set": (_solution_set, 6, 5),
    "interval": (_interval, 4, 4),
    "tuple": (_tuple, 4, 4),
    "algebra": (_algebra, 5, 4),
    "line": (_line, 3, 3),
    "complex": (_complex, 4, 3),
    "unicode": (_unicode, 3, 3),
}
