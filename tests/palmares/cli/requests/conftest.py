"""A deployment for the commands: real PostgreSQL and the embedded Hub, found through the environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from devstack.servers.clearml.app import create_api_app
from tests.devstack.servers.clearml.conftest import ACCESS_KEY, JWT_SECRET, SECRET_KEY, log_in, serving
from tests.fixtures.hub_server import HubServer
from tests.palmares.cli.requests.calling import Palmares, call
from tests.palmares.steps.conftest import demo_hub, services
from tests.palmares.store.conftest import postgres_url, store_url

__all__ = ["demo_hub", "postgres_url", "services", "store_url"]


@pytest.fixture
def palmares(demo_hub: HubServer, store_url: str, tmp_path: Path) -> Palmares:
    env = {
        "AIRFLOW_CONN_PALMARES_DB": store_url,
        "AIRFLOW_CONN_HUGGINGFACE_HUB": "",
        "HF_ENDPOINT": demo_hub.endpoint,
        "HF_TOKEN": demo_hub.token,
        "CLEARML_API_HOST": "",
        "PALMARES_STORAGE_URL": str(tmp_path / "storage"),
    }
    return lambda *arguments, **options: call(*arguments, env=env | options.get("env", {}))


@pytest.fixture
def clearml(tmp_path: Path) -> Iterator[tuple[httpx.Client, dict[str, str]]]:
    """A client of an embedded ClearML server, and the variables that name the server."""
    app = create_api_app(tmp_path, access_key=ACCESS_KEY, secret_key=SECRET_KEY, jwt_secret=JWT_SECRET)
    with serving(app) as address, log_in(address) as client:
        yield (
            client,
            {
                "CLEARML_API_HOST": address,
                "CLEARML_API_ACCESS_KEY": ACCESS_KEY,
                "CLEARML_API_SECRET_KEY": SECRET_KEY,
            },
        )
