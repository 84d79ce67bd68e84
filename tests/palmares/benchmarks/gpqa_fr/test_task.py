"""Choices of gpqa-fr and the place of the right one."""

from __future__ import annotations

import collections

from palmares.benchmarks.gpqa_fr.task.utils import gold_index, question


def row(number: int) -> dict[str, str]:
    return {
        "Question": f"Question {number} ?",
        "Réponse correcte": "juste",
        **{f"Réponse incorrecte {place}": f"faux {place}" for place in (1, 2, 3)},
    }


def test_the_right_choice_is_where_the_index_says():
    for number in range(40):
        asked = question(row(number), "text")
        assert asked["choices"][asked["gold_index"]] == "juste"
        assert sorted(asked["choices"]) == ["faux 1", "faux 2", "faux 3", "juste"]


def test_the_place_depends_on_the_row_only_and_takes_every_value():
    places = [gold_index(row(number)) for number in range(200)]
    assert places == [gold_index(row(number)) for number in range(200)]
    assert min(collections.Counter(places).values()) > 30


def test_letters_are_scored_when_the_task_says_so():
    asked = question(row(1), "letters")
    assert asked["choices"] == ["A", "B", "C", "D"]
    assert f"{'ABCD'[asked['gold_index']]}. juste\n" in asked["prompt"]


def test_the_question_alone_is_asked_when_choices_are_scored_by_their_text():
    assert "juste" not in question(row(1), "text")["prompt"]
