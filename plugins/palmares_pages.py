"""A plugin that Airflow loads: the operators' pages in its menu, and beside each run and task."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from airflow.plugins_manager import AirflowPlugin
from palmares_airflow.common import PAGES, base_url

Message = MutableMapping[str, Any]


async def pages(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """The web application, made when it is asked for first: every part of Airflow loads this file."""
    from palmares_airflow.pages.app import web_application

    await web_application()(scope, receive, send)


def _view(name: str, destination: str, query: str = "") -> dict[str, str]:
    page = name.lower()
    return {
        "name": name,
        "href": f"{base_url()}/palmares/{page}{query}",
        "destination": destination,
        "url_route": f"palmares_{page}_{destination}",
        **({"category": "browse"} if destination == "nav" else {}),
    }


class PalmaresPages(AirflowPlugin):
    """Queue, models and failures in the menu; the models of a run beside the run and its tasks."""

    name = "palmares_pages"
    fastapi_apps: list[Any] = [  # noqa: RUF012 - as Airflow's own
        {"app": pages, "url_prefix": "/palmares", "name": "Palmarès"}
    ]
    external_views: list[Any] = [  # noqa: RUF012 - as Airflow's own
        *(_view(page.capitalize(), "nav") for page in PAGES),
        _view("Models", "dag_run", "?run={RUN_ID}"),
        _view("Models", "task_instance", "?run={RUN_ID}"),
    ]
