"""Editing a request changes the named members and no other byte."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from palmares.leaderboard.errors import RefusedError
from palmares.leaderboard.submissions.request_file import edit_request, read_object

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=8) | st.sampled_from(["status", "revision"]), VALUES, max_size=6)
STYLES = st.sampled_from(
    [{}, {"indent": 4}, {"indent": 2, "ensure_ascii": False}, {"separators": (",", ":")}, {"indent": "\t"}]
)


def encodable(value):
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


@given(OBJECTS.filter(encodable), OBJECTS.filter(encodable), STYLES, st.sampled_from(["", "\n", " \r\n"]))
def test_the_result_says_the_old_object_with_the_changes(old, changes, style, tail):
    content = (json.dumps(old, **style) + tail).encode()

    edited = edit_request(content, changes)

    added = {key: value for key, value in changes.items() if key in old or value is not None}
    assert read_object(edited) == {**old, **added}
    assert list(read_object(edited)) == list({**old, **added})
    assert edited.endswith(("}" + tail).encode())
    assert edit_request(edited, changes) == edited


@given(OBJECTS.filter(encodable), STYLES)
def test_setting_what_is_already_there_changes_no_byte(old, style):
    content = json.dumps(old, **style).encode()

    assert edit_request(content, old) == content


@given(OBJECTS.filter(encodable).filter(lambda old: "status" in old), STYLES)
def test_everything_around_a_changed_member_stays_byte_for_byte(old, style):
    marker = "marker-5f0c"
    content = json.dumps({**old, "status": marker}, **style).encode()

    edited = edit_request(content, {"status": "RUNNING"})

    assert edited == content.replace(marker.encode(), b"RUNNING")


def test_number_spellings_duplicates_order_and_unknown_members_survive():
    content = (
        b'{\r\n  "a" : 1.50e+01,\r\n  "x": {"b":[1,  2]},\r\n  "status": "PENDING",\r\n  "z": 1E2\r\n}\r\n'
    )

    edited = edit_request(content, {"status": "FAILED", "error_msg": "gated: ask"})

    assert edited == (
        b'{\r\n  "a" : 1.50e+01,\r\n  "x": {"b":[1,  2]},\r\n  "status": "FAILED",\r\n  "z": 1E2'
        b',\r\n  "error_msg": "gated: ask"\r\n}\r\n'
    )


def test_the_last_of_two_equal_keys_is_the_one_that_counts():
    assert edit_request(b'{"status": 1, "status": 2}', {"status": 3}) == b'{"status": 1, "status": 3}'


def test_a_byte_order_mark_stays():
    assert edit_request("\ufeff{}".encode(), {"a": 1}) == '\ufeff{"a": 1}'.encode()


def test_escapes_follow_the_style_of_the_file():
    assert edit_request('{"a": "é"}'.encode(), {"b": "è"}) == '{"a": "é", "b": "è"}'.encode()
    assert edit_request(b'{"a": "\\u00e9"}', {"b": "è"}) == b'{"a": "\\u00e9", "b": "\\u00e8"}'


def test_none_for_an_absent_member_adds_nothing():
    assert edit_request(b'{"a": 1}', {"error_msg": None}) == b'{"a": 1}'
    assert edit_request(b'{"error_msg": "x"}', {"error_msg": None}) == b'{"error_msg": null}'


def test_true_is_not_one():
    assert edit_request(b'{"a": 1}', {"a": True}) == b'{"a": true}'


@pytest.mark.parametrize("content", [b'{"a": }', b'{"a" 1}', b'{"a": 1,}', b"{a: 1}", b'{"a": 1', b"null"])
def test_broken_json_is_refused_and_never_repaired(content):
    with pytest.raises(RefusedError, match="invalid_json"):
        edit_request(content, {"a": 2})


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"x":['])
def test_what_is_nested_too_deep_is_refused_before_it_is_parsed(opening):
    content = ('{"model": "o/m", "x": ' + opening * 100_000).encode()
    with pytest.raises(RefusedError, match="nested more than 32 deep"):
        read_object(content)


def test_brackets_in_texts_are_no_nesting():
    assert read_object(json.dumps({"a": "[{" * 1000, "b": '\\"[' * 1000}).encode())["a"] == "[{" * 1000


def test_depth_is_counted_in_linear_time_in_a_text_that_never_ends():
    with pytest.raises(RefusedError, match="invalid_json"):
        read_object(b'{"a": "' + b'\\"[' * 300_000)
