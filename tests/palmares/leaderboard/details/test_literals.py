"""Texts of lists and mappings are undone; answers that look like them stay answers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from palmares.leaderboard.details.literals import LONGEST_LITERAL, list_of_texts, undo


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{'a': [1, -2.5], 'b': None}", {"a": [1, -2.5], "b": None}),
        ('{"a": null}', {"a": None}),
        ("{'a': np.float64(0.5)}", {"a": 0.5}),
        ("{'a': array(['x', 'y'], dtype=object)}", {"a": ["x", "y"]}),
        ("{'a': tensor([1, 2], device='cuda:0')}", {"a": [1, 2]}),
        ("{'a': <SamplingMethod.GENERATIVE: 'GENERATIVE'>}", {"a": "GENERATIVE"}),
        ("{'a': (1, 2), 'b': -inf}", {"a": [1, 2], "b": -math.inf}),
    ],
)
def test_reprs_of_python_numpy_and_torch_are_undone(text, expected):
    assert undo(text) == expected


def test_not_a_number_is_undone():
    assert math.isnan(undo("{'a': nan}")["a"])


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').getcwd()",
        "{'a': open('/etc/passwd')}",
        "[x for x in (1,)]",
        "lambda: 1",
        "1 +",
        "[" * 5000,
        "{'a': " * 3000,
        "\0",
        "'a' if 1 else 'b'",
        "{**{}}" + "x",
    ],
)
def test_what_is_no_literal_is_refused_and_never_run(text):
    with pytest.raises(ValueError, match="literal"):
        undo(text)


def test_what_is_too_long_is_refused():
    with pytest.raises(ValueError, match="longer than"):
        undo("[" + "1," * LONGEST_LITERAL + "]")


@pytest.mark.parametrize("text", ["[0;1]", "[0, 1]", "]0;1]", "[1.5]", "[a, b]", "(1, 2)", "['a'", "text"])
def test_an_answer_that_looks_like_a_list_is_no_list_of_texts(text):
    assert list_of_texts(text) is None


def test_an_empty_list_holds_no_texts():
    assert list_of_texts("[]") == list_of_texts("[[]]") == []


def test_a_generation_of_megabytes_is_read_if_it_is_alone_and_refused_among_others():
    long = "é" * (2 * LONGEST_LITERAL) + "\\n 12"

    assert list_of_texts(repr([long])) == [long]
    with pytest.raises(ValueError, match="longer than"):
        list_of_texts(repr([long, "b"]))


@given(st.lists(st.text(), max_size=4))
def test_the_repr_of_any_texts_gives_them_back(texts):
    assert list_of_texts(repr(texts)) == texts
    assert list_of_texts(str([texts])) == texts
