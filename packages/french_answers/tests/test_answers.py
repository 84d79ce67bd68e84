"""Finding the final answer in what a model wrote."""

from __future__ import annotations

import time

import pytest
from french_answers.answers import final_answer
from french_answers.extraction.statements import VALUE


def extracted(text):
    answer = final_answer(text, needed=VALUE)
    return None if answer is None else answer.text


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("\\boxed{12}", "12"),
        ("Donc $\\boxed{x=7}$.", "x=7"),
        ("\\boxed{\\frac{1}{\\sqrt{2}}}", "\\frac{1}{\\sqrt{2}}"),
        ("\\boxed{\\boxed{12}}", "12"),
        ("\\fbox{24}", "24"),
        ("\\boxed{\\text{24 cm}}", "24 cm"),
        ("\\boxed{24} puis, après correction, \\boxed{26}", "26"),
        ("$x=\\boxed{2}$ ou $x=\\boxed{-2}$", "2 ; -2"),
        ("\\boxed{12}. Finalement, la réponse est 13.", "13"),
        ("\\boxed{12} est faux.", None),
        ("\\boxed{} 24 n'est pas la réponse", None),
        ("\\boxed{12", None),
    ],
)
def test_the_last_box_that_stands_is_the_answer(text, answer):
    assert extracted(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("La réponse est 12.", "12"),
        ("Réponse\u00a0: 12", "12"),
        ("**Réponse finale : 12**", "12"),
        ("La solution de l'équation est x = 12.", "x = 12"),
        ("Final Answer: The final answer is $24$. I hope it is correct.", "24"),
        ("#### 24", "24"),
        ("## Réponse\n\n24", "24"),
        ("Réponse :\n```\n24\n```", "24"),
        ("<answer>24</answer>", "24"),
        ("La réponse est\n\\[\n\\begin{aligned} x &= 3+4 \\\\ &= 7\\end{aligned}\n\\]", "7"),
        ("Les solutions sont :\n- x = 2\n- x = -2", "x = 2 ; x = -2"),
        ("La réponse est 24. Vérification : 24/4 = 6.", "24"),
        ("Réponse : 24\nRéponse : 26", "26"),
        ("La réponse est 42, pas 24.", "42"),
        ("La réponse est 3, car 1 + 2 = 3.", "3"),
        ("Le résultat intermédiaire est 12. On ajoute 3. On obtient donc 15.", "15"),
        ("La réponse", None),
        ("La réponse est", None),
    ],
)
def test_what_is_announced_is_the_answer(text, answer):
    assert extracted(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("x − 4 = 0, d'où x = 4", "x = 4"),
        ("2x = 8 ⟺ x = 4", "x = 4"),
        ("24\n\nExplication : 4×6.", "24"),
        ("12. On multiplie 3 par 4.", "12"),
        ("2\n4", "4"),
        ("- 3", "- 3"),
        ("| réponse |\n|---|\n| 24 |", "24"),
        ("x = 12\n\nJ'espère que cela t'aide !", "x = 12"),
        ("Donc x = 12. On vérifie : 12 + 3 = 15.", "x = 12"),
        ("24 !", "24"),
        ("24!", "24!"),
        ("~~13~~ 12", "12"),
        ("On calcule d'abord 6×4 = 24, puis il faut", None),
        ("On a 6 × 4 =", None),
        ("Je ne sais pas", None),
        ("", None),
        (" \n", None),
    ],
)
def test_else_the_last_statement_is_the_answer(text, answer):
    assert extracted(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("12, non, en fait 13", "13"),
        ("La réponse est 12. Non, en fait 13.", "13"),
        ("La réponse est 12. Erreur de calcul : c'est 13.", "13"),
        ("La réponse n'est pas 12 mais 14.", "14"),
        ("La réponse n'est pas 12.", None),
        ("12 et non 14", "12"),
        ("C'est 12 plutôt que 13.", "C'est 12"),
        ("12, je crois.", "12"),
        ("Sans doute 8", "8"),
        ("12 ou 13", "12 ou 13"),
    ],
)
def test_corrections_are_obeyed_and_alternatives_kept(text, answer):
    assert extracted(text) == answer


@pytest.mark.parametrize(
    "text",
    [
        "9 est 12, non, " * 70_000,
        "réponse est " * 90_000,
        "\\boxed{" * 150_000,
        "\\boxed{1} ou " * 80_000,
        "<|channel|>" * 90_000,
        "pas mais " * 110_000,
        "(a " * 300_000,
        "." * 1_000_000,
        "\n" * 1_000_000 + "-",
        "~~a" * 300_000,
        "`*_" * 300_000,
        "\ud800\0" * 500_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_a_hostile_megabyte_is_read_within_a_second(text):
    started = time.process_time()

    final_answer(text, needed=VALUE)

    assert time.process_time() - started < 1
