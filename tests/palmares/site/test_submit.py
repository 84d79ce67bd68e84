"""The form: checked at once, confirmed, committed once; what is wrong is said beside the field."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from huggingface_hub import HfApi
from palmares.leaderboard.settings import load_settings
from palmares.site.app import create_app
from palmares.site.guard import Forms, RateLimit, digest_of
from palmares.site.settings import Limits, Secrets

from tests.palmares.site.conftest import TOKEN
from tests.palmares.site.public_data import REQUESTS

GOOD = {
    "model": "palmares-demo/moyen",
    "revision": "",
    "precision": "float32",
    "weight_type": "Original",
    "base_model": "",
    "model_type": "pretrained",
    "use_chat_template": "on",
    "token": TOKEN,
    "action": "check",
}


def form_token(site: TestClient) -> str:
    """Open the form; return what it sends unseen."""
    token = re.search(r'name="form_token" value="([^"]+)"', site.get("/submit?lang=en").text)
    assert token is not None
    return token[1]


def answer_form(site: TestClient, **changes: str):
    """Open the form as a browser does, fill it in and send it."""
    page = site.get("/submit?lang=en").text
    token = re.search(r'name="form_token" value="([^"]+)"', page)
    assert token is not None
    return site.post(
        "/submit", data=GOOD | {"form_token": token[1]} | changes, headers={"accept-language": "en"}
    )


def head(public_hub) -> str:
    return str(HfApi(endpoint=public_hub.endpoint, token=public_hub.token).dataset_info(REQUESTS).sha)


def test_a_good_submission_is_checked_then_committed_at_the_commit_that_was_checked(site, public_hub):
    before = head(public_hub)
    checked = answer_form(site)
    assert checked.status_code == 200, checked.text
    revision = re.search(r"<code>([0-9a-f]{40})</code>", checked.text)
    assert revision is not None
    assert "GPU-hours" in checked.text
    assert head(public_hub) == before
    done = answer_form(site, action="submit")
    assert done.status_code == 303, done.text
    page = site.get(done.headers["location"]).text
    assert revision[1] in page
    path = "palmares-demo/moyen_eval_request_False_float32_Original.json"
    api = HfApi(endpoint=public_hub.endpoint, token=public_hub.token)
    local = api.hf_hub_download(REQUESTS, path, repo_type="dataset", revision=head(public_hub))
    written = json.loads(Path(local).read_text(encoding="utf-8"))
    assert (written["status"], written["sender"], written["revision"]) == ("PENDING", "moi", revision[1])
    again = answer_form(site, action="submit")
    assert again.status_code == 422
    assert "/requests/palmares-demo/moyen_eval_request_False_float32_Original" in again.text


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({"model": ""}, 422, "Name the model"),
        ({"model": "a b"}, 422, "not the name of a Hub repository"),
        ({"model": "../../../etc/passwd"}, 422, "not the name of a Hub repository"),
        ({"model": "x" * 300}, 422, "too long"),
        ({"model": "org/<script>alert(1)</script>"}, 422, "not the name of a Hub repository"),
        ({"model": "nobody/nothing"}, 422, "would be refused"),
        ({"model": "autre-labo/modele-reserve"}, 422, "would be refused"),
        ({"revision": "-x"}, 422, "no name of a branch"),
        ({"revision": "unknown-branch"}, 422, "would be refused"),
        ({"precision": "int2"}, 422, "one of the precisions"),
        ({"weight_type": "Magic"}, 422, "one of the weight types"),
        ({"model_type": "other"}, 422, "one of the types"),
        ({"base_model": "a/b/c/d"}, 422, "not the name of a Hub repository"),
        ({"token": "wrong"}, 403, "not known"),
        ({"model": "bad\x00name"}, 422, "cannot be printed"),
    ],
)
def test_a_bad_submission_names_what_to_correct_and_writes_nothing(site, public_hub, changes, status, text):
    before = head(public_hub)
    answer = answer_form(site, **({"action": "submit"} | changes))
    assert (answer.status_code, text in answer.text) == (status, True), answer.text
    assert "<script>alert" not in answer.text
    assert head(public_hub) == before


def test_a_form_of_another_browser_is_not_accepted(site):
    token = form_token(site)
    site.cookies.clear()
    answer = site.post("/submit", data=GOOD | {"form_token": token})
    assert answer.status_code == 400


def test_a_form_is_accepted_once(site):
    token = form_token(site)
    first = site.post("/submit", data=GOOD | {"form_token": token, "precision": "float16"})
    again = site.post("/submit", data=GOOD | {"form_token": token, "precision": "float16"})
    assert (first.status_code, again.status_code) == (200, 400)


def test_a_forged_form_is_not_accepted(site):
    assert site.post("/submit", data=GOOD | {"form_token": "forged"}).status_code == 400
    assert site.post("/submit", data=GOOD).status_code == 400


def test_a_sender_is_slowed_down_after_some_submissions(site_settings, public_hub):
    few = site_settings.model_copy(update={"limits": Limits(submissions_per_hour=2)})
    secrets = Secrets(hub_token=public_hub.token, sender_tokens={digest_of(TOKEN): "moi"})
    with TestClient(create_app(few, settings=load_settings(), secrets_=secrets)) as client:
        answers = [answer_form(client, model="nobody/nothing") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [422, 422, 429, 429]
    assert int(answers[-1].headers["retry-after"]) > 0


def test_without_a_token_of_the_site_the_form_is_closed(site_settings):
    with TestClient(create_app(site_settings, settings=load_settings(), secrets_=Secrets())) as client:
        page = client.get("/submit", headers={"accept-language": "en"})
        sent = client.post("/submit", data=GOOD)
    assert "closed" in page.text
    assert sent.status_code == 503


def test_a_token_bucket_fills_up_again():
    limit = RateLimit(count=2, seconds=60)
    assert [limit.take("a", now=0.0) == 0 for _ in range(3)] == [True, True, False]
    assert limit.take("b", now=0.0) == 0
    assert limit.take("a", now=29.0) == pytest.approx(1.0)
    assert limit.take("a", now=31.0) == 0


def test_a_form_of_another_process_is_not_accepted():
    assert not Forms(None).accept(Forms(None).token("browser"), "browser")
    assert Forms("key").accept(Forms("key").token("browser"), "browser")
