"""Airflow's side of a reconciliation: which run still works on which model, asked through the Task SDK.

Tasks have no access to Airflow's database and need none: the execution API tells a task the states of any
run's task instances.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol
    from palmares.steps.reconcile.sources import RunFacts

SWEEP = "evaluate_submissions"
FINISHED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
"""States after which a task instance does nothing more by itself; none yet is None."""

_OF_GROUP = re.compile(r"evaluate_model\.(?P<step>.+?)(?:_(?P<index>\d+))?")


def runs_of(ti: RuntimeTaskInstanceProtocol, run_ids: Sequence[str]) -> dict[str, RunFacts]:
    """Ask Airflow about runs of the sweep; one that is not there any more was deleted."""
    return {run_id: _facts(ti, run_id) for run_id in run_ids}


def _facts(ti: RuntimeTaskInstanceProtocol, run_id: str) -> RunFacts:
    from palmares.steps.reconcile.sources import LIVE_RUN, RunFacts

    if not ti.get_dr_count(dag_id=SWEEP, run_ids=[run_id]):
        return RunFacts(run_id=run_id, state=None)
    state = str(getattr(found := ti.get_dagrun_state(SWEEP, run_id), "value", found))
    if state not in LIVE_RUN:
        return RunFacts(run_id=run_id, state=state)
    states = ti.get_task_states(dag_id=SWEEP, run_ids=[run_id]).get(run_id, {})
    admitted = ti.xcom_pull(
        dag_id=SWEEP, run_id=run_id, task_ids="admit_submissions", map_indexes=None, default=None
    )
    return RunFacts(
        run_id=run_id,
        state=state,
        open_groups=open_groups(states, admitted),
        is_summed_up=states.get("summarize") in FINISHED,
    )


def open_groups(
    states: Mapping[str, str | None], admitted: Sequence[Mapping[str, Any]] | None
) -> frozenset[str] | None:
    """Job keys whose group has an unfinished task instance.

    Args:
        states: By ``<task id>``, or ``<task id>_<map index>`` once it is mapped.
        admitted: The submissions that the run's groups are mapped over, in their order.

    Returns:
        None while it cannot be told: the run still admits, or what it admitted is gone.
    """
    open_everywhere = False
    open_indexes: set[int] = set()
    for name, state in states.items():
        matched = _OF_GROUP.fullmatch(name)
        if matched is None or state in FINISHED:
            continue
        if matched["index"] is None:
            open_everywhere = True  # not mapped yet
        else:
            open_indexes.add(int(matched["index"]))
    if states.get("admit_submissions") not in FINISHED:
        return None
    if not open_everywhere and not open_indexes:
        return frozenset()
    if not isinstance(admitted, Sequence):
        return None
    keys = [str(submission["job_key"]) for submission in admitted]
    return frozenset(key for index, key in enumerate(keys) if open_everywhere or index in open_indexes)
