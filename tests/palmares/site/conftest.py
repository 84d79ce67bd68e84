"""A public leaderboard on an embedded Hub, and the site that shows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from palmares.leaderboard.settings import load_settings
from palmares.site.app import create_app
from palmares.site.guard import digest_of
from palmares.site.settings import Limits, Secrets, SiteSettings

from tests.fixtures.hub_server import HubServer, running_hub
from tests.palmares.site import public_data

TOKEN = "a-token-of-a-sender"


@pytest.fixture(scope="session")
def public_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    """The small board, requests of every state, a queue, results, and the demo's models."""
    from devstack.demo.seed import seed_hub

    with running_hub(tmp_path_factory.mktemp("site-hub")) as hub:
        seed_hub(hub.endpoint, hub.token)
        public_data.publish(hub.endpoint, hub.token, public_data.small_board())
        yield hub


@pytest.fixture
def site_settings(public_hub: HubServer) -> SiteSettings:
    settings = SiteSettings.of(load_settings(), endpoint=public_hub.endpoint)
    return settings.model_copy(update={"refresh_s": 0.0, "limits": Limits(requests_per_minute=1000)})


@pytest.fixture
def site(site_settings: SiteSettings, public_hub: HubServer) -> Iterator[TestClient]:
    """A browser without scripts; submissions are open."""
    secrets = Secrets(hub_token=public_hub.token, sender_tokens={digest_of(TOKEN): "moi"})
    app = create_app(site_settings, settings=load_settings(), secrets_=secrets)
    with TestClient(app, follow_redirects=False, raise_server_exceptions=True) as client:
        yield client


@pytest.fixture
def copy_folder(tmp_path: Path) -> Path:
    return tmp_path / "copy"
