"""Our services at the addresses of Airflow's connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Connection

if TYPE_CHECKING:
    from include.steps.services import Services


def open_services() -> Services:
    """Open our store, the Hub and raw storage at the addresses of this Airflow's connections."""
    from include.steps.services import Services

    return Services.open(Connection.get)
