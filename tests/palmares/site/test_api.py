"""The HTTP API answers as its own description says."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator
from palmares.site.app import create_app
from palmares.site.settings import Limits, Secrets

from tests.palmares.site.conftest import TOKEN


def names(answer) -> list[str]:
    return [row["model"] for row in answer.json()["rows"]]


@pytest.mark.parametrize(
    "address",
    [
        "/api/v1/leaderboard",
        "/api/v1/leaderboard?search=org&page_size=2&page=2&sort=-average",
        "/api/v1/models/org/premier",
        "/api/v1/queue",
        "/api/v1/requests?status=failed",
        "/api/v1/names?q=org",
    ],
)
def test_every_answer_follows_the_api_description(site, address):
    answer = site.get(address)
    assert answer.status_code == 200
    description = site.get("/api/v1/openapi.json").json()
    path = address.partition("?")[0].replace("/org/premier", "/{name}")
    schema = description["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": description["components"]}).validate(answer.json())


def test_the_leaderboard_comes_in_pages_searched_and_sorted(site):
    assert names(site.get("/api/v1/leaderboard?page_size=2"))[0] == "org/premier"
    second = site.get("/api/v1/leaderboard?page_size=4&page=2").json()
    assert (second["total"], second["pages"], len(second["rows"])) == (6, 2, 2)
    assert names(site.get("/api/v1/leaderboard?search=license:%20mit")) == ["org/premier"]
    assert names(site.get("/api/v1/leaderboard?sort=average"))[-1] == "org/flagged"


def test_rows_hold_intervals_and_no_error_where_none_is_known(site):
    rows = {row["model"]: row for row in site.get("/api/v1/leaderboard").json()["rows"]}
    assert (rows["org/deuxième"]["best_rank"], rows["org/deuxième"]["worst_rank"]) == (2, 3)
    score = rows["org/perfect"]["scores"]["BAC-fr"]
    assert (score["value"], score["raw"], score["stderr"]) == (100.0, 100.0, None)


def test_a_model_is_found_by_its_former_name(site):
    assert site.get("/api/v1/models/org/ancien").json()[0]["model"] == "org/deuxième"
    assert site.get("/api/v1/models/org/nobody").status_code == 404


@pytest.mark.parametrize("query", ["sort=evil", "page=0", "page_size=5000", "page=x"])
def test_a_wrong_parameter_is_named(site, query):
    answer = site.get(f"/api/v1/leaderboard?{query}")
    assert answer.status_code == 422
    assert query.split("=")[0] in str(answer.json())


def test_an_answer_that_the_visitor_has_is_not_sent_again(site):
    tag = site.get("/api/v1/leaderboard").headers["etag"]
    assert site.get("/api/v1/leaderboard", headers={"if-none-match": tag}).status_code == 304


def test_any_page_may_ask_and_a_flood_is_slowed_down(site_settings):
    slow = site_settings.model_copy(update={"limits": Limits(requests_per_minute=3)})
    with TestClient(create_app(slow, secrets_=Secrets())) as client:
        answers = [client.get("/api/v1/queue") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert {answer.headers["access-control-allow-origin"] for answer in answers} == {"*"}


def submission(**changes: Any) -> dict[str, Any]:
    return {
        "model": "palmares-demo/grand",
        "model_type": "pretrained",
        "precision": "float16",
        "dry_run": True,
    } | changes


def test_a_dry_run_checks_and_writes_nothing(site, public_hub):
    headers = {"authorization": f"Bearer {TOKEN}"}
    answer = site.post("/api/v1/submissions", json=submission(), headers=headers)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["revision"]) == 40
    assert answer.json()["commit"] is None
    assert site.get("/api/v1/requests?model=palmares-demo/grand&status=pending").json()["total"] <= 2


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({"model": "../../etc/passwd"}, 422, "organisation/model"),
        ({"model": "nobody/nothing"}, 422, "not_found"),
        ({"model": "org/attend"}, 422, "not_found"),
        ({"precision": "int3"}, 422, "precisions"),
        ({"model_type": "magic"}, 422, "types"),
        ({"revision": "no such branch"}, 422, "branch"),
        ({"surprise": 1}, 422, "surprise"),
    ],
)
def test_a_bad_submission_is_refused_with_its_reason(site, changes, status, text):
    headers = {"authorization": f"Bearer {TOKEN}"}
    answer = site.post("/api/v1/submissions", json=submission(**changes), headers=headers)
    assert (answer.status_code, text in answer.text) == (status, True), answer.text


def test_a_stranger_cannot_submit(site):
    assert site.post("/api/v1/submissions", json=submission()).status_code == 401
    wrong = {"authorization": "Bearer nothing"}
    assert site.post("/api/v1/submissions", json=submission(), headers=wrong).status_code == 401


def test_a_large_body_is_refused_unread(site):
    answer = site.post("/api/v1/submissions", content=b"x" * 100_000)
    assert answer.status_code == 413
