"""Whether each part not only runs but works; and what a stack needs from its own services."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from palmares.leaderboard.errors import StackError

from devstack.supervisor import postgres, settings
from devstack.supervisor.paths import StackPaths
from devstack.supervisor.programs import AIRFLOW_PARTS, EMBEDDED, POSTGRES, SITE
from devstack.supervisor.state import StackState

TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Health:
    """One part's answer."""

    healthy: bool
    detail: str
    """What it said; empty when healthy."""


HEALTHY = Health(True, "")


def _client() -> httpx.Client:
    return httpx.Client(timeout=TIMEOUT_S, trust_env=False)  # a proxy has no business on loopback


def airflow_health(state: StackState) -> dict[str, Health]:
    """Ask the API server about all components; the HTTP status is 200 whatever the body says."""
    try:
        with _client() as client:
            answer = client.get(f"{state.url('airflow')}/api/v2/monitor/health")
            answer.raise_for_status()
            body = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        return dict.fromkeys(AIRFLOW_PARTS, Health(False, f"API server: {_in_words(error)}"))
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
    """Knock at the public site; its data is the Hub's business."""
    try:
        with _client() as client:
            client.get(f"{state.url('site')}/robots.txt").raise_for_status()
    except httpx.HTTPError as error:
        return Health(False, _in_words(error))
    return HEALTHY


def check_parts(state: StackState) -> dict[str, Health]:
    """Health of every part that has an interface; agents are known by their process only."""
    database = HEALTHY if postgres.is_ready(state) else Health(False, "does not answer a query")
    services = {POSTGRES: database, EMBEDDED: embedded_health(state), SITE: site_health(state)}
    return services | airflow_health(state)


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
        with _client() as client:
            login = client.post(f"{url}/auth.login", auth=state.clearml_keys).raise_for_status()
            client.headers["Authorization"] = f"Bearer {login.json()['data']['token']}"
            found = client.post(f"{url}/queues.get_all", json={"name": f"^{settings.AGENT_QUEUE}$"})
            if found.raise_for_status().json()["data"]["queues"]:
                return
            client.post(f"{url}/queues.create", json={"name": settings.AGENT_QUEUE}).raise_for_status()
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
def airflow_client(state: StackState) -> Iterator[httpx.Client]:
    """A client of Airflow's REST API, logged in.

    Raises:
        httpx.HTTPError: The API server does not answer, or refuses the password.
    """
    with httpx.Client(base_url=state.url("airflow"), timeout=30, trust_env=False) as client:
        credentials = {"username": settings.ADMIN_USER, "password": state.keys.airflow_admin_password}
        token = client.post("/auth/token", json=credentials).raise_for_status().json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client
