"""What a model's group writes into the store beside its tasks' results."""

from __future__ import annotations

from airflow.sdk import Context

from palmares_airflow.services import open_services


def own_job_key(context: Context) -> str:
    """The job key of the group that a task belongs to."""
    ti = context["ti"]
    return str(ti.xcom_pull(task_ids="admit_submissions")[ti.map_index]["job_key"])


def note_failure(context: Context) -> None:
    """Write the reason of a group's failed task into the store: `summarize` reads it there."""
    from include.steps.summary import record_failure

    with open_services() as services:
        record_failure(
            services,
            own_job_key(context),
            dag_run_id=context["dag_run"].run_id,
            task_id=context["ti"].task_id.rsplit(".", 1)[-1],
            error=context.get("exception"),
        )


def note_enqueued(context: Context) -> None:
    """Write into the store which ClearML task runs the job."""
    from include.steps.endings import record_enqueued

    ti = context["ti"]
    with open_services() as services:
        record_enqueued(
            services,
            own_job_key(context),
            ti.xcom_pull(task_ids="evaluate_model.enqueue", map_indexes=ti.map_index),
        )
