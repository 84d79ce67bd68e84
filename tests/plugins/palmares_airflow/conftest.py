"""The steps' services: PostgreSQL and the embedded Hub."""

from __future__ import annotations

from tests.include.steps.conftest import demo_hub, postgres_url, services, store_url

__all__ = ["demo_hub", "postgres_url", "services", "store_url"]
