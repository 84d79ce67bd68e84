"""What a model's group writes into the store beside its tasks' results."""

from __future__ import annotations

import logging

from airflow.sdk import Context

from palmares_airflow.services import open_services

log = logging.getLogger(__name__)


def own_job_key(context: Context) -> str:
    """The job key of the group that a task belongs to."""
    ti = context["ti"]
    return str(ti.xcom_pull(task_ids="admit_submissions")[ti.map_index]["job_key"])


def note_failure(context: Context) -> None:
    """Write the reason of a group's failed task into the store: `summarize` reads it there."""
    from palmares.steps.sweep.summary import record_failure

    with open_services() as services:
        record_failure(
            services,
            own_job_key(context),
            dag_run_id=context["dag_run"].run_id,
            task_id=context["ti"].task_id.rsplit(".", 1)[-1],
            error=context.get("exception"),
        )


def note_enqueued(context: Context) -> None:
    """Write into the store which ClearML task runs the job; not for a run that lost its claim meanwhile."""
    from palmares.leaderboard.errors import ClaimLostError
    from palmares.steps.sweep.outcomes import record_enqueued

    ti = context["ti"]
    job_key = own_job_key(context)
    with open_services() as services:
        try:
            services.store.evaluations.assert_held(job_key, context["dag_run"].run_id)
        except ClaimLostError as lost:
            log.warning("%s", lost)
            return
        record_enqueued(
            services,
            job_key,
            ti.xcom_pull(task_ids="evaluate_model.enqueue", map_indexes=ti.map_index),
        )
