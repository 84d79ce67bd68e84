"""Members of a JSON text are set, and nothing else in it changes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from palmares.leaderboard.json_patch import set_members

SPELT = '{\n    "a": 1e-05,\n    "results": {"t": {"m": 0.50, "n": "N/A"}},\n    "é": NaN\n}\n'


def test_one_number_changes_and_every_other_character_stays():
    assert set_members(SPELT, {("results", "t", "m"): 0.75}) == SPELT.replace("0.50", "0.75")


def test_new_members_come_last_in_the_style_of_their_neighbours():
    text = set_members(SPELT, {("results", "t", "s"): 1, ("new",): {"x": 1}})

    assert '"n": "N/A", "s": 1}' in text
    assert text.endswith('"é": NaN,\n    "new": {\n        "x": 1\n    }\n}\n')


def test_objects_on_the_way_are_made():
    text = set_members('{\n  "a": {}\n}', {("a", "b", "c"): 1, ("a", "b", "d"): 2})

    assert text == '{\n  "a": {\n    "b": {\n      "c": 1,\n      "d": 2\n    }\n  }\n}'


def test_a_text_in_one_line_stays_in_one_line():
    assert set_members('{"a":{"b":1}}', {("a", "c"): {"d": [1]}}) == '{"a":{"b":1,"c":{"d": [1]}}}'
    assert set_members("{}", {("a",): 1}) == '{"a": 1}'


def test_of_a_key_that_is_written_twice_the_last_one_counts():
    text = set_members('{"a": 1, "a": 2}', {("a",): 3})

    assert text == '{"a": 1, "a": 3}'


@pytest.mark.parametrize(("text", "path"), [("[1]", ("a",)), ('{"a": 1}', ("a", "b")), ('{"a" 1}', ("a",))])
def test_what_is_no_object_is_refused(text, path):
    with pytest.raises(ValueError, match=r"object|expected .:"):
        set_members(text, {path: 1})


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(), values, max_size=4)


@given(objects, st.lists(st.text(), min_size=1, max_size=3), values, st.sampled_from([None, 2, "\t"]))
def test_the_text_parses_to_the_object_with_the_member_set(document, path, value, indent):
    expected = json.loads(json.dumps(document))
    holder = expected
    for key in path[:-1]:
        if not isinstance(holder.setdefault(key, {}), dict):
            return
        holder = holder[key]
    holder[path[-1]] = value
    for ascii_only in (True, False):
        text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
        assert json.loads(set_members(text, {tuple(path): value})) == json.loads(json.dumps(expected))
