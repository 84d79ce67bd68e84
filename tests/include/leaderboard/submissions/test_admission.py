"""Admission: each reason has its code, outages refuse nobody, the queue is in order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils._validators import validate_repo_id
from hypothesis import given
from hypothesis import strategies as st

from include.leaderboard.errors import HubGatedError, HubNotFoundError, HubUnavailableError, RefusedError
from include.leaderboard.submissions.admission import admit, find_duplicates, order
from include.leaderboard.submissions.names import validate_model_id, validate_revision
from include.leaderboard.submissions.refusals import MESSAGES
from include.leaderboard.submissions.request_file import parse_request
from include.leaderboard.submissions.submission import Submission

REQUESTS_MD = Path(__file__).parents[4] / "docs" / "requests.md"


@pytest.fixture
def admit_request(settings, make_facts):
    def run(facts=None, error=None, **fields):
        def ask(model_id, revision):
            if error:
                raise error
            return facts or make_facts()

        content = json.dumps({"model": "org/model", **fields}).encode()
        return admit(
            parse_request("r.json", content),
            blob_oid="oid",
            facts=ask,
            settings=settings,
            suite_name="fr",
            suite_hash="hash",
        )

    return run


def code_of(caught):
    return caught.value.refusal.code


def test_an_admitted_submission_is_pinned_to_the_commit(admit_request, make_facts):
    submission = admit_request(
        revision="main", precision="torch.float16", submitted_time="2026-01-02T03:04:05Z"
    )

    assert submission.revision == make_facts().commit
    assert (submission.requested_revision, submission.precision, submission.backend) == (
        "main",
        "float16",
        "hf",
    )
    assert submission.submitted_time == "2026-01-02T03:04:05+00:00"
    assert Submission.from_json(json.loads(json.dumps(submission.to_json()))) == submission


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HubNotFoundError("x", what="repository"), "not_found"),
        (HubNotFoundError("x", what="revision"), "revision_not_found"),
        (HubGatedError("x"), "gated"),
    ],
)
def test_what_the_hub_says_becomes_a_reason(admit_request, error, code):
    with pytest.raises(RefusedError) as caught:
        admit_request(error=error)

    assert code_of(caught) == code


def test_an_outage_is_not_a_refusal(admit_request):
    with pytest.raises(HubUnavailableError):
        admit_request(error=HubUnavailableError("down"))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"precision": "4bit"}, "unsupported_precision"),
        ({"weight_type": "Adapter"}, "unsupported_weight_type"),
        ({"revision": "../main"}, "invalid_revision"),
        ({"revision": "--upload-pack=x"}, "invalid_revision"),
    ],
)
def test_what_the_request_asks_is_checked_before_the_hub_is_asked(admit_request, fields, code):
    with pytest.raises(RefusedError) as caught:
        admit_request(error=AssertionError("the Hub was asked"), **fields)

    assert code_of(caught) == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"weights_format": None}, "no_weights"),
        ({"weights_format": "bin"}, "no_weights"),
        ({"custom_code": True}, "custom_code"),
        ({"config": None}, "no_config"),
    ],
)
def test_what_the_repository_lacks_is_refused(admit_request, make_facts, changes, code):
    with pytest.raises(RefusedError) as caught:
        admit_request(facts=make_facts(**changes))

    assert code_of(caught) == code


def test_a_model_without_a_chat_template_is_prompted_as_plain_text(admit_request, make_facts):
    assert admit_request().use_chat_template
    assert not admit_request(facts=make_facts(has_chat_template=False)).use_chat_template
    assert not admit_request(use_chat_template=False).use_chat_template


def test_the_job_key_names_the_result_and_not_who_asked(make_submission):
    one = make_submission()

    assert len(one.job_key) == 32
    assert make_submission(sender="someone", likes=9, request_path="other").job_key == one.job_key
    for change in (
        {"revision": "f" * 40},
        {"run_number": 2},
        {"limit_samples": 3},
        {"use_chat_template": False},
    ):
        assert make_submission(**change).job_key != one.job_key


def test_the_earliest_of_two_equal_submissions_wins(make_submission):
    late = make_submission(request_path="a.json", submitted_time="2026-02-01T00:00:00+00:00")
    early = make_submission(request_path="b.json", submitted_time="2026-01-01T00:00:00.5+00:00")

    assert list(find_duplicates([late, early])) == ["a.json"]
    assert "b.json" in find_duplicates([late, early])["a.json"].message_en


def test_the_queue_is_ordered_by_time_likes_and_path(make_submission):
    undated = make_submission(request_path="0", submitted_time=None)
    first = make_submission(request_path="9", submitted_time="2026-01-01T00:00:00+00:00")
    liked = make_submission(request_path="8", likes=5)
    plain = make_submission(request_path="7", likes=1)

    assert [one.request_path for one in order([undated, plain, liked, first])] == ["9", "8", "7", "0"]


@given(st.text(alphabet=st.sampled_from("ab-._/é \0\n.git"), max_size=12) | st.text(max_size=100))
def test_names_are_those_that_the_hub_client_accepts(name):
    try:
        validate_repo_id(name)
        legal = bool(name)
    except HFValidationError:
        legal = False
    try:
        validate_model_id(name)
        accepted = True
    except RefusedError:
        accepted = False
    assert accepted == legal


@pytest.mark.parametrize("revision", ["main", "refs/pr/3", "v1.0", "0" * 40])
def test_usual_revisions_pass(revision):
    assert validate_revision(revision) == revision


def test_every_code_is_explained_to_submitters():
    text = REQUESTS_MD.read_text(encoding="utf-8")

    assert [code for code in MESSAGES if f"`{code}`" not in text] == []
