"""The sweep: admit what was submitted, evaluate each model in a group of its own, publish, sum up.

Runs every night at 03:00 Europe/Paris, by hand (form), and as a backfill. A backfill's dates are
dates of submission: each of its runs takes the models that were submitted in its interval, and no others.
A model's way: docs/explanation/architecture.md.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from airflow.sdk import (
    CronDataIntervalTimetable,
    Param,
    TriggerRule,
    dag,
    get_current_context,
    task,
    task_group,
)
from clearml_provider.operators import ClearMLEnqueueOperator, ClearMLWaitOperator
from palmares_airflow.assets import RESULTS
from palmares_airflow.backlog import run_next
from palmares_airflow.callbacks import note_enqueued, note_failure
from palmares_airflow.common import DEFAULTS, START, dag_docs
from palmares_airflow.forms import choice, clusters, filled, number, suites, switch
from palmares_airflow.policy import RETRIES, SPARE_TRIES, classify, keep_outcome, next_attempt, show_line
from palmares_airflow.services import form_errors, open_services, step_services
from palmares_airflow.waiting import FORM_POLICY, WAITING_TRIES, OutboxRetryPolicy

log = logging.getLogger(__name__)

MODELS_PER_RUN = 50  # The scheduler's cost is quadratic in one run's task instances (apache/airflow#45991).
POLL_S = 5.0  # All waiting models share one request, so a short interval costs little.
MODEL_NAME = "{{ ti.xcom_pull(task_ids='admit_submissions')[ti.map_index]['model_id'] }}"
INFRASTRUCTURE = {"retries": 2, "retry_delay": timedelta(seconds=20)}
UNTIL_WRITTEN: dict[str, Any] = {"retries": WAITING_TRIES, "retry_policy": OutboxRetryPolicy()}

PARAMS = {
    "models": Param(
        [],
        type=["null", "array"],
        items={"type": "string"},
        title="Models",
        description="Only these models, one a line (organisation/name). Empty: all that wait; in a backfill, "
        "all that were submitted between its dates.",
    ),
    "suite": choice(suites(), title="Suite", description="Empty: the default suite."),
    "cluster": choice(
        clusters(),
        title="Cluster",
        description="Empty: of those with the default cluster's backend, the one that should end first.",
    ),
    "max_models": number(
        MODELS_PER_RUN,
        title="Models in this run",
        description="The rest waits for the next run.",
        least=1,
        most=MODELS_PER_RUN,
    ),
    "limit_samples": Param(
        None,
        type=["null", "integer"],
        minimum=1,
        title="Rows a task",
        description="For a trial: such results are preliminary and never published as scores.",
    ),
    "force": switch(
        title="Evaluate again", description="Also models named above that already have a result."
    ),
    "dry_run": switch(title="Dry run", description="Say what would be done; claim and write nothing."),
}


def takes_everything(run_type: str, params: Mapping[str, Any]) -> bool:
    """Whether a run is a sweep of all that waits: a backfill, a trial and a choice end where they end."""
    is_chosen = params["models"] or params["limit_samples"] or params["force"] or params["dry_run"]
    return run_type != "backfill" and not is_chosen and params["max_models"] in {None, MODELS_PER_RUN}


@task(multiple_outputs=False, retry_policy=FORM_POLICY)
def list_requests() -> dict[str, Any]:
    """Check the form, pin the requests dataset to one commit, and count what waits there."""
    from palmares.steps.sweep.admission import SweepOptions, check_form, list_requests

    options = SweepOptions.model_validate(filled(get_current_context()["params"]))
    with open_services() as services, form_errors():
        listing = list_requests(services)
        check_form(services, listing["commit"], options)
    return listing


@task
def admit_submissions(listing: dict[str, Any]) -> list[dict[str, Any]]:
    """Check each request, refuse with a reason what cannot be evaluated, claim the rest."""
    from palmares.steps.sweep.admission import SweepOptions, admit_submissions
    from palmares_airflow.jobs import cancel_replaced

    context = get_current_context()
    run = context["dag_run"]
    is_backfill = run.run_type == "backfill"
    options = SweepOptions.model_validate(
        {
            **filled(context["params"]),
            "submitted_after": run.data_interval_start if is_backfill else None,
            "submitted_before": run.data_interval_end if is_backfill else None,
        }
    )
    with open_services() as services:
        admitted = admit_submissions(
            services,
            listing["commit"],
            dag_run_id=run.run_id,
            options=options,
            cancel_job=cancel_replaced,
        )
    context["ti"].xcom_push(key="waiting", value=admitted.waiting)
    for index, submission in enumerate(admitted.claimed):
        log.info("Row %s of this run's groups: %s", index, submission.model_id)
    if options.dry_run:
        context["ti"].xcom_push(key="dry_run", value=[asdict(one) for one in admitted.planned])
    return [submission.to_json() for submission in admitted.claimed]


@task
def run_backlog() -> None:
    """Start the next run at once, beside this one, while more wait than one run takes."""
    from airflow.sdk.exceptions import AirflowSkipException

    context = get_current_context()
    run = context["dag_run"]
    waiting = context["ti"].xcom_pull(task_ids="admit_submissions", key="waiting")
    if not waiting or not takes_everything(run.run_type, context["params"]):
        raise AirflowSkipException(f"{waiting} more wait; only a whole night's sweep goes on by itself")
    run_next(context)


@task(map_index_template=MODEL_NAME, multiple_outputs=True)
def plan_resources(submission: dict[str, Any]) -> dict[str, Any]:
    """Choose shape, queue and limits for the job; a model that fits nowhere is refused (skipped, green)."""
    from palmares.steps.sweep.planning import plan_resources
    from palmares_airflow.common import run_url
    from palmares_airflow.jobs import queue_depths

    context = get_current_context()
    run_id, cluster = context["dag_run"].run_id, context["params"]["cluster"]
    with step_services() as services:
        return plan_resources(
            services,
            submission,
            dag_run_id=run_id,
            cluster=cluster,
            queue_depths=lambda: queue_depths(services.settings.clusters.values()),
            run_url=run_url(context["dag_run"].dag_id, run_id),
        )


@task(map_index_template=MODEL_NAME, multiple_outputs=False)
def fetch_results(submission: dict[str, Any], ending: dict[str, Any]) -> dict[str, Any]:
    """Bring the job's outputs home, verify them, and keep them unchanged for ever."""
    import tempfile
    from pathlib import Path

    from clearml_provider.hook import ClearMLHook
    from palmares.steps.sweep.results import fetch_results

    hook, run_id = ClearMLHook(), get_current_context()["dag_run"].run_id
    with tempfile.TemporaryDirectory() as scratch, step_services() as services:
        archive = hook.download_artifact(ending["task_id"], "results", to=Path(scratch) / "results.zip")
        folder = Path(scratch) / "results"
        hook.unpack_artifact(archive, folder)
        return fetch_results(services, submission, folder, attempt=ending["attempt"], dag_run_id=run_id)


