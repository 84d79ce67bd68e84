"""The queue for readers and submitters: places, expected starts and reasons, for the public site.

Runs every quarter of an hour; a queue that is as it was makes no commit. See docs/explanation/publishing.md.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task
from palmares_airflow.common import DEFAULTS, START, dag_docs
from palmares_airflow.services import open_services
from palmares_airflow.waiting import WAITING_TRIES, OutboxRetryPolicy


@task(multiple_outputs=False, pool="hub", retries=WAITING_TRIES, retry_policy=OutboxRetryPolicy())
def publish() -> dict[str, Any]:
    """Look at every request as the next sweep will, and write what changed."""
    from palmares.steps.leaderboard.queue import publish_queue

    with open_services() as services:
        return publish_queue(services)


@dag(
    description="Writes each waiting request's place, expected start and reasons to the Hub.",
    schedule="*/15 * * * *",
    start_date=START,
    catchup=False,
    is_paused_upon_creation=False,  # Submitters see their place without anybody's doing.
    max_active_runs=1,
    default_args={**DEFAULTS, "retries": 3, "retry_delay": timedelta(minutes=1)},
    tags=["leaderboard", "publication"],
    doc_md=dag_docs(__doc__),
)
def publish_queue() -> None:
    publish()


publish_queue()
