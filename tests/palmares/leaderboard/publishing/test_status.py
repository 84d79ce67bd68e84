"""Each step of an evaluation has its words in the request file."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from palmares.leaderboard.errors import Refusal
from palmares.leaderboard.publishing.status import (
    LONGEST_MESSAGE,
    cancelled_changes,
    failed_changes,
    finished_changes,
    on_hold_changes,
    pending_changes,
    running_changes,
)
from palmares.leaderboard.submissions.request_file import edit_request

STARTED = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def test_a_claim_freezes_the_revision_and_keeps_the_rest_of_the_file(make_submission):
    content = b'{"model": "org/model", "revision": "main", "status": "PENDING", "mine": 1}'

    edited = json.loads(edit_request(content, running_changes(make_submission(), started_at=STARTED)))

    assert edited == {
        "model": "org/model",
        "revision": make_submission().revision,
        "status": "RUNNING",
        "mine": 1,
        "job_start_time": "2026-01-02T03-04-05.000678",
    }


def test_a_success_takes_an_old_error_away(make_submission):
    content = b'{"status": "PENDING", "error_msg": "node_lost: ..."}'

    edited = json.loads(edit_request(content, finished_changes(make_submission(), job_id="t1")))

    assert (edited["status"], edited["error_msg"], edited["job_id"]) == ("FINISHED", None, "t1")


def test_every_other_ending_says_why():
    refusal = Refusal(code="gated", message_en="Ask for access.", message_fr="Demandez l'accès.")

    assert failed_changes(refusal) == {"status": "FAILED", "error_msg": "gated: Ask for access."}
    assert pending_changes("node_lost", "gone") == {"status": "PENDING", "error_msg": "node_lost: gone"}
    assert on_hold_changes("odd") == {"status": "RUNNING", "error_msg": "parked: odd"}
    assert cancelled_changes("by hand")["status"] == "CANCELLED"


def test_a_message_is_one_short_line():
    message = pending_changes("evaluator_error", "a\nb " * 1000)["error_msg"]

    assert len(message) == LONGEST_MESSAGE
    assert "\n" not in message
