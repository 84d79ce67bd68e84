"""What an ending means for a leaderboard, in the words of Airflow and of the ClearML provider."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from palmares_airflow.services import open_services

if TYPE_CHECKING:
    from clearml_provider.endings import AttemptEdit, EndedTask, Ending


@contextmanager
def parked_is_final() -> Iterator[None]:
    """Fail at once what a gate has stopped: a person decides, and trying again would say the same."""
    from airflow.sdk.exceptions import AirflowFailException

    from include.leaderboard.errors import GateError

    try:
        yield
    except GateError as parked:
        raise AirflowFailException(str(parked)) from parked


def classify(ended: EndedTask) -> Ending:
    """Judge an ended ClearML task by the leaderboard's policy, and keep the attempt in the store."""
    from clearml_provider.endings import Ending

    from include.steps.endings import classify_ending, record_ending

    task = ended.info
    verdict = classify_ending(
        succeeded=task.status.is_success,
        status=task.status.value,
        status_reason=task.status_reason,
        stop_cause=ended.stop_cause,
        user_properties=task.user_properties,
    )
    with open_services() as services:
        record_ending(
            services,
            verdict,
            clearml_task_id=task.id,
            attempt=ended.attempt,
            user_properties=task.user_properties,
        )
    return Ending(outcome=verdict.outcome, failure_class=verdict.failure_class, reason=verdict.reason)


def next_attempt(ended: EndedTask, ending: Ending) -> AttemptEdit:
    """Try the same plan again; what the last attempt said of itself does not hold for the next."""
    from clearml_provider.endings import AttemptEdit

    del ended
    return AttemptEdit(
        user_properties={"failure_class": ""}, note=f"the same plan again after {ending.failure_class}"
    )
