"""What stands before the final answer: working in French, and reasoning traces."""

from __future__ import annotations

from random import Random

_STEPS = (
    "On pose u = {a}, d'où v = {b}.",
    "Comme {a} + {b} = {c}, on peut simplifier l'expression.",
    "On dérive : $f'(x) = {a}x^2 + {b}x$, qui est du signe de $x$.",
    "D'après le théorème de Pythagore, $AB^2 = {a}^2 + {b}^2$.",
    "- étape {a} : on factorise par $({b}x - 1)$ ;",
    "La suite est géométrique de raison {a},{b} et de premier terme {c}.",
    "Or le discriminant vaut $\\Delta = {b}^2 - 4 \\times {a}$, donc il y a deux racines.",
    "On remarque que les droites sont parallèles, ce qui permet de conclure plus loin.",
    "La probabilité cherchée s'écrit $P(A \\cap B) = \\frac{{{a}}}{{{c}}}$.",
    "**Étape {a}.** On remplace $x$ par {b} dans l'égalité précédente.",
    "Il reste à vérifier l'hypothèse de récurrence au rang $n + {a}$.",
    "L'aire du rectangle est de {c} cm², et son périmètre de {b} cm.",
)
_DOUBTS = (
    "Hmm, peut-être {a} ? Vérifions : {a} × 2 = {b}.",
    "Attends, je me suis trompé dans le signe de {a}.",
    "Donc la réponse serait {c}… non, il manque un facteur {b}.",
    "Reprenons depuis le début avec x = {a}.",
    "L'énoncé demande une valeur, je l'avais mal lu.",
)
_TAGS = ("think", "think", "think", "thinking", "reasoning")
CUT_TRACES = 0.05
"""Of the traces that never end: such a text has no answer."""


def working(random: Random, *, characters: int, doubts: bool = False) -> str:
    """Write whole sentences of about so many characters in all; one may go beyond."""
    stock = _STEPS + _DOUBTS if doubts else _STEPS
    lines: list[str] = []
    length = 0
    while length < characters:
        drawn = int(random.random() * 1e9)
        a, b = drawn % 97 + 2, drawn // 97 % 991 + 2
        line = stock[drawn // 96_127 % len(stock)].format(a=a, b=b, c=a + b)
        lines.append(line)
        length += len(line) + 1
    return ("\n" if drawn % 3 else " ").join(lines) if lines else ""


def with_trace(random: Random, text: str, gold: str, *, characters: int) -> tuple[str, bool]:
    """Put a reasoning trace before *text*, or leave the trace open and the text out.

    Returns:
        The whole, and whether it has an end: a cut one may well name *gold*, and answers nothing.
    """
    tag = _TAGS[int(random.random() * len(_TAGS))]
    thoughts = working(random, characters=characters, doubts=True)
    if random.random() < CUT_TRACES:
        return f"<{tag}>\n{thoughts}\nDonc la réponse est {gold}", False
    return f"<{tag}>\n{thoughts}\n</{tag}>\n\n{text}", True
