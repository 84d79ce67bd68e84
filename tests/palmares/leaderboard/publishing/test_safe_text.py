from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from palmares.leaderboard.publishing.safe_text import markdown_text, one_line

NASTY = [
    "<script>alert(1)</script>",
    "a | b | c",
    "[x](javascript:alert(1))",
    "![x](http://evil.example/pixel.png)",
    "`code` ``more``",
    "**bold** _it_ ~~out~~",
    "<!-- palmares:end -->",
    "# heading",
    "line one\r\n| --- |\nline three",
    "www.evil.example http://evil.example me@evil.example",
    "\u202egnp.exe\u200b\x00\x1b[31m",
    "&lt;b&gt; &amp;",
    "$x^2$ \\(y\\)",
    "\\",
]


def shown(markdown: str) -> str:
    """What a reader sees of a table's cell."""
    page = str(MarkdownIt("gfm-like").render(f"| h |\n| - |\n| {markdown} |\n"))
    assert page.count("<td>") == 1, page
    cell = page.split("<td>")[1].split("</td>")[0]
    assert "<" not in cell, cell
    return cell


@pytest.mark.parametrize("text", NASTY)
def test_a_strangers_text_stays_text_in_a_cell_of_markdown(text):
    shown(markdown_text(text))


@pytest.mark.parametrize("text", NASTY)
def test_what_cannot_be_seen_does_not_pass(text):
    assert one_line(text).isprintable()


def test_plain_words_and_accents_stay_as_they_are():
    assert markdown_text("Modèle retiré à la demande de ses auteurs (2026).") == (
        "Modèle retiré à la demande de ses auteurs (2026)."
    )


def test_a_long_text_is_cut():
    assert len(one_line("x" * 1_000_000)) == 300
    assert one_line("abcdef", longest=3) == "ab…"


@given(st.text(max_size=80))
def test_any_text_is_one_cell_without_markup(text):
    shown(markdown_text(text))
