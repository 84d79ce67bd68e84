from __future__ import annotations

import time

import pytest
from palmares.leaderboard.checks.cross_check import (
    after_trace,
    is_other_language,
    looks_cut_off,
    second_answer,
)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("12", "12"),
        ("<think>\n12 ?\n</think>\n13", "\n13"),
        ("12 ?</think>13", "13"),
        ("<think>12", None),
        ("<think>1</think><think>2", None),
        ("<think>" + "a" * 30_000, None),
    ],
)
def test_a_trace_is_taken_off_and_an_unfinished_one_leaves_nothing(text, rest):
    assert after_trace(text) == rest


@pytest.mark.parametrize(
    ("text", "gold", "answer"),
    [
        ("On a 3 puis 4.", "7", "4"),
        ("Donc \\boxed{12} cm, soit 13", "7", "12"),
        ("Ce n'est pas vrai, c'est faux.", "vrai", "faux"),
        ("B, ou plutôt C.", "A", "C"),
        ("x\nS = ]0;1[", "]0;2[", "]0;1["),
        ("Je ne sais pas.", "7", None),
        ("<think>7", "7", None),
        ("  ", "7", None),
    ],
)
def test_the_second_way_takes_the_last_thing_of_the_gold_s_kind(text, gold, answer):
    assert second_answer(text, gold) == answer


def test_a_long_text_that_stops_in_the_middle_looks_cut_off():
    text = "Le calcul continue " * 200

    assert looks_cut_off(text, 1024)
    assert not looks_cut_off(text + ".", 1024)
    assert not looks_cut_off(text[:2000], 1024)
    assert not looks_cut_off(text, 0)


def test_the_language_is_told_by_common_words_and_only_of_long_texts():
    french = "Le résultat de la somme est dans la liste des nombres que nous avons, et pour cela on calcule."
    english = "The result of the sum is in the list of numbers that we have, and for this we calculate it."

    assert is_other_language(french) is False
    assert is_other_language(english) is True
    assert is_other_language("12 cm") is None


def test_a_megabyte_takes_no_time():
    started = time.process_time()
    for text in ("1" * 10**6, "\\boxed{" * 10**5, "<think>" * 10**5, " " * 10**6, "12 / " * 10**5):
        second_answer(text, "7")
        looks_cut_off(text, 100)
        is_other_language(text)
    assert time.process_time() - started < 5
