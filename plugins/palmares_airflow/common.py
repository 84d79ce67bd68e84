"""What every DAG says alike: its tasks' defaults, its first day, and the links under its documentation."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

DEFAULTS = {"owner": "leaderboard", "show_return_value_in_logs": False}
"""Default arguments of all tasks. What a task returns is in its XCom; its log says it in sentences."""
START = datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Paris"))
"""The first day of every DAG. All schedules are in its zone, so that a night is one date."""
DAG_IDS = (
    "evaluate_submissions",
    "reconcile_requests",
    "rescore_details",
    "watch_scorers",
    "publish_leaderboard",
    "publish_queue",
    "run_containers",
)
PAGES = ("queue", "models", "failures", "ledger")
"""The operators' pages, under ``/palmares``."""


def base_url() -> str:
    """The address of this Airflow's pages, without a slash at its end."""
    from airflow.sdk.configuration import conf

    return str(conf.get("api", "base_url", fallback="")).rstrip("/")


def run_url(dag_id: str, run_id: str) -> str:
    """The page of a run; empty where no address of this Airflow is configured."""
    base = base_url()
    return f"{base}/dags/{dag_id}/runs/{quote(run_id)}" if base else ""


def dag_docs(doc: str | None) -> str:
    """The documentation of a DAG as Airflow shows it: its file's docstring, and links to what belongs to it.

    Args:
        doc: The docstring of the DAG's file.
    """
    base = base_url()
    pages = [f"[{name.capitalize()}]({base}/palmares/{name})" for name in PAGES]
    dags = [f"[{name}]({base}/dags/{name})" for name in DAG_IDS]
    return f"{doc or ''}\n\nPages: {' · '.join(pages)}\n\nDAGs: {' · '.join(dags)}"
