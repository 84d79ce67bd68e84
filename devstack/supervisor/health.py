"""Whether each part not only runs but works; and what a stack needs from its own services."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from palmares.cli.requests import jobs
from palmares.leaderboard.errors import StackError

from devstack.supervisor import postgres, settings
from devstack.supervisor.paths import StackPaths
from devstack.supervisor.programs import AIRFLOW_PARTS, EMBEDDED, POSTGRES, SITE, agent_names
from devstack.supervisor.state import StackState

TIMEOUT_S = 5.0
"""For an answer about health: a later one counts as none."""
ANSWER_S = 120.0
"""For any other answer of Airflow's: a loaded machine of two cores takes its time."""
REPORTED_WITHIN_S = 60
"""An agent reports every 10 s."""


@dataclass(frozen=True, slots=True)
class Health:
    """One part's answer."""

    healthy: bool
    detail: str
    """What it said; empty when healthy."""


HEALTHY = Health(True, "")


def _client(timeout_s: float = TIMEOUT_S) -> httpx.Client:
    return httpx.Client(timeout=timeout_s, trust_env=False)  # a proxy has no business on loopback


def airflow_health(state: StackState, *, timeout_s: float = TIMEOUT_S) -> dict[str, Health]:
    """Ask the API server about all components; the HTTP status is 200 whatever the body says."""
    try:
        with _client(timeout_s) as client:
            answer = client.get(f"{state.url('airflow')}/api/v2/monitor/health")
            answer.raise_for_status()
            body = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        # The API server speaks for all four: what it does not say is not known, and no other part is ill.
        return {AIRFLOW_PARTS[0]: Health(False, _in_words(error))}
    components = {
        "airflow-api-server": "metadatabase",
        "airflow-scheduler": "scheduler",
        "airflow-dag-processor": "dag_processor",
        "airflow-triggerer": "triggerer",
    }
    return {
        part: HEALTHY
        if (status := (body.get(component) or {}).get("status")) == "healthy"
        else Health(False, f"{component} is {status or 'not reported'}")
        for part, component in components.items()
    }


def embedded_health(state: StackState) -> Health:
    """Log in to the ClearML API and the Hub in use, and ask the other two for anything."""
    try:
        with _client() as client:
            client.post(
                f"{state.url('clearml_api')}/auth.login",
                auth=state.clearml_keys,
            ).raise_for_status()
            client.get(
                f"{state.url('hub')}/api/whoami-v2", headers={"Authorization": f"Bearer {state.hub_token}"}
            ).raise_for_status()
            for name in ("clearml_files", "clearml_web"):
                client.get(f"{state.url(name)}/")  # type: ignore[arg-type]  # any answer will do
    except httpx.HTTPError as error:
        return Health(False, _in_words(error))
    return HEALTHY


def site_health(state: StackState) -> Health:
    """Ask the public site for any page; its data is the Hub's."""
    try:
        with _client() as client:
            client.get(f"{state.url('site')}/robots.txt").raise_for_status()
    except httpx.HTTPError as error:
        return Health(False, _in_words(error))
    return HEALTHY


def agents_health(state: StackState) -> dict[str, Health]:
    """Ask the ClearML server which agents reported within the last minute.

    An agent that dies at once runs for a moment each time it is started, and never reports.
    """
    try:
        with clearml_client(state) as client:
            answer = client.post("/workers.get_all", json={"last_seen": REPORTED_WITHIN_S}).raise_for_status()
            known = {worker["id"] for worker in answer.json()["data"]["workers"]}
    except (httpx.HTTPError, KeyError, ValueError) as error:
        return dict.fromkeys(agent_names(state), Health(False, _in_words(error)))
    return {
        name: HEALTHY
        if settings.worker_id(number) in known
        else Health(False, f"has not reported to ClearML for {REPORTED_WITHIN_S} s")
        for number, name in enumerate(agent_names(state))
    }


def check_parts(state: StackState) -> dict[str, Health]:
    """Health of every part, by what it answers or reports."""
    database = HEALTHY if postgres.is_ready(state) else Health(False, "does not answer a query")
    embedded = embedded_health(state)
    agents = agents_health(state) if embedded.healthy else {}
    services = {POSTGRES: database, EMBEDDED: embedded, SITE: site_health(state)}
    return services | airflow_health(state) | agents


def _in_words(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"{error.request.url} answers {error.response.status_code}"
    if isinstance(error, httpx.RequestError):
        return f"{error.request.url}: {type(error).__name__}"
    return f"unreadable answer: {error}"


def ensure_queue(state: StackState) -> None:
    """Make the agents' queue if it is not there: an agent ends at once without it.

    Raises:
        StackError: The ClearML API refuses.
    """
    url = state.url("clearml_api")
    try:
        with clearml_client(state) as client:
            found = client.post("/queues.get_all", json={"name": f"^{settings.AGENT_QUEUE}$"})
            if found.raise_for_status().json()["data"]["queues"]:
                return
            client.post("/queues.create", json={"name": settings.AGENT_QUEUE}).raise_for_status()
    except (httpx.HTTPError, KeyError, ValueError) as error:
        raise StackError(
            f"The queue {settings.AGENT_QUEUE} is missing on {url}, and cannot be made: {_in_words(error)}. "
            f"Make it there, and start again."
        ) from error


def ensure_pools(paths: StackPaths, state: StackState) -> None:
    """Make the pools of ``include/config/pools.json``: a task that names another pool never runs.

    Raises:
        StackError: Airflow refuses, or the file is wrong.
    """
    try:
        pools = json.loads(paths.pools_file.read_text(encoding="utf-8"))
        entities = [{"name": name, **options} for name, options in pools.items()]
        with airflow_client(state) as client:
            answer = client.patch(
                "/api/v2/pools",
                json={
                    "actions": [
                        {"action": "create", "action_on_existence": "overwrite", "entities": entities}
                    ]
                },
            ).raise_for_status()
            if errors := answer.json().get("create", {}).get("errors"):
                raise StackError(f"{paths.pools_file}: Airflow refuses: {errors}. Correct the file.")
    except (httpx.HTTPError, OSError, ValueError) as error:
        raise StackError(f"{paths.pools_file}: the pools cannot be made: {error}.") from error


@contextmanager
def clearml_client(state: StackState) -> Iterator[httpx.Client]:
    """A client of the ClearML server in use, logged in.

    Raises:
        httpx.HTTPError: The server does not answer, or refuses the keys.
    """
    address, keys = state.url("clearml_api"), state.clearml_keys
    with jobs.clearml_client(address, keys, timeout_s=TIMEOUT_S) as client:
        yield client


@contextmanager
def airflow_client(state: StackState) -> Iterator[httpx.Client]:
    """A client of Airflow's REST API, logged in.

    Raises:
        httpx.HTTPError: The API server does not answer, or refuses the password.
    """
    with httpx.Client(base_url=state.url("airflow"), timeout=ANSWER_S, trust_env=False) as client:
        credentials = {"username": settings.ADMIN_USER, "password": state.keys.airflow_admin_password}
        token = client.post("/auth/token", json=credentials).raise_for_status().json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client
