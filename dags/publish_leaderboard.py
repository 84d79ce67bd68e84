"""The leaderboard for readers: contents table, card and charts, made anew after results change.

Runs when a model was published (asset `palmares://results/published`), and by hand. It reads the store,
not the event, so one run tells of all that came; nothing new makes no commit.
See docs/explanation/publishing.md.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag, get_current_context, task
from palmares_airflow.assets import RESULTS
from palmares_airflow.common import DEFAULTS, START, dag_docs
from palmares_airflow.forms import switch
from palmares_airflow.services import open_services
from palmares_airflow.waiting import WAITING_TRIES, OutboxRetryPolicy

PARAMS = {
    "at_once": switch(title="At once", description="Do not wait until the results of a burst are all in."),
}


@task.sensor(poke_interval=10, timeout=3600, mode="reschedule")
def gather_results() -> bool:
    """Wait, without a slot, until no more results come for a while: a night's burst is one rebuild."""
    from palmares.steps.leaderboard.publish import is_quiet

    context = get_current_context()
    if context["params"]["at_once"]:
        return True
    started = context["dag_run"].start_date
    waited_s = 0.0 if started is None else (datetime.now(UTC) - started).total_seconds()
    with open_services() as services:
        return is_quiet(services, waited_s=waited_s)


@task(
    multiple_outputs=False,
    pool="hub",
    retries=WAITING_TRIES,
    retry_policy=OutboxRetryPolicy(),
)
def rebuild() -> dict[str, Any]:
    """Write what changed, and whatever else waits for the Hub."""
    from palmares.steps.leaderboard.publish import publish_leaderboard

    with open_services() as services:
        return publish_leaderboard(services)


@dag(
    schedule=[RESULTS],
    start_date=START,
    catchup=False,
    is_paused_upon_creation=False,  # Nothing happens before a result is published, and then it must.
    max_active_runs=1,  # Events of a burst gather while a run is active: the next one tells of them all.
    description="Makes the contents table, the card and the charts anew after results change.",
    default_args={**DEFAULTS, "retries": 3, "retry_delay": timedelta(minutes=1)},
    params=PARAMS,
    tags=["leaderboard", "publication"],
    doc_md=dag_docs(__doc__),
)
def publish_leaderboard() -> None:
    gather_results() >> rebuild()


publish_leaderboard()
