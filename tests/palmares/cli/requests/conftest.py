"""A deployment for the commands: real PostgreSQL and the embedded Hub, found through the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

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
        "PALMARES_STORAGE_URL": str(tmp_path / "storage"),
    }
    return lambda *arguments: call(*arguments, env=env)
