"""Request files are read tolerantly, whatever wrote them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from palmares.leaderboard.errors import RefusedError
from palmares.leaderboard.submissions.request_file import RequestStatus, parse_request


def parse(**fields):
    return parse_request("r.json", json.dumps({"model": "org/model", **fields}).encode())


def test_a_file_that_says_only_the_model_is_enough():
    request = parse()

    assert request.status is RequestStatus.PENDING
    assert (request.requested_revision, request.precision, request.weight_type) == (
        "main",
        "bfloat16",
        "Original",
    )
    assert request.base_model is None
    assert request.use_chat_template is None


@pytest.mark.parametrize("base", ["", None, "  "])
def test_an_empty_base_model_means_none(base):
    assert parse(base_model=base).base_model is None


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("torch.bfloat16", "bfloat16"),
        ("float16", "float16"),
        ("4bit", "4bit"),
        ("GPTQ", "GPTQ"),
        (None, "bfloat16"),
    ],
)
def test_precisions_have_one_spelling(said, read):
    assert parse(precision=said).precision == read


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("PENDING", "PENDING"),
        ("EVALUATING", "RUNNING"),
        ("FINISHED", "FINISHED"),
        ("FINISHED_2024", "FINISHED"),
        ("PENDING_NEW_EVAL", "PENDING_NEW_EVAL"),
        ("RERUN", "RERUN"),
        ("on the moon", "UNKNOWN"),
    ],
)
def test_statuses_are_normalised_and_strange_ones_left_alone(said, read):
    assert parse(status=said).status == read


@pytest.mark.parametrize(
    "said",
    [
        "2023-07-31T01:52:02Z",
        "2023-07-31T01:52:02",
        "2023-07-31T01:52:02.000000Z",
        "2023-07-31T03:52:02+02:00",
    ],
)
def test_times_are_read_with_and_without_zone_and_fractions(said):
    assert parse(submitted_time=said).submitted_time == datetime(2023, 7, 31, 1, 52, 2, tzinfo=UTC)


@pytest.mark.parametrize("said", [None, 5, "yesterday", "0001-01-01T00:00:00+23:59"])
def test_a_time_that_cannot_be_read_is_absent(said):
    assert parse(submitted_time=said).submitted_time is None


@pytest.mark.parametrize("params", [0, None, "big", True, -1, float("inf")])
def test_unknown_sizes_are_none(params):
    assert parse(params=params).params is None


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{", "invalid_json"),
        (b"[]", "invalid_json"),
        (b"\xff\xfe", "invalid_json"),
        (b"", "invalid_json"),
        (b'{"model": "a/b"} trailing', "invalid_json"),
        (b'{"model": "a/b", "x": ' + b"[" * 100_000, "invalid_json"),
        (b'{"model": "' + b"a" * (2 << 20) + b'"}', "invalid_json"),
        (b"{}", "invalid_request"),
        (b'{"model": 5}', "invalid_request"),
        (b'{"model": "../../etc/passwd"}', "invalid_name"),
        (b'{"model": "org/model\\u0000"}', "invalid_name"),
        (b'{"model": "org/model; rm -rf"}', "invalid_name"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_code(content, code):
    with pytest.raises(RefusedError) as caught:
        parse_request("r.json", content)

    assert caught.value.refusal.code == code
    assert caught.value.refusal.message_fr


@pytest.mark.parametrize("odd", [None, True, 7, -1.5, 1e999, [], {"a": 1}, "", " \t", "\x1c"])
def test_an_odd_value_reads_as_absent_and_makes_no_request_unusable(odd):
    absent = parse().model_dump(exclude={"raw", "status", "private", "use_chat_template", "votes", "params"})
    texts = ("base_model", "revision", "precision", "weight_type", "sender", "submitted_by", "license")

    request = parse(**dict.fromkeys((*texts, "model_type", "submitted_time"), odd))

    assert request.model_dump(include=set(absent)) == absent
    assert request.private is False


@pytest.mark.parametrize(("said", "read"), [(" True", True), ("false", False), ("yes", None), (1, None)])
def test_a_flag_is_a_truth_value_or_its_name(said, read):
    assert parse(use_chat_template=said).use_chat_template is read


def test_a_text_with_a_lone_surrogate_is_kept_as_the_file_says_it():
    assert parse(sender="ana\ud800").sender == "ana\ud800"


@pytest.mark.parametrize(
    ("said", "read"), [(3, 3), (10**30, 10**9), (-1, 0), (True, 0), ("3", 0), (3.0, 0), (None, 0)]
)
def test_votes_are_counted_when_they_are_a_number_of_them(said, read):
    assert parse(votes=said).votes == read


def test_members_that_are_called_as_ours_change_nothing():
    request = parse(path="/etc/passwd", raw={}, model_id="../..", named_sender="eve")

    assert (request.path, request.model_id, request.sender) == ("r.json", "org/model", None)
    assert request.raw["named_sender"] == "eve"


def test_an_old_decided_file_with_an_illegal_name_stays_readable():
    assert parse(model="org/..", status="FINISHED").status is RequestStatus.FINISHED


@pytest.mark.parametrize(
    ("fields", "sender"),
    [
        ({"sender": "ana"}, "ana"),
        ({"submitted_by": "bo"}, "bo"),
        ({"sender": "ana", "submitted_by": "bo"}, "ana"),
    ],
)
def test_the_sender_is_read_from_either_field(fields, sender):
    assert parse(**fields).sender == sender
