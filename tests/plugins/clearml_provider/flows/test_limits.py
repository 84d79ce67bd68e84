"""How long an attempt may take, run and be silent."""

from __future__ import annotations

import time
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from clearml_provider.exceptions import ClearMLConfigError
from clearml_provider.flows import create
from clearml_provider.flows.cancel import Limits, flag
from clearml_provider.models import TaskInfo
from clearml_provider.operators import ClearMLWaitOperator

from tests.plugins.clearml_provider.workplace import defer, fire


def task(**properties: str) -> TaskInfo:
    row: dict[str, Any] = {"id": "t", "name": "job", "status": "queued"}
    row["hyperparams"] = {"properties": {name: {"value": value} for name, value in properties.items()}}
    return TaskInfo.from_api(row)


def limits(info: TaskInfo, **given: Any) -> Limits:
    return Limits.of(info, **{"deadline_s": None, "run_limit_s": None, "lost_after_s": None} | given)


def wait(task_id: str, **arguments: Any) -> ClearMLWaitOperator:
    given = {"poll_interval": 0.05, "stop_grace_s": 0.2}
    return ClearMLWaitOperator(task_id="wait", clearml_task_id=task_id, **given | arguments)


def test_limits_come_from_arguments_that_may_be_templates():
    found = limits(task(enqueued_at="1000"), deadline_s="60", run_limit_s="3600", lost_after_s="None")
    assert (found.deadline, found.run_limit_s, found.lost_after_s) == (1060, 3600, None)


def test_a_task_that_nobody_of_ours_enqueued_is_late_from_now_on():
    found = limits(task(), deadline_s=60)
    assert found.deadline == pytest.approx(time.time() + 60, abs=5)


def test_the_tasks_own_run_limit_goes_before_the_operators():
    assert limits(task(run_limit_s="7200"), run_limit_s=3600).run_limit_s == 7200
    assert limits(task(run_limit_s=""), run_limit_s=3600).run_limit_s == 3600


@pytest.mark.parametrize(
    ("info", "given", "words"),
    [
        (task(), {"run_limit_s": "soon"}, "run_limit_s is 'soon', expected seconds"),
        (task(run_limit_s="1 h"), {}, "User property run_limit_s of ClearML task t is '1 h'"),
    ],
)
def test_a_limit_that_is_no_number_is_named(info, given, words):
    with pytest.raises(ClearMLConfigError, match=words):
        limits(info, **given)


def test_a_yes_or_no_may_come_from_a_template():
    assert all(flag(value, "multi_node") for value in (True, "True", "1"))
    assert not any(flag(value, "multi_node") for value in (False, "False", "0", "", None))


def test_a_yes_or_no_that_is_neither_is_named():
    with pytest.raises(ClearMLConfigError, match="multi_node is 'two', expected True or False"):
        flag("two", "multi_node")


def test_a_job_that_runs_for_too_long_is_stopped_and_the_queue_does_not_count(clearml):
    task_id = clearml.enqueue()
    clearml.hook.run(create.edit_hyperparams(task_id, properties={"enqueued_at": "1000"}))
    deferred = defer(wait(task_id, run_limit_s=0.5))
    clearml.start()
    event = fire(deferred)
    assert event["status"] == "overtime"
    with pytest.raises(AirflowFailException, match=r"wall_time \(in progress for \d+ s, allowed are 0 s\)"):
        wait(task_id, run_limit_s=0.4).execute_complete({}, event)
    properties = clearml.task().user_properties
    assert (clearml.task().status, properties["stop_cause"]) == ("stopped", "1:overtime")


def test_the_trigger_gets_the_limit_of_the_attempt_that_it_waits_for(clearml):
    task_id = clearml.enqueue()
    assert defer(wait(task_id, run_limit_s=3600)).trigger.serialize()[1]["run_limit_s"] == 3600
    clearml.hook.run(create.edit_hyperparams(task_id, properties={"run_limit_s": "7200"}))
    assert defer(wait(task_id, run_limit_s=3600)).trigger.serialize()[1]["run_limit_s"] == 7200
