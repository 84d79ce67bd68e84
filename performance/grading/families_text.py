"""Families whose answers are words, letters and quantities, and those that test where the answer stands."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from performance.grading.forms import Forms

_OPPOSITES = (
    ("convexe", "concave"),
    ("concave", "convexe"),
    ("croissante", "décroissante"),
    ("paire", "impaire"),
    ("positive", "négative"),
    ("continue", "discontinue"),
    ("affine", "quadratique"),
    ("périodique", "monotone"),
)


def _unit_extra(random: Random) -> Forms:
    n = random.randint(12, 9_999)
    return Forms(
        f"{n}",
        (f"{n} cm", f"{n} km/h", f"{n} €", f"${n}\\ \\text{{cm}}$", f"L'aire vaut {n} cm²."),
        (f"{n // 10},{n % 10 or 5} cm", f"{n}0 cm", f"1{n} €"),
    )


def _unit_gold(random: Random) -> Forms:
    a, b = random.randint(1, 99), random.randint(1, 9)
    return Forms(
        f"{a},{b} m/s²",
        (f"{a},{b} m.s^{{-2}}", f"{a},{b} m·s⁻²", f"{a}.{b} m/s^2", f"g = {a},{b} m/s²"),
        (f"{a}{b} m/s²", f"0,{a}{b} m/s²", f"{a},{b} km/s²"),
    )


def _percent(random: Random) -> Forms:
    n = random.randint(11, 98)
    if n == 50:
        n += 1
    return Forms(
        f"{n} %",
        (f"{n}%", f"{n} \\%", f"{n} pour cent", f"${n}\\,\\%$"),
        (f"{n // 10},{n % 10 or 5} %", f"{100 - n} %", f"1{n} %"),
    )


def _degrees(random: Random) -> Forms:
    n = random.randint(11, 98)
    turned = n % 10 * 10 + n // 10
    return Forms(
        f"{n}°",
        (f"{n} degrés", f"{n}^\\circ", f"${n}°$"),
        (f"{turned if turned != n else n + 1}°", f"{n // 10},{n % 10 or 5}°", f"1{n}°"),
    )


def _letter(random: Random) -> Forms:
    gold, other, third = random.sample("ABCD", 3)
    word = {"A": "Absolument", "B": "Beaucoup", "C": "Certainement", "D": "Difficile"}[gold]
    return Forms(
        gold,
        (
            gold, gold.lower(), f"Réponse {gold}", f"La bonne réponse est {gold}.", f"({gold})", f"{gold})",
            f"**{gold}**", f"{gold}. {random.randint(2, 99)}π",
        ),
        (other, f"{other} ou {gold}", f"Bien sûr, la réponse est {third}", third, word),
        "Répondre par A, B, C ou D.",
    )  # fmt: skip


def _truth(random: Random) -> Forms:
    if random.random() < 0.5:
        gold, feminine, other, other_feminine, way = "vrai", "vraie", "faux", "fausse", "croissante"
    else:
        gold, feminine, other, other_feminine, way = "faux", "fausse", "vrai", "vraie", "décroissante"
    return Forms(
        gold,
        (
            f"{gold.capitalize()}.", gold.upper(), f"L'affirmation est {feminine}.",
            f"{gold.capitalize()}, car f est {way}.",
        ),
        (other, "vrai ou faux", f"Ce n'est pas {gold}", f"L'affirmation est {other_feminine}."),
    )  # fmt: skip


def _word(random: Random) -> Forms:
    word, opposite = random.choice(_OPPOSITES)
    return Forms(
        word,
        (f"La fonction est {word}.", word.capitalize(), word),
        (opposite, f"non {word}", f"ni {word} ni {opposite}"),
    )


def _final(random: Random) -> Forms:
    a, b = random.randint(3, 99), random.randint(3, 99)
    n = a * b
    return Forms(
        f"{n}",
        (
            f"On calcule {a}×{b} = {n}. Donc la réponse est {n}.",
            f"{a} + {n - a} = {n}",
            f"On a {a} lignes et {b} colonnes, soit {a} × {b} = {n} cases.\n\nRéponse : {n}",
        ),
        (
            f"On calcule {a}×{b} = {n}, puis on retire 2. La réponse finale est {n - 2}.",
            f"{n} est le nombre de côtés, donc la réponse est {2 * n}.",
            f"La réponse n'est pas {n} mais {n + 2}.",
        ),
    )


def _boxed(random: Random) -> Forms:
    n = random.randint(7, 9_999)
    return Forms(
        f"{n}",
        (f"On obtient {n - 2} puis 2. \\boxed{{{n}}}", f"Donc $\\boxed{{x={n}}}$."),
        (f"On obtient {n} au départ. \\boxed{{{n + 2}}}",),
    )


def _think(random: Random) -> Forms:
    n = random.randint(12, 999_999)
    return Forms(
        f"{n}",
        (
            f"<think>Peut-être {n - 5} ? Non.</think>{n}",
            f"<think>\nhmm {n + 1}\n</think>\n\nLa réponse est {n}.",
        ),
        (f"<think>{n}</think>{n - 5}", f"<think>La réponse est {n}.</think> Je ne sais pas"),
    )


def _empty(random: Random) -> Forms:
    blank = "".join(random.choices(" \n\t", k=random.randint(5, 40)))
    return Forms(str(random.randint(3, 99)), (), (blank,))


TEXT_FAMILIES: dict[str, tuple[Callable[[Random], Forms], int, int]] = {
    "unit_extra": (_unit_extra, 5, 3),
    "unit_gold": (_unit_gold, 4, 3),
    "percent": (_percent, 4, 3),
    "degrees": (_degrees, 3, 3),
    "letter": (_letter, 8, 6),
    "truth": (_truth, 4, 4),
    "word": (_word, 3, 3),
    "final": (_final, 3, 3),
    "boxed": (_boxed, 2, 1),
    "think": (_think, 2, 2),
    "empty": (_empty, 0, 3),
}
