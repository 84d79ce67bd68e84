"""A message is written out in the language that is asked for, with that language's numbers and plurals."""

from __future__ import annotations

import pytest
from palmares.leaderboard.errors import Refusal
from palmares.texts import counted, listed, message, typeset


def test_a_message_is_written_in_both_languages_with_its_values():
    said = message("Wall time {time}: {basis}", time="01:30", basis="estimated")

    assert said.en == "Wall time 01:30: estimated"
    assert said.fr == "Durée 01:30 : estimated"


def test_a_value_that_is_a_message_is_written_in_the_same_language():
    size = message("{size:.1f} GiB", size=1.5)

    assert message("{detail} ({rule})", detail=size, rule="M1").fr == "1,5 Gio (M1)"
    assert message("{detail} ({rule})", detail=size, rule="M1").en == "1.5 GiB (M1)"


def test_braces_in_a_value_are_not_read_again():
    assert message("{detail} ({rule})", detail="{rule}", rule="M1").fr == "{rule} (M1)"


def test_what_the_catalogues_lack_stays_english():
    assert message("No catalogue holds {this}.", this="it").fr == "No catalogue holds it."


@pytest.mark.parametrize(
    ("count", "english", "french"),
    [
        (0, "0 points", "0 point"),
        (0.45, "0.45 points", "0,45 point"),
        (1, "1 point", "1 point"),
        (1.5, "1.5 points", "1,5 point"),
        (-1.45, "-1.45 points", "-1,45 point"),
        (2, "2 points", "2 points"),
    ],
)
def test_each_language_counts_in_its_own_way(count, english, french):
    said = counted("{n:g} point", "{n:g} points", count)

    assert (said.en, said.fr) == (english, french)


def test_parts_are_listed_with_the_semicolons_of_the_language():
    parts = [message("{size:.1f} GiB", size=float(size)) for size in (1, 2, 3)]

    assert listed(parts).en == "1.0 GiB; 2.0 GiB; 3.0 GiB"
    assert listed(parts).fr == "1,0 Gio ; 2,0 Gio ; 3,0 Gio"


def test_a_missing_value_is_an_error():
    with pytest.raises(KeyError, match="rule"):
        _ = message("{detail} ({rule})", detail="x").en


def test_french_spaces_before_signs_do_not_break_and_code_is_left_alone():
    text = "Où ? « Ici » : à 95 % ; `a : b` [lien](https://x.example/a : b)"

    assert typeset(text, "fr") == (
        "Où\u202f? «\u00a0Ici\u00a0»\u00a0: à 95\u00a0%\u202f; `a : b` [lien](https://x.example/a : b)"
    )
    assert typeset(text, "en") == text


def test_a_refusal_is_said_in_the_language_that_is_asked_for():
    refusal = Refusal(code="x", message_en="No.", message_fr="Non.")

    assert (refusal.message("en"), refusal.message("fr")) == ("No.", "Non.")
