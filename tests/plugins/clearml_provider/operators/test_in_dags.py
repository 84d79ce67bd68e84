"""The operators as parts of a DAG: parsed, mapped and serialized by Airflow."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, task_group
from clearml_provider.operators import ClearMLEnqueueOperator, ClearMLWaitOperator
from clearml_provider.outcomes import AttemptEdit, AttemptOutcome, Termination


def classify(termination: Termination) -> AttemptOutcome:
    return AttemptOutcome(
        decision="succeeded", failure_class="succeeded", reason=termination.info.status_reason
    )


def next_attempt(termination: Termination, outcome: AttemptOutcome) -> AttemptEdit | None:
    return None


def show_line(line: str) -> str | None:
    return None


def serialized(dag: DAG) -> dict[str, dict[str, Any]]:
    """The DAG's tasks as Airflow stores them."""
    from airflow.serialization.serialized_objects import DagSerialization

    tasks = DagSerialization.to_dict(dag)["dag"]["tasks"]
    return {t["__var"]["task_id"]: t["__var"] for t in tasks}


LINKS = {"ClearML task": "_link_ClearMLTaskLink", "ClearML log": "_link_ClearMLLogLink"}


def test_a_mapped_group_of_both_is_serialized_with_its_links():
    with DAG("d", schedule=None) as dag:

        @task_group
        def evaluate(spec):
            enqueued = ClearMLEnqueueOperator(
                task_id="enqueue",
                task_spec=spec,
                clearml_queue="{{ spec.queue }}",
                idempotency_key="{{ run_id }}-{{ ti.map_index }}",
            )
            ClearMLWaitOperator(
                task_id="wait",
                clearml_task_id=enqueued.output,
                classify=classify,
                next_attempt=next_attempt,
                run_limit_s="{{ spec.run_limit_s }}",
                multi_node="{{ spec.multi_node }}",
                log_tail=40,
                show_line=show_line,
                retries=3,
                retry_delay=timedelta(0),
            )

        evaluate.expand(spec=[{"run_limit_s": 60, "multi_node": n} for n in (False, True)])
    tasks = serialized(dag)
    assert tasks["evaluate.wait"]["_operator_extra_links"] == LINKS
    assert tasks["evaluate.enqueue"]["_operator_extra_links"] == LINKS


@pytest.mark.parametrize("policy", [classify, f"{__name__}.classify"], ids=["function", "dotted path"])
def test_an_operator_may_be_mapped_itself(policy):
    with DAG("d", schedule=None) as dag:
        ClearMLWaitOperator.partial(task_id="wait", classify=policy, deadline_s=60).expand(
            clearml_task_id=["a", "b"]
        )
    assert serialized(dag)["wait"]["_is_mapped"]


def test_the_clearml_queue_is_not_airflows_queue():
    enqueue = ClearMLEnqueueOperator(task_id="e", task_spec={}, clearml_queue="gpu", idempotency_key="k")
    assert enqueue.queue == "default"


@pytest.mark.parametrize("operator", [ClearMLEnqueueOperator, ClearMLWaitOperator])
def test_templated_fields_are_arguments(operator):
    import inspect

    assert set(operator.template_fields) <= set(inspect.signature(operator.__init__).parameters)


def test_the_example_in_the_documentation_is_a_dag(tmp_path):
    from airflow.dag_processing.dagbag import DagBag

    page = (Path(__file__).parents[4] / "docs" / "reference" / "clearml_provider.md").read_text()
    (tmp_path / "example.py").write_text(page.split("```python\n")[1].split("```")[0])
    bag = DagBag(tmp_path)
    assert bag.import_errors == {}
    assert serialized(bag.dags["squares"]).keys() == {"enqueue", "wait", "values", "artifact", "log", "tell"}