@task(map_index_template=MODEL_NAME, multiple_outputs=False)
def post_process(submission: dict[str, Any]) -> dict[str, Any]:
    """Grade bac-fr, compute scores with their standard errors, and pass the gates."""
    from palmares.steps.sweep.results import post_process

    run_id = get_current_context()["dag_run"].run_id
    with step_services() as services:
        return post_process(services, submission, dag_run_id=run_id)


@task(map_index_template=MODEL_NAME, multiple_outputs=False, pool="hub", outlets=[RESULTS], **UNTIL_WRITTEN)
def publish(submission: dict[str, Any]) -> dict[str, Any]:
    """Put everything for the Hub into the outbox, and commit it."""
    from palmares.steps.sweep.publishing import publish

    run_id = get_current_context()["dag_run"].run_id
    with step_services() as services:
        return publish(services, submission, dag_run_id=run_id)


@task(trigger_rule=TriggerRule.ALL_DONE, multiple_outputs=False)
def summarize() -> dict[str, Any]:
    """Write back what did not end well, say what happened, and turn the run red if a model failed."""
    from airflow.sdk.exceptions import AirflowFailException
    from palmares.steps.sweep.admission import planned_table
    from palmares.steps.sweep.summary import summarize, without_a_told_end
    from palmares_airflow.jobs import killed_jobs

    context = get_current_context()
    run_id, ti = context["dag_run"].run_id, context["ti"]
    if ti.xcom_pull(task_ids="admit_submissions") is None:
        raise AirflowFailException("Nothing was admitted: see the log of list_requests or admit_submissions.")
    with open_services() as services:
        killed = killed_jobs(without_a_told_end(services, dag_run_id=run_id))
        summary = summarize(services, dag_run_id=run_id, killed=killed)
    if summary["failed"]:
        raise AirflowFailException(summary["text"])
    if context["params"]["dry_run"]:
        planned = ti.xcom_pull(task_ids="admit_submissions", key="dry_run") or []
        return {
            **summary,
            "text": "A dry run; it would evaluate:\n" + planned_table(planned),
            "planned": planned,
        }
    return summary


@dag(
    schedule=CronDataIntervalTimetable("0 3 * * *", timezone="Europe/Paris"),
    start_date=START,
    catchup=False,
    max_active_runs=8,  # A 24-hour job must not stop tomorrow's sweep: models are claimed, not runs.
    default_args={**DEFAULTS, **INFRASTRUCTURE},
    description="Evaluates submitted models every night: admit, plan, run on ClearML, grade, publish.",
    params=PARAMS,
    tags=["leaderboard", "evaluation"],
    doc_md=dag_docs(__doc__),
)
def evaluate_submissions() -> None:
    @task_group(default_args={"on_failure_callback": note_failure})
    def evaluate_model(submission: dict[str, Any]) -> None:
        job: Any = plan_resources(submission)
        enqueue: Any = ClearMLEnqueueOperator(
            task_id="enqueue",
            task_spec=job["task_spec"],
            clearml_queue=job["queue"],
            idempotency_key=job["job_key"],
            on_success_callback=note_enqueued,
            map_index_template=MODEL_NAME,
            pool="clearml",
        )
        poll_status: Any = ClearMLWaitOperator(
            task_id="poll_status",
            clearml_task_id=enqueue.output,
            poll_interval=POLL_S,
            deadline_s=job["deadline_s"],
            run_limit_s=job["run_limit_s"],
            lost_after_s=job["lost_after_s"],
            multi_node=job["multi_node"],
            classify=classify,
            next_attempt=next_attempt,
            on_outcome=keep_outcome,
            classify_log_lines=1000,  # Tracebacks of many workers push the cause far up.
            log_tail=40,
            show_line=show_line,
            map_index_template=MODEL_NAME,
            retries=RETRIES + SPARE_TRIES,
            retry_delay=timedelta(seconds=5),
        )
        fetched: Any = fetch_results(submission, poll_status.output)
        fetched >> post_process(submission) >> publish(submission)

    listing: Any = list_requests()
    admitted: Any = admit_submissions(listing)
    admitted >> run_backlog()
    evaluate_model.expand(submission=admitted) >> summarize()


evaluate_submissions()
