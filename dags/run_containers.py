"""Jobs of clusters whose launcher is ``docker``: each queued one runs in a container on its Docker host.

Runs every minute, if `clusters.yaml` has such a cluster. See docs/operate/docker.md.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task
from palmares_airflow.common import DEFAULTS, START, dag_docs
from palmares_airflow.forms import clusters

JOB_NAME = "{{ task.job['name'] }}"
DOCKER_CLUSTERS = clusters(launcher="docker")


@task(multiple_outputs=False)
def find_jobs() -> list[dict[str, Any]]:
    """List the jobs in the queues of Docker hosts that their free GPUs hold now."""
    from airflow.sdk.exceptions import AirflowSkipException
    from clearml_provider.hook import ClearMLHook
    from palmares.leaderboard.settings import load_settings
    from palmares_airflow.containers import find_waiting

    hook = ClearMLHook()
    try:
        found = find_waiting(load_settings().clusters.values(), hook)
    finally:
        hook.close()
    if not found:
        raise AirflowSkipException("No job waits that a free GPU of a Docker host could take.")
    return found


@dag(
    description="Runs queued jobs in containers on Docker hosts that have no ClearML agent.",
    schedule="* * * * *" if DOCKER_CLUSTERS else None,
    start_date=START,
    catchup=False,
    is_paused_upon_creation=False,  # A cluster that clusters.yaml names works without anybody's doing.
    max_active_runs=64,  # A run lasts as long as its jobs.
    default_args={**DEFAULTS, "retries": 2, "retry_delay": timedelta(seconds=20)},
    tags=["leaderboard", "evaluation"],
    doc_md=dag_docs(__doc__),
)
def run_containers() -> None:
    from palmares_airflow.containers import RunJobOperator

    RunJobOperator.partial(task_id="run_job", map_index_template=JOB_NAME).expand(job=find_jobs())


run_containers()
