"""The operators' pages in the Airflow of the stack: behind its log-in and its roles, linked to and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest

from devstack.supervisor.health import ANSWER_S, airflow_client
from tests.e2e.conftest import FinishedSweep

pytestmark = pytest.mark.e2e

ADDRESSES = [f"/palmares/{kind}{page}" for kind in ("", "api/") for page in ("queue", "models", "failures")]


@pytest.fixture(scope="module")
def operator(sweep: FinishedSweep) -> Iterator[httpx.Client]:
    with airflow_client(sweep.state) as client:
        yield client


def with_role(operator: httpx.Client, sweep: FinishedSweep, role: str | None) -> dict[str, str]:
    """Headers of somebody with another role: the operator's token, changed and signed with Airflow's key."""
    token = operator.headers["Authorization"].removeprefix("Bearer ")
    algorithm = jwt.get_unverified_header(token)["alg"]
    claims = jwt.decode(token, options={"verify_signature": False}) | {"role": role}
    forged = jwt.encode(claims, sweep.state.keys.airflow_jwt_secret, algorithm=algorithm)
    return {"Authorization": f"Bearer {forged}"}


@pytest.mark.parametrize("address", ADDRESSES)
def test_who_may_read_runs_may_read_every_page(
    operator: httpx.Client, sweep: FinishedSweep, address: str
) -> None:
    viewer = with_role(operator, sweep, "viewer")
    assert (
        httpx.get(f"{sweep.state.url('airflow')}{address}", headers=viewer, timeout=ANSWER_S).status_code
        == 200
    )


@pytest.mark.parametrize("address", ADDRESSES)
def test_nobody_else_reads_a_page(operator: httpx.Client, sweep: FinishedSweep, address: str) -> None:
    url = f"{sweep.state.url('airflow')}{address}"

    without_role = httpx.get(url, headers=with_role(operator, sweep, None), timeout=ANSWER_S)
    assert (without_role.status_code, "palmares-demo" in without_role.text) == (403, False)
    stranger = httpx.get(url, timeout=ANSWER_S)
    if "/api/" in address:
        assert stranger.status_code == 401
    else:
        assert stranger.status_code == 303
        assert "/auth/login" in stranger.headers["location"]
    assert "palmares-demo" not in stranger.text


def test_the_pages_tell_of_the_sweep_and_link_to_run_request_and_job(
    operator: httpx.Client, sweep: FinishedSweep
) -> None:
    answer = operator.get("/palmares/api/models").raise_for_status().json()
    models: dict[str, dict[str, Any]] = {}
    for one in answer["models"]:
        if one["precision"] == "bfloat16":
            models[one["model"]] = one

    assert set(models) == {"palmares-demo/grand", "palmares-demo/moyen", "palmares-demo/petit"}
    for one in models.values():
        assert one["state"] == "published"
        assert one["attempts"][-1]["failure_class"] == "succeeded"
        run = (
            one["run_url"].removeprefix(sweep.state.url("airflow")).removeprefix("/dags/evaluate_submissions")
        )
        operator.get(
            f"/api/v2/dags/evaluate_submissions/dagRuns/{run.removeprefix('/runs/')}"
        ).raise_for_status()
        assert one["clearml_url"].startswith(str(sweep.state.url("clearml_web")))
        httpx.get(one["request_url"], follow_redirects=True).raise_for_status()
    failures = operator.get("/palmares/api/failures").raise_for_status().json()["failures"]
    lost = next(row for row in failures if row["cause"] == "node_lost")
    assert lost["count"] == 1
    assert len(lost["models"]) == 1


def test_airflow_links_to_the_pages_from_its_menu_and_from_each_run_and_task(operator: httpx.Client) -> None:
    plugins = operator.get("/api/v2/plugins").raise_for_status().json()["plugins"]
    (ours,) = [plugin for plugin in plugins if plugin["name"] == "palmares_pages"]

    views = {(view["destination"], view["href"].rsplit("/", 1)[-1]) for view in ours["external_views"]}
    assert views == {
        ("nav", "queue"), ("nav", "models"), ("nav", "failures"), ("nav", "ledger"),
        ("dag_run", "models?run={RUN_ID}"), ("task_instance", "models?run={RUN_ID}"),
    }  # fmt: skip
    assert operator.get("/api/v2/plugins/importErrors").raise_for_status().json()["import_errors"] == []
