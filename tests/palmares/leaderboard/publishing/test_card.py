"""The card: our section between marks, a person's words around it, and a header that `datasets` reads."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from palmares.leaderboard.publishing.card import BEGIN, END, edit_card

CHANGES: dict[str, Any] = {
    "section": "## Ours\n\n| a |",
    "config": {"config_name": "default", "data_files": [{"split": "train", "path": "data/t.parquet"}]},
    "defaults": {"pretty_name": "Palmarès: contents", "tags": ["leaderboard"]},
}


def header_of(card: bytes) -> Any:
    return yaml.safe_load(card.decode().split("---\n")[1])


def test_a_new_card_has_a_header_with_the_table_and_our_section():
    card = edit_card(None, CHANGES)

    assert header_of(card) == {**CHANGES["defaults"], "configs": [CHANGES["config"]]}
    assert f"{BEGIN}\n## Ours\n\n| a |\n{END}" in card.decode()


def test_writing_again_changes_nothing():
    card = edit_card(None, CHANGES)

    assert edit_card(card, CHANGES) == card


def test_what_a_person_wrote_around_our_section_stays_to_the_byte():
    header = "---\npretty_name: Le nôtre # à garder\nlicense: etalab-2.0\n---\r\n"
    before = f"{header}# Bienvenue\r\n\r\nTexte *à nous*.\r\n"
    once = edit_card(before.encode(), CHANGES).decode()
    by_hand = once.replace("Texte *à nous*.", "Un autre texte.") + "\nEt la suite : \\1 \\g<0>.\n"

    again = edit_card(by_hand.encode(), {**CHANGES, "section": "## Newer \\1"}).decode()

    assert again == by_hand.replace("## Ours\n\n| a |", "## Newer \\1")
    assert "# Bienvenue\r\n\r\nUn autre texte." in again


def test_a_persons_header_keeps_its_keys_and_other_configs():
    other = {"config_name": "archive", "data_files": "old/*.parquet"}
    before = (
        "---\n"
        + yaml.safe_dump({"license": "mit", "pretty_name": "X", "tags": [], "configs": [other]})
        + "---\nText\n"
    )

    header = header_of(edit_card(before.encode(), CHANGES))

    assert header == {
        "license": "mit",
        "pretty_name": "X",
        "tags": [],
        "configs": [CHANGES["config"], other],
    }


def test_a_header_that_says_it_all_already_keeps_its_comments():
    card = edit_card(None, CHANGES).decode().replace("pretty_name:", "# by hand\npretty_name:")

    assert edit_card(card.encode(), CHANGES).decode() == card


@pytest.mark.parametrize("header", ["---\n{broken: [\n---\n", "---\n- a list\n---\n"])
def test_a_header_that_is_no_mapping_does_not_stop_the_leaderboard(header):
    card = edit_card(f"{header}Text\n".encode(), CHANGES).decode()

    assert "## Ours" in card
    assert "Text" in card


def test_a_mark_without_its_end_is_text_and_the_section_goes_to_the_end():
    card = edit_card(f"Text\n{BEGIN}\nlost\n".encode(), CHANGES).decode()

    assert card.endswith(f"Text\n{BEGIN}\nlost\n\n{BEGIN}\n## Ours\n\n| a |\n{END}\n")


def test_bytes_that_are_no_utf8_stay():
    assert b"\xff\xfe caf\xe9" in edit_card(b"\xff\xfe caf\xe9\n", CHANGES)


@given(st.binary(max_size=200), st.text(max_size=60))
def test_any_card_takes_the_section_and_settles_after_one_writing(before, section):
    changes = {**CHANGES, "section": section}
    once = edit_card(before, changes)

    assert edit_card(once, changes) == once


def test_a_new_header_is_the_same_in_whatever_order_its_keys_come():
    backwards = {
        "defaults": dict(reversed(CHANGES["defaults"].items())),
        "config": dict(reversed(CHANGES["config"].items())),
        "section": CHANGES["section"],
    }

    assert edit_card(None, backwards) == edit_card(None, CHANGES)
