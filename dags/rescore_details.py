"""Stored outputs graded again: mapped over models, no GPU; by hand, as a backfill, or when a scorer is new.

`watch_scorers` looks every hour whether a scorer's code or libraries changed, and says so by an asset event;
`rescore_details` answers it, and looks every night too (docs/explanation/architecture.md, "Re-scoring").
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import (
    AssetAny,
    AssetOrTimeSchedule,
    CronDataIntervalTimetable,
    Param,
    TriggerRule,
    dag,
    get_current_context,
    task,
    task_group,
)
from palmares_airflow.assets import RESULTS, scorer_assets
from palmares_airflow.backlog import run_next
from palmares_airflow.common import DEFAULTS, START, dag_docs
from palmares_airflow.forms import choice, filled, number, suites, switch
from palmares_airflow.services import open_services, step_services
from palmares_airflow.waiting import WAITING_TRIES, OutboxRetryPolicy

MODELS_PER_RUN = 150  # Two tasks a model: as many task instances as a night of 50 evaluations.
MODEL_NAME = "{{ ti.xcom_pull(task_ids='select_models')[ti.map_index]['model_id'] }}"
INFRASTRUCTURE = {"retries": 2, "retry_delay": timedelta(seconds=20)}
SCORERS = scorer_assets()

PARAMS = {
    "models": Param(
        [],
        type=["null", "array"],
        items={"type": "string"},
        title="Models",
        description="Only these models, one a line (organisation/name). Empty: all that are stale.",
    ),
    "suite": choice(suites(), title="Suite", description="Only models evaluated with it. Empty: any."),
    "max_models": number(
        MODELS_PER_RUN,
        title="Models in this run",
        description="The rest waits for the next run.",
        least=1,
        most=MODELS_PER_RUN,
    ),
    "force": switch(
        title="Grade again",
        description="Also what the present scorers have graded; what does not change is not published.",
    ),
    "dry_run": switch(title="Dry run", description="Say what would change; write nothing."),
}


def takes_everything(run_type: str, params: Mapping[str, Any]) -> bool:
    """Whether a run goes on with the rest: a backfill, a trial and a choice end where they end."""
    is_chosen = params["models"] or params["suite"] or params["force"] or params["dry_run"]
    return run_type != "backfill" and not is_chosen and params["max_models"] in {None, MODELS_PER_RUN}


def note_scorer(name: str) -> None:
    """Succeed, which is an asset event, if the scorer is another than the last time; skip if not."""
    from airflow.sdk.exceptions import AirflowSkipException
    from palmares.steps.rescore.selection import note_scorer

    with open_services() as services:
        if not note_scorer(services, name, dag_run_id=get_current_context()["dag_run"].run_id):
            raise AirflowSkipException(f"{name} is graded as before")


@task
def select_models() -> list[dict[str, str]]:
    """Find published models that other scorers than the present ones graded."""
    from palmares.steps.rescore.selection import RescoreOptions, select_models

    context = get_current_context()
    run = context["dag_run"]
    is_backfill = run.run_type == "backfill"
    options = RescoreOptions.model_validate(
        {
            **filled(context["params"]),
            "accepted_after": run.data_interval_start if is_backfill else None,
            "accepted_before": run.data_interval_end if is_backfill else None,
        }
    )
    with open_services() as services:
        selected = select_models(services, options=options)
    context["ti"].xcom_push(key="waiting", value=selected.waiting)
    return selected.models


@task
def run_backlog() -> None:
    """Start the next run while more wait than one run takes."""
    from airflow.sdk.exceptions import AirflowSkipException

    context = get_current_context()
    run = context["dag_run"]
    waiting = context["ti"].xcom_pull(task_ids="select_models", key="waiting")
    if not waiting or not takes_everything(run.run_type, context["params"]):
        raise AirflowSkipException(f"{waiting} more wait; only a run of everything goes on by itself")
    run_next(context)


@task(map_index_template=MODEL_NAME, multiple_outputs=False)
def grade_again(model: dict[str, str]) -> dict[str, Any]:
    """Grade the model's stored outputs, pass the gates, and count the verdicts that change."""
    from palmares.steps.rescore.regrading import grade_again

    context = get_current_context()
    run_id, dry_run = context["dag_run"].run_id, bool(context["params"]["dry_run"])
    with step_services() as services:
        return grade_again(services, model["job_key"], dag_run_id=run_id, dry_run=dry_run)


@task(
    map_index_template=MODEL_NAME,
    multiple_outputs=False,
    pool="hub",
    outlets=[RESULTS],
    retries=WAITING_TRIES,
    retry_policy=OutboxRetryPolicy(),
)
def republish(model: dict[str, str]) -> dict[str, Any]:
    """Publish the new scores, what they rest on and the request's status together, or nothing."""
    from airflow.sdk.exceptions import AirflowSkipException
    from palmares.steps.rescore.republishing import republish

    context = get_current_context()
    if context["params"]["dry_run"]:
        raise AirflowSkipException("A dry run publishes nothing")
    with step_services() as services:
        return republish(services, model["job_key"], dag_run_id=context["dag_run"].run_id)


@task(trigger_rule=TriggerRule.ALL_DONE, multiple_outputs=False)
def summarize() -> dict[str, Any]:
    """Say what changed, and turn the run red if a model failed or was stopped by a gate."""
    from airflow.sdk.exceptions import AirflowFailException
    from palmares.steps.rescore.summary import summarize

    context = get_current_context()
    pulled = context["ti"].xcom_pull(task_ids="rescore_model.grade_again")  # of all indexes
    graded = (
        pulled if isinstance(pulled, list) else [pulled]
    )  # one index gives a scalar (apache/airflow#69036)
    with open_services() as services:
        summary = summarize(
            services,
            dag_run_id=context["dag_run"].run_id,
            selected=context["ti"].xcom_pull(task_ids="select_models") or [],
            dry_run=[one for one in graded if one] if context["params"]["dry_run"] else None,
        )
    if summary["failed"]:
        raise AirflowFailException(summary["text"])
    return summary


@dag(
    schedule="23 * * * *",
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args={**DEFAULTS, **INFRASTRUCTURE},
    description="Notices that a scorer changed, and announces it by an asset event.",
    tags=["leaderboard", "re-scoring"],
    doc_md=dag_docs(__doc__),
)
def watch_scorers() -> None:
    for name, asset in SCORERS.items():
        task(task_id=f"note_{name}", outlets=[asset])(note_scorer)(name)


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronDataIntervalTimetable("30 6 * * *", timezone="Europe/Paris"),
        assets=AssetAny(*SCORERS.values()),
    ),
    start_date=START,
    catchup=False,
    max_active_runs=1,  # Runs side by side would grade the same models, and one of them for nothing.
    default_args={**DEFAULTS, **INFRASTRUCTURE},
    params=PARAMS,
    description="Grades stored outputs again with newer scorers and publishes the new scores; no GPU.",
    tags=["leaderboard", "re-scoring"],
    doc_md=dag_docs(__doc__),
)
def rescore_details() -> None:
    @task_group
    def rescore_model(model: dict[str, str]) -> None:
        grade_again(model) >> republish(model)

    selected: Any = select_models()
    selected >> run_backlog()
    rescore_model.expand(model=selected) >> summarize()


watch_scorers()
rescore_details()
