"""Who may turn a request's status into which: the whole table, and what no order of writers can break."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.json
import pytest
from hypothesis import given
from hypothesis import strategies as st
from palmares.leaderboard.errors import Refusal, RefusedError
from palmares.leaderboard.publishing.status import (
    cancelled_changes,
    failed_changes,
    finished_changes,
    on_hold_changes,
    pending_changes,
    running_changes,
)
from palmares.leaderboard.submissions.request_file import RequestStatus, edit_request, parse_status
from palmares.leaderboard.submissions.status_machine import (
    ASKS_AGAIN,
    BY_KIND,
    TRANSITIONS,
    Actor,
    TransitionKind,
    may_become,
    may_transition,
    transition_of,
    write_status,
)

REQUESTS_MD = Path(__file__).parents[4] / "docs" / "operate" / "requests.md"
KNOWN: list[RequestStatus] = [status for status in RequestStatus if status is not RequestStatus.UNKNOWN]

# Rows: from; columns: to; letters: who (s sender, b back end, o operator).
TABLE = """
                  PENDING  RUNNING  FINISHED  FAILED  CANCELLED  RERUN  PENDING_NEW_EVAL  UNKNOWN
PENDING           sbo      b        b         b       sbo        so     so                -
RUNNING           sbo      b        b         b       sbo        so     so                -
FINISHED          so       b        b         -       -          so     so                -
FAILED            so       b        b         b       sbo        so     so                -
CANCELLED         so       b        -         -       sbo        so     so                -
RERUN             so       b        -         b       sbo        so     so                -
PENDING_NEW_EVAL  so       b        -         b       sbo        so     so                -
UNKNOWN           -        -        -         -       -          -      -                 -
"""


def cells() -> Iterable[tuple[RequestStatus, RequestStatus, str]]:
    heading, *rows = [line.split() for line in TABLE.strip().splitlines()]
    for before, *letters in rows:
        for after, who in zip(heading, letters, strict=True):
            yield RequestStatus(before), RequestStatus(after), who


@pytest.mark.parametrize(("before", "after", "who"), list(cells()))
def test_each_change_is_allowed_to_those_of_the_table_only(
    before: RequestStatus, after: RequestStatus, who: str
) -> None:
    allowed = {actor for actor in Actor if may_become(before, after, by=actor)}

    letters = {Actor.SENDER: "s", Actor.BACK_END: "b", Actor.OPERATOR: "o"}
    assert {letters[actor] for actor in allowed} == set(who) - {"-"}


def test_what_the_back_end_writes_is_each_one_turn(make_submission):
    started = datetime(2026, 1, 2, tzinfo=UTC)
    refusal = Refusal(code="gated", message_en="Ask.", message_fr="Demandez.")

    assert transition_of(running_changes(make_submission(), started_at=started)) is TransitionKind.CLAIM
    assert transition_of(on_hold_changes("odd")) is TransitionKind.HOLD
    assert transition_of(finished_changes(make_submission())) is TransitionKind.FINISH
    assert transition_of(failed_changes(refusal)) is TransitionKind.REFUSE
    assert transition_of(pending_changes("node_lost", "gone")) is TransitionKind.GIVE_BACK
    assert transition_of(cancelled_changes("by hand")) is TransitionKind.CANCEL
    assert transition_of({"likes": 3}) is None


def test_a_fork_s_own_word_is_not_written() -> None:
    with pytest.raises(ValueError, match="ARCHIVED"):
        write_status(b'{"status": "PENDING"}', {"status": "ARCHIVED"})


@pytest.mark.parametrize("status", ["RERUN", "PENDING_NEW_EVAL"])
def test_an_operator_s_command_may_ask_for_a_new_result(status: str) -> None:
    assert transition_of({"status": status}) is TransitionKind.ASK
    assert json.loads(write_status(file("FINISHED"), {"status": status}))["status"] == status


def file(status: str | None) -> bytes:
    return json.dumps({"model": "org/model"} | ({} if status is None else {"status": status})).encode()


@pytest.mark.parametrize("status", ["RERUN", "pending_new_eval"])
@pytest.mark.parametrize(
    "changes",
    [
        {"status": "FINISHED", "error_msg": None},
        on_hold_changes("the canary failed"),
        pending_changes("node_lost", "gone"),
    ],
)
def test_news_of_the_old_result_do_not_overrule_a_sender_who_asks_again(status, changes):
    assert write_status(file(status), changes) == file(status)


@pytest.mark.parametrize("status", ["ARCHIVED", "FAILEDX", "42"])
@pytest.mark.parametrize("transition", [one for one in TransitionKind if one is not TransitionKind.ASK])
def test_a_fork_s_own_word_is_never_touched(status: str, transition: TransitionKind) -> None:
    changes = {"status": next(iter(BY_KIND[transition].after)).value}

    assert write_status(file(status), changes) == file(status)


def test_an_edit_that_leaves_the_status_alone_is_made_whatever_it_says() -> None:
    assert json.loads(write_status(file("ARCHIVED"), {"likes": 3}))["likes"] == 3


def test_a_file_that_is_no_json_is_told() -> None:
    with pytest.raises(RefusedError, match="invalid_json"):
        write_status(b"{", {"status": "FAILED"})


statuses = st.sampled_from([*RequestStatus, "EVALUATING", "finished_ok", "odd", None])
OUR_CHANGES = st.sampled_from(
    [
        {"status": "RUNNING", "revision": "a" * 40, "error_msg": None},
        {"status": "RUNNING", "error_msg": "parked: odd"},
        {"status": "FINISHED", "error_msg": None},
        {"status": "FAILED", "error_msg": "gated: ask"},
        {"status": "PENDING", "error_msg": "node_lost: gone"},
        {"status": "CANCELLED", "error_msg": "cancelled: by hand"},
    ]
)


@given(statuses, OUR_CHANGES)
def test_an_edit_is_made_whole_or_not_at_all(status, changes):
    content = file(None if status is None else str(status))
    written = write_status(content, changes)

    transition = transition_of(changes)
    assert transition is not None
    before = parse_status(None if status is None else str(status))
    is_allowed = may_transition(before, transition, by=Actor.BACK_END)
    assert written == (edit_request(content, changes) if is_allowed else content)


@given(st.lists(st.tuples(st.booleans(), OUR_CHANGES, st.sampled_from(sorted(ASKS_AGAIN)))))
def test_a_wish_for_a_new_result_lasts_until_it_is_taken_up_refused_or_cancelled(history):
    content = file("PENDING")
    for is_sender, changes, wish in history:
        before = parse_status(json.loads(content).get("status"))
        if is_sender:
            content = edit_request(content, {"status": wish.value})
            continue
        content = write_status(content, changes)
        after = parse_status(json.loads(content)["status"])
        assert after is before or may_become(before, after, by=Actor.BACK_END)
        if before in ASKS_AGAIN and after is not before:
            assert transition_of(changes) in {
                TransitionKind.CLAIM,
                TransitionKind.REFUSE,
                TransitionKind.CANCEL,
            }


@pytest.mark.parametrize("start", KNOWN)
def test_from_every_status_somebody_can_bring_a_request_to_its_end(start: RequestStatus) -> None:
    reached: set[RequestStatus] = {start}
    new: set[RequestStatus] = {start}
    while new:
        new = {
            after
            for before in new
            for after in KNOWN
            if any(may_become(before, after, by=actor) for actor in Actor)
        } - reached
        reached |= new

    assert reached >= {RequestStatus.FINISHED, RequestStatus.FAILED, RequestStatus.CANCELLED}


def test_the_page_holds_the_whole_table() -> None:
    text = REQUESTS_MD.read_text(encoding="utf-8")

    for one in TRANSITIONS:
        row = (
            f"| {one.kind} | {listed(one.before)} | {listed(one.after)} | "
            f"{', '.join(actor.value for actor in Actor if actor in one.by)} | {one.when} |"
        )
        assert row in text, row


def listed(some: Iterable[RequestStatus]) -> str:
    return ", ".join(f"`{status.value}`" for status in RequestStatus if status in some)


def test_a_job_id_that_a_form_wrote_as_a_number_becomes_a_string_with_our_first_edit() -> None:
    content = b'{"model": "org/m", "status": "PENDING", "job_id": -1}'
    edited = json.loads(write_status(content, {"status": "RUNNING"}))
    assert edited == {"model": "org/m", "status": "RUNNING", "job_id": "-1"}


def test_requests_of_several_programs_that_we_wrote_to_are_one_table(make_submission, tmp_path) -> None:
    foreign = b'{"model": "org/m%d", "status": "PENDING", "job_id": -1}'
    ours = b'{"model": "org/m2", "status": "RUNNING", "job_id": "-1"}'
    claimed = running_changes(make_submission(), started_at=datetime(2026, 1, 11, tzinfo=UTC))
    written = [
        write_status(foreign % 0, claimed),
        write_status(foreign % 1, pending_changes("node_lost", "the node died")),
        edit_request(foreign % 2, {"status": "RERUN"}),  # an operator asks again
        write_status(ours, finished_changes(make_submission(), job_id="0f3c9a5be1d2476c8a1b2c3d4e5f6071")),
    ]
    rows = tmp_path / "requests.jsonl"
    rows.write_bytes(b"\n".join(written))

    # As `datasets` and the Hub's viewer read JSON: one type a column, or an error.
    job_ids = pyarrow.json.read_json(rows).column("job_id").to_pylist()

    assert job_ids == ["-1", "-1", "-1", "0f3c9a5be1d2476c8a1b2c3d4e5f6071"]
