"""What strangers may send: every file gets a verdict, none does harm where its text ends up."""

from __future__ import annotations

import html
import logging
import re

import httpx
import pytest
from palmares.leaderboard.errors import Refusal, RefusedError
from palmares.leaderboard.submissions.request_file import MAX_REQUEST_BYTES, parse_request, read_object
from palmares.steps.leaderboard.standings import leaderboard_rows
from palmares.steps.outbox import write_everything
from palmares.steps.services import Services

from tests.data.nasty_requests import LEFT_ALONE, NastyRequest, corpus
from tests.palmares.steps.sweeping import admit, request_files

CORPUS = corpus()
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b\u202a-\u202e\u2066-\u2069]")
WRITTEN = {"status", "error_msg", "revision", "job_id", "job_start_time"}


def test_there_are_a_hundred_and_more_and_no_two_are_the_same():
    assert len(CORPUS) >= 100
    assert len({one.name for one in CORPUS}) == len({one.path for one in CORPUS}) == len(CORPUS)


@pytest.mark.parametrize("one", CORPUS, ids=lambda one: one.name[:40])
def test_each_file_is_read_or_refused_in_plain_words(one: NastyRequest):
    refusal = _refusal(one)
    if refusal is None:
        return
    assert refusal.code in {"invalid_json", "invalid_request", "invalid_name"}
    for text in (refusal.message_en, refusal.message_fr, refusal.error_msg):
        assert len(text) < 1500
        assert not UNPRINTABLE.search(text)
        assert "\n" not in text


def _refusal(one: NastyRequest) -> Refusal | None:
    try:
        parse_request(one.path, one.content)
    except RefusedError as error:
        return error.refusal
    return None


def _submitted(services: Services) -> str:
    repo = services.settings.hub.requests_repo
    files = {one.path: one.content for one in CORPUS}
    services.hub.commit_files(repo, files, message="Submit", parent_commit=services.hub.head(repo))
    return repo


def test_a_sweep_over_all_of_them_decides_each_and_changes_nothing_else(
    services: Services, caplog: pytest.LogCaptureFixture
):
    _submitted(services)
    caplog.set_level(logging.INFO)
    admitted = admit(services)
    assert all(submission.model_id.startswith("palmares-demo/") for submission in admitted.claimed)
    assert not {submission.request_path for submission in admitted.claimed} & {one.path for one in CORPUS}

    codes = {
        refusal.request_path: refusal.refusal.code for refusal in services.store.request_files.refusals()
    }
    assert {one.name: codes.get(one.path, LEFT_ALONE) for one in CORPUS} == {
        one.name: one.expected for one in CORPUS
    }
    write_everything(services)  # they are more than one commit takes
    after = request_files(services)
    for one in CORPUS:
        if len(one.content) > MAX_REQUEST_BYTES:
            assert after[one.path] == b""  # not even downloaded
            continue
        if one.expected in {LEFT_ALONE, "invalid_json"}:
            assert after[one.path] == one.content, one.name
            continue
        before, now = read_object(one.content), read_object(after[one.path])
        changed = {key for key in now if key not in before or repr(now[key]) != repr(before[key])}
        assert changed <= WRITTEN, one.name
        assert now["status"] == "FAILED", one.name
        assert now["error_msg"].startswith(f"{one.expected}: "), one.name
        assert not UNPRINTABLE.search(now["error_msg"]), one.name

    for record in caplog.records:
        assert not UNPRINTABLE.search(record.getMessage()), record.getMessage()[:200]
        assert "\n" not in record.getMessage(), record.getMessage()[:200]

    rows = leaderboard_rows(services)
    assert len(rows) == len(after)


def test_no_page_of_the_hub_shows_their_markup_as_markup(services: Services, demo_hub):
    repo = _submitted(services)
    token = {"Authorization": f"Bearer {demo_hub.token}"}
    with httpx.Client(base_url=demo_hub.endpoint, headers=token) as web:
        pages = [web.get(f"/datasets/{repo}").text, web.get(f"/datasets/{repo}/tree/main/nasty").text]
        pages += [web.get(f"/datasets/{repo}/blob/main/{one.path}").text for one in CORPUS[:40]]
    assert any("_eval_request_" in page for page in pages)
    for page in pages:
        assert "<img src=x" not in page
        assert "<script>alert" not in page
        assert 'onmouseover=alert(1) x="' not in page.replace(html.escape('"'), "&quot;")
