"""Words and sentences of French text."""

from __future__ import annotations

import pytest
from palmares.benchmarks.ifeval_fr.task.french import sentences, words


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("L'eau est là.", 4),
        ("Aujourd'hui, un arc-en-ciel !", 3),
        ("", 0),
        ("… ?", 0),
    ],
)
def test_words_are_counted_the_french_way(text, count):
    assert len(words(text)) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Il dort. Elle lit !", 2),
        ("M. et Mme Dupont vivent au 3 av. Foch.", 1),
        ("J. Dupont vaut 3.5 points.", 1),
        ("« Vraiment ? » Oui…", 2),
        ("Un titre\nUne phrase sans point", 2),
        ("Quoi ?! Rien.", 2),
        ("Des fruits, etc. dans un panier.", 1),
        ("", 0),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text, count):
    assert len(sentences(text)) == count
