"""The steps' services: PostgreSQL and the embedded Hub; and the embedded ClearML server."""

from __future__ import annotations

from tests.palmares.steps.conftest import demo_hub, postgres_url, services, store_url
from tests.plugins.clearml_provider.conftest import clearml, clearml_server

__all__ = ["clearml", "clearml_server", "demo_hub", "postgres_url", "services", "store_url"]
