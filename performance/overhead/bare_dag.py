"""Bare Airflow: the sweep's shape with nothing in it, six empty tasks a group, the third an equal wait."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperator, Context, Param, dag, get_current_context, task, task_group


class WaitOperator(BaseOperator):
    """Defer once, for as long as the sweep's job of the same map index took."""

    template_fields = ("wait_s",)

    def __init__(self, *, wait_s: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.wait_s = wait_s

    def execute(self, context: Context) -> None:
        from datetime import timedelta

        from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=float(self.wait_s))), method_name="resume")

    def resume(self, context: Context, event: Any = None) -> None:
        """Nothing more to do."""


@task
def admit_submissions() -> list[float]:
    return [float(wait_s) for wait_s in get_current_context()["params"]["waits_s"]]


@task
def plan_resources(wait_s: float) -> None: ...


@task
def enqueue() -> None: ...


@task
def fetch_results() -> None: ...


@task
def post_process() -> None: ...


@task
def publish() -> None: ...


@task
def summarize() -> None: ...


@dag(schedule=None, params={"waits_s": Param([], type="array", items={"type": "number"})})
def bare_airflow() -> None:
    @task_group
    def evaluate_model(wait_s: float) -> None:
        wait = WaitOperator(task_id="poll_status", wait_s=wait_s)
        plan_resources(wait_s) >> enqueue() >> wait >> fetch_results() >> post_process() >> publish()

    evaluate_model.expand(wait_s=admit_submissions()) >> summarize()


bare_airflow()
