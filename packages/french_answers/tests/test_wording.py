"""Answers in words: nouns, adjectives, names; what a sentence says of its subject."""

from __future__ import annotations

import pytest
from french_answers import GradingPolicy, grade_answer
from french_answers.wording import tokens


@pytest.mark.parametrize(
    ("gold", "prediction"),
    [
        ("géométrique", "GEOMETRIQUE"),
        ("géométrique", "La suite est géométrique de raison 2."),
        ("géométrique", "suite géométrique"),
        ("suite géométrique", "géométrique"),
        ("paire", "f n'est pas impaire mais paire"),
        ("croissante", "f est croissante sur [0;1]"),
        ("convergente", "La suite est convergente."),
        ("convergentes", "convergente"),
        ("hyperbole", "La courbe est une hyperbole."),
        ("demi-droite", "une demi droite"),
        ("cœur", "le coeur"),
        ("photosynthèse", "Il s'agit de la photosynthèse."),
        ("Paris", "Paris. C'est la capitale de la France."),
        ("Paris", "Paris, capitale de la France"),
        ("Rome", "C'est à Rome."),
        ("Rome", "Rome, et non Athènes"),
        ("Victor Hugo", "C'est Victor Hugo (1802-1885)."),
        ("Napoléon III", "L'empereur Napoléon III"),
        ("non dérivable", "f n'est pas dérivable"),
        ("aucune solution", "L'équation n'a pas de solution."),
    ],
)
def test_a_statement_says_the_expected_words(gold, prediction):
    assert grade_answer(gold, prediction).correct


@pytest.mark.parametrize(
    ("gold", "prediction"),
    [
        ("continue", "discontinue"),
        ("continue", "f n'est pas continue"),
        ("continue", "continuer"),
        ("paire", "ni paire ni impaire"),
        ("croissante", "croissante puis décroissante"),
        ("croissante", "La fonction est décroissante puis croissante"),
        ("croissante", "f est strictement croissante"),
        ("géométrique", "arithmético-géométrique"),
        ("géométrique", "On pourrait la croire géométrique, mais elle est arithmétique."),
        ("droite", "demi-droite"),
        ("Paris", "Paris ou Lyon"),
        ("Paris", "Paris, Lyon"),
        ("Paris", "la banlieue de Paris"),
        ("Allemagne", "l'Allemagne de l'Est"),
        ("Victor Hugo", "un ami de Victor Hugo"),
        ("Victor Hugo", "Hector Hugo"),
        ("Napoléon III", "Napoléon"),
        ("traité de Versailles", "avant le traité de Versailles"),
        ("mer", "mère"),
    ],
)
def test_other_words_denials_and_alternatives_are_wrong(gold, prediction):
    assert not grade_answer(gold, prediction).correct


@pytest.mark.parametrize(
    ("gold", "prediction"),
    [
        ("Victor Hugo", "Hugo"),
        ("Charles de Gaulle", "le général de Gaulle"),
        ("théorème de Pythagore", "Pythagore"),
    ],
)
def test_a_short_name_is_a_policy(gold, prediction):
    assert grade_answer(gold, prediction).correct
    assert not grade_answer(gold, prediction, policy=GradingPolicy(partial_name=False)).correct


@pytest.mark.parametrize(
    ("gold", "prediction"),
    [("Victor Hugo", "Victor"), ("bataille de Waterloo", "Waterloo"), ("Louis XIV", "XIV")],
)
def test_a_first_name_or_a_part_that_names_another_thing_is_wrong(gold, prediction):
    assert not grade_answer(gold, prediction).correct


def test_words_are_compared_without_accents_ligatures_and_articles():
    assert tokens("L’Œuvre de Zola, à Médan") == ["oeuvre", "zola", "a", "medan"]
