"""Real services for the steps: PostgreSQL, the embedded Hub with the demo in it, raw outputs in a folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from palmares.steps.services import Services

from devstack.demo.seed import seed_hub
from tests.fixtures.hub_server import HubServer, running_hub
from tests.palmares.store.conftest import postgres_url, store_url

__all__ = ["postgres_url", "store_url"]


@pytest.fixture
def demo_hub(tmp_path: Path) -> Iterator[HubServer]:
    with running_hub(tmp_path / "hub") as hub:
        seed_hub(hub.endpoint, hub.token)
        yield hub


@pytest.fixture
def services(
    demo_hub: HubServer, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Services]:
    monkeypatch.setenv("PALMARES_STORAGE_URL", str(tmp_path / "storage"))
    with Services.at(
        hub_endpoint=demo_hub.endpoint, hub_token=demo_hub.token, store_url=store_url
    ) as services:
        alone = services.settings.hub.model_copy(update={"linger_s": 0})  # nobody to wait for
        settings = services.settings.model_copy(update={"hub": alone})
        yield dataclasses.replace(services, settings=settings)
