"""Where each model is, in words."""

from __future__ import annotations

import pytest

from devstack.demo.progress import SweepProgress, in_words
from devstack.demo.sweep import STEPS, ModelProgress, SweepState, TaskState


@pytest.mark.parametrize(
    ("step", "state", "tries", "words"),
    [
        ("poll_status", "deferred", 1, "poll_status: waiting for its job"),
        ("poll_status", "running", 2, "poll_status: running (try 2)"),
        ("publish", "success", 1, "published"),
        ("fetch_results", "failed", 1, "fetch_results: failed"),
    ],
)
def test_a_models_state_is_told_in_words(step, state, tries, words):
    model = ModelProgress(run_id="r", map_index=0, model="m", step=step, state=state, try_number=tries)
    assert in_words(model) == words


def test_without_a_terminal_each_change_is_one_line(capsys):
    def state(step_states: dict[str, str]) -> SweepState:
        tasks = tuple(
            TaskState(run_id="r", task_id=step, map_index=0, name="org/m", state=one, try_number=1)
            for step, one in step_states.items()
        )
        return SweepState(runs={"r": "running"}, tasks=tasks)

    with SweepProgress() as progress:
        for states in (
            {STEPS[0]: "running"},
            {STEPS[0]: "running"},
            {STEPS[0]: "success", STEPS[1]: "queued"},
            {STEPS[0]: "success", STEPS[1]: "running"},
        ):
            progress.show(state(states))
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["  org/m: plan_resources: running", "  org/m: enqueue: running"]
