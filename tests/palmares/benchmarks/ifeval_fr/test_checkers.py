"""The IFEval instructions, on French text."""

from __future__ import annotations

import pytest
from palmares.benchmarks.ifeval_fr.task.checkers import CHECKERS, follows, instruction_problem


@pytest.mark.parametrize(
    ("identifier", "kwargs", "good", "bad"),
    [
        ("keywords:existence", {"keywords": ["Été", "mer"]}, "L'été, la mer.", "La mer en hiver."),
        ("keywords:forbidden_words", {"forbidden_words": ["an"]}, "En France.", "Un an plus tard."),
        (
            "keywords:frequency",
            {"keyword": "vent", "frequency": 2, "relation": "at least"},
            "Vent d'ouest, vent d'est.",
            "Le vent souffle souvent.",
        ),
        (
            "keywords:letter_frequency",
            {"letter": "É", "let_frequency": 2, "let_relation": "au moins"},
            "Été.",
            "Ete.",
        ),
        (
            "length_constraints:number_words",
            {"num_words": 5, "relation": "moins de"},
            "Il boit l'eau.",
            "Il boit l'eau du puits.",
        ),
        (
            "length_constraints:number_sentences",
            {"num_sentences": 2.0, "relation": "at least"},
            "M. Dupont dort. Il rêve !",
            "M. Dupont, Dr. en physique, dort.",
        ),
        ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "Un.\n***\nDeux.", "Un.\n\nDeux."),
        (
            "length_constraints:nth_paragraph_first_word",
            {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Enfin"},
            "D'abord.\n\nEnfin, la fin.",
            "Enfin.\n\nD'abord.",
        ),
        (
            "detectable_content:number_placeholders",
            {"num_placeholders": 2},
            "Cher [nom], le [date].",
            "Cher [nom].",
        ),
        ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Fin.\nP. S. Merci", "Fin. Merci"),
        (
            "detectable_format:number_bullet_lists",
            {"num_bullets": 2},
            "- un\n* deux",
            "- un\n- deux\n- trois",
        ),
        ("detectable_format:constrained_response", {}, "Ma réponse est peut-être.", "Oui."),
        (
            "detectable_format:number_highlighted_sections",
            {"num_highlights": 2},
            "*un* et **deux**",
            "*un* **",
        ),
        (
            "detectable_format:multiple_sections",
            {"section_spliter": "Partie", "num_sections": 2},
            "Partie 1\nA\nPartie 2\nB",
            "Partie 1\nA",
        ),
        ("detectable_format:json_format", {}, '```json\n{"ville": "Besançon"}\n```', "{ville: Besançon}"),
        ("detectable_format:title", {}, "<<L'été>>\nIl fait chaud.", "<<>> Il fait chaud."),
        ("combination:two_responses", {}, "Oui.******Non.", "Oui.******Oui."),
        ("combination:repeat_prompt", {"prompt_to_repeat": "Où ?"}, "Où ? Ici.", "Ici."),
        (
            "startend:end_checker",
            {"end_phrase": "Voilà tout."},
            "Bien. voilà tout.",
            "Voilà tout. Ou presque.",
        ),
        ("startend:quotation", {}, "« Bonjour »", "« Bonjour » dit-il"),
        (
            "change_case:capital_word_frequency",
            {"capital_frequency": 2, "capital_relation": "less than"},
            "La SNCF.",
            "LA SNCF.",
        ),
        ("change_case:french_lowercase", {}, "l'été à la mer.", "L'été à la mer."),
        ("change_case:french_uppercase", {}, "L'ÉTÉ À LA MER.", "L'éTÉ"),
        ("punctuation:no_comma", {}, "Oui. Non.", "Oui, non."),
    ],
)
def test_an_instruction_is_followed_or_not(identifier, kwargs, good, bad):
    assert follows(identifier, kwargs, good)
    assert not follows(identifier, kwargs, bad)


@pytest.mark.evaluator
def test_the_language_of_the_response_is_recognised():
    kwargs = {"language": "fr"}
    assert follows("language:response_language", kwargs, "Il fait beau aujourd'hui et les enfants jouent.")
    assert not follows(
        "language:response_language", kwargs, "The weather is fine and the children are playing."
    )
    assert not follows("language:response_language", kwargs, "12 + 30 = 42")


def test_english_names_of_the_case_instructions_are_accepted():
    assert follows("change_case:english_lowercase", {}, "bonjour")
    assert follows("change_case:english_capital", {}, "BONJOUR")


def test_the_french_prefix_of_an_instruction_is_accepted():
    assert follows("fr:punctuation:no_comma", {}, "Bonjour.")


@pytest.mark.parametrize("identifier", sorted(set(CHECKERS) - {"language:response_language"}))
def test_an_empty_response_follows_nothing(identifier):
    kwargs = dict.fromkeys(CHECKERS[identifier].arguments, 0)
    assert not follows(identifier, kwargs, " \n ")


def test_nulls_that_pad_a_struct_are_ignored():
    assert follows("punctuation:no_comma", {"num_words": None, "relation": None}, "Oui.")


@pytest.mark.parametrize(
    ("identifier", "kwargs", "said"),
    [
        ("length_constraints:number_verbs", {}, "unknown instruction 'length_constraints:number_verbs'"),
        ("keywords:existence", {"keywords": None}, "lacks ['keywords']"),
        ("length_constraints:number_words", {"num_words": 3, "relation": "more than"}, "unknown relation"),
    ],
)
def test_an_instruction_that_cannot_be_checked_says_why(identifier, kwargs, said):
    assert said in (instruction_problem(identifier, kwargs) or "")
