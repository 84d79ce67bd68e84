"""The reconciler compares ClearML's jobs, Airflow's runs, the store and the requests, and reconciles them.

Runs every quarter of an hour. See docs/explanation/architecture.md, "Reconciliation", for what it looks for.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, get_current_context, task
from palmares_airflow.common import DEFAULTS, START, dag_docs
from palmares_airflow.forms import number, switch
from palmares_airflow.services import open_services

GRACE_S = 600
PARAMS = {
    "dry_run": switch(title="Dry run", description="Report what would be done; change nothing."),
    "grace_s": number(
        GRACE_S,
        title="Grace (s)",
        description="What changed less than this ago is left alone: it may be under way.",
        least=0,
    ),
}


@task(multiple_outputs=False)
def reconcile() -> dict[str, Any]:
    """Read all four, reconcile each disagreement by itself, and report what was done."""
    from functools import partial

    from clearml_provider.hook import ClearMLHook
    from palmares.steps.reconcile.actions import reconcile
    from palmares_airflow.jobs import ClearMLJobs
    from palmares_airflow.runs import runs_of

    context = get_current_context()
    params = context["params"]
    before = context["ti"].xcom_pull(task_ids="reconcile", map_indexes=None, include_prior_dates=True)
    with open_services() as services:
        return reconcile(
            services,
            ClearMLJobs(ClearMLHook()),
            partial(runs_of, context["ti"]),
            dag_run_id=context["dag_run"].run_id,
            grace_s=GRACE_S if params["grace_s"] is None else params["grace_s"],
            dry_run=bool(params["dry_run"]),
            before=before,
        )


@dag(
    schedule="*/15 * * * *",
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args={**DEFAULTS},
    params=PARAMS,
    description="Reconciles ClearML jobs, Airflow runs, the store and the requests every quarter of an hour.",
    tags=["leaderboard", "reconciliation"],
    doc_md=dag_docs(__doc__),
)
def reconcile_requests() -> None:
    reconcile()


reconcile_requests()
