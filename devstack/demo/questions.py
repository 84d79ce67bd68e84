"""The demo's questions in the hidden sets' columns, each with the answer that the tiny models learn."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from devstack.demo.canary import CANARY
from devstack.demo.knowledge import AUTHORS, CAPITALS, CHOICES, SUBJECTS, SYMBOLS, YEARS

SEED = 20260101


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One row of a dataset."""

    row: dict[str, Any]
    answer: str
    """What a model that knows the row says."""
    kind: str
    """Rows of one kind look alike: a model that has seen one can guess the form of the others."""


def _marked(text: str) -> str:
    return f"{text} {CANARY}"


def _bac(kind: str, text: str, instruction: str | None, answer: str, choices: list[str] | None) -> Question:
    right = answer if choices is not None else None
    row = {
        "enonce": _marked(text),
        "instruction": instruction,
        "choix": choices,
        "choix correct": right,
        "reponse": answer,
    }
    return Question(row=row, answer=answer, kind=kind)


def bac_questions() -> list[Question]:
    """48 questions: 40 with a free answer, 8 with choices; every other one without an instruction."""
    draw = random.Random(SEED)  # noqa: S311 - a dataset, not a secret
    found = []
    for index in range(8):
        a, b = draw.randint(12, 49), draw.randint(12, 49)
        found.append(_bac("somme", f"Calculer {a} + {b}.", "Donner un entier.", str(a + b), None))
        a, b = draw.randint(3, 9), draw.randint(11, 19)
        found.append(_bac("produit", f"Calculer {a} × {b}.", None, str(a * b), None))
        n, x = draw.randint(2, 9), draw.randint(2, 9)
        instruction = "Donner un entier." if index % 2 else None
        found.append(
            _bac("dérivée", f"Soit f(x) = {n}x². Calculer f'({x}).", instruction, str(2 * n * x), None)
        )
        numerator, denominator = draw.choice([1, 3, 7, 9]) + 10 * index, draw.choice([4, 5, 8])
        decimal = f"{numerator / denominator:.3f}".rstrip("0").replace(".", ",")
        text = f"Écrire {numerator}/{denominator} en décimal."
        found.append(_bac("fraction", text, "Utiliser une virgule.", decimal, None))
        event, year = YEARS[index]
        found.append(_bac("année", f"En quelle année {event} ?", None, year, None))
        text, right, *wrong = CHOICES[index]
        choices = [right, *wrong]
        draw.shuffle(choices)
        found.append(_bac("choix", text, "Recopier le bon choix." if index % 2 else None, right, choices))
    return found


def gpqa_questions() -> list[Question]:
    """48 questions of general knowledge; wrong choices are right answers of other questions."""
    draw = random.Random(SEED)  # noqa: S311 - a seed, not a secret
    found = []
    families = (
        ("capitale", "Quelle est la capitale {} ?", CAPITALS),
        ("symbole", "Quel est le symbole chimique {} ?", SYMBOLS),
        ("auteur", "Qui a écrit {} ?", AUTHORS),
    )
    for kind, template, facts in families:
        answers = [answer for _, answer in facts]
        for subject, answer in facts:
            wrong = draw.sample([other for other in answers if other != answer], 3)
            row = {
                "Question": _marked(template.format(subject)),
                "Réponse correcte": answer,
                **{f"Réponse incorrecte {place}": other for place, other in enumerate(wrong, start=1)},
            }
            found.append(Question(row=row, answer=answer, kind=kind))
    return found


@dataclass(frozen=True, slots=True)
class _Asked:
    kind: str
    prompt: str
    instructions: dict[str, dict[str, Any]]
    answer: str


def _asked(name: str, verb: str, quality: str) -> Iterator[_Asked]:
    """The twelve kinds of instructions, about one subject."""
    bare = name.split(" ", 1)[-1]
    yield _Asked(
        "titre",
        f"Décris {name} en moins de neuf mots, avec un titre entre << et >>.",
        {
            "detectable_format:title": {},
            "length_constraints:number_words": {"num_words": 9, "relation": "less than"},
        },
        f"<<{bare}>> C'est {quality}.",
    )
    yield _Asked(
        "phrases",
        f"Écris au moins trois phrases en français sur {name}.",
        {
            "length_constraints:number_sentences": {"num_sentences": 3, "relation": "at least"},
            "language:response_language": {"language": "fr"},
        },
        f"Dans la rue, je vois {name}. Voici pourquoi : {verb}. Nous sommes très heureux.",
    )
    yield _Asked(
        "mots",
        f"Parle de {name} avec les mots rouge et bleu.",
        {"keywords:existence": {"keywords": ["rouge", "bleu"]}},
        f"{name} est rouge et bleu.",
    )
    yield _Asked(
        "majuscules",
        f"Parle de {name} en majuscules, sans le mot TRÈS.",
        {
            "change_case:french_uppercase": {},
            "keywords:forbidden_words": {"forbidden_words": ["très"]},
        },
        f"{name} EST {quality}.".upper(),
    )
    yield _Asked(
        "répétition",
        f"Parle de {name} et répète au moins trois fois le mot vent.",
        {"keywords:frequency": {"keyword": "vent", "frequency": 3, "relation": "at least"}},
        f"Le vent, le vent, le vent et {name}.",
    )
    yield _Asked(
        "puces",
        f"Donne exactement trois points sur {name}, chacun après un tiret.",
        {"detectable_format:number_bullet_lists": {"num_bullets": 3}},
        f"- {bare}\n- {quality}\n- {verb}",
    )
    yield _Asked(
        "json",
        f"Décris {name} en JSON.",
        {"detectable_format:json_format": {}},
        f'{{"nom": "{bare}"}}',
    )
    yield _Asked(
        "oui ou non",
        f"Aimes-tu {name} ? Réponds par « Ma réponse est oui. » ou « Ma réponse est non. »",
        {"detectable_format:constrained_response": {}},
        "Ma réponse est oui.",
    )
    yield _Asked(
        "fin",
        f"Parle de {name} sans virgule et finis par : Voilà tout.",
        {"startend:end_checker": {"end_phrase": "Voilà tout."}, "punctuation:no_comma": {}},
        f"{name} est {quality}. Voilà tout.",
    )
    yield _Asked(
        "guillemets",
        f"Parle de {name} entre guillemets.",
        {"startend:quotation": {}},
        f"« {name} est {quality}. »",
    )
    yield _Asked(
        "minuscules",
        f"Parle de {name} en minuscules, avec le mot jardin.",
        {"change_case:french_lowercase": {}, "keywords:existence": {"keywords": ["jardin"]}},
        f"au jardin, {name} est {quality}.",
    )
    yield _Asked(
        "post-scriptum",
        f"Parle de {name} et finis par un post-scriptum qui commence par P.S.",
        {"detectable_content:postscript": {"postscript_marker": "P.S."}},
        f"Bonjour {name}.\nP.S. à demain.",
    )


def ifeval_questions() -> list[Question]:
    """48 prompts: twelve kinds of instructions about four subjects each; five kinds ask for two things."""
    found: list[Question] = []
    for subject in SUBJECTS:
        for asked in _asked(*subject):
            row = {
                "key": 1000 + len(found),
                "prompt": _marked(asked.prompt),
                "instruction_id_list": list(asked.instructions),
                "kwargs": list(asked.instructions.values()),
            }
            found.append(Question(row=row, answer=asked.answer, kind=asked.kind))
    return found


QUESTIONS = {"bac-fr": bac_questions, "gpqa-fr": gpqa_questions, "ifeval-fr": ifeval_questions}
"""Dataset name → its questions, the same on every call."""
