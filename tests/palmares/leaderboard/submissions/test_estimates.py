"""Estimated starts: the queue laid onto the machines, and nothing said of what is not known."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from palmares.leaderboard.planning import JobPlan
from palmares.leaderboard.submissions.estimates import Running, expected_starts, next_sweep
from palmares.leaderboard.submissions.policy import QueuePolicy
from palmares.leaderboard.submissions.queue import Hold, Queued, Waiting
from palmares.leaderboard.submissions.submission import Submission

NOW = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)
BEGINS = NOW + timedelta(hours=6)
DAGS = Path(__file__).parents[4] / "dags"


def plan(*, gpus: int = 2, hours: float = 1.0, cluster: str = "musa", **changes: Any) -> JobPlan:
    values: dict[str, Any] = {
        "cluster": cluster, "queue": "q", "nodes": 1, "gpus_per_node": gpus, "tensor_parallel_size": gpus,
        "pipeline_parallel_size": 1, "gpu_memory_utilization": 0.9, "max_model_len": 1, "max_num_seqs": 1,
        "dtype": "bfloat16", "enforce_eager": False, "backend": "vllm", "walltime": "24:00",
        "gpu_hours": gpus * hours, "reasons": (), "reserved_gpus": gpus, "expected_s": hours * 3600,
    }  # fmt: skip
    return JobPlan(**{**values, **changes})


def queue(*plans: JobPlan | None) -> list[Queued]:
    submission = Submission(
        request_path="r.json", blob_oid="oid", model_id="org/model", revision="a" * 40,
        requested_revision="main", precision="bfloat16", weight_type="Original", use_chat_template=False,
        suite="fr", suite_hash="hash", seed=42, evaluator_version="1",
    )  # fmt: skip
    return [
        Queued(
            waiting=Waiting(submission=dataclasses.replace(submission, request_path=str(number)), plan=one),
            position=number, before_it=0, live=0, days=0, line_score=0, waiting_bonus=0,
            popularity_boost=0,
        )
        for number, one in enumerate(plans, start=1)
    ]  # fmt: skip


@pytest.fixture(scope="session")
def hours(settings):
    """Estimated starts, in hours after the sweep's begin."""

    def compute(queue: list[Queued], running: list[Running] | None = None) -> list[float | None]:
        starts = expected_starts(queue, running or [], clusters=settings.clusters, begins=BEGINS, now=NOW)
        return [None if one.at is None else (one.at - BEGINS) / timedelta(hours=1) for one in starts]

    return compute


def test_what_fits_side_by_side_starts_with_the_sweep_and_the_rest_when_gpus_are_free(hours):
    # musa: 6 nodes of 2 GPUs.
    assert hours(queue(plan(gpus=8, hours=2), plan(gpus=4), plan(gpus=4), plan(gpus=12))) == [0, 0, 1, 2]


def test_nobody_overtakes_though_there_would_be_room(hours):
    assert hours(queue(plan(gpus=8, hours=2), plan(gpus=12), plan(gpus=2))) == [0, 2, 3]


def test_each_cluster_has_a_line_of_its_own(hours):
    assert hours(queue(plan(gpus=12, hours=5), plan(gpus=4, cluster="chuc"))) == [0, 0]


def test_what_is_under_way_is_waited_for(hours):
    running = [Running(plan=plan(gpus=12, hours=8), began=NOW)]

    assert hours(queue(plan(gpus=2)), running) == [2]


def test_a_job_that_is_late_is_taken_to_end_now(hours):
    running = [Running(plan=plan(gpus=12, hours=8), began=NOW - timedelta(days=2))]

    assert hours(queue(plan(gpus=2)), running) == [0]


def test_what_nobody_has_planned_makes_a_start_the_earliest(settings):
    (start,) = expected_starts(
        queue(plan()), [Running(plan=None, began=NOW)], clusters=settings.clusters, begins=BEGINS, now=NOW
    )

    assert (start.at, start.is_earliest) == (BEGINS, True)


def test_what_is_not_known_is_not_said(hours):
    held = dataclasses.replace(queue(plan())[0], hold=Hold.AT_ONCE, held_by=(1, 1))

    assert hours([held, *queue(None, plan(cluster="sold"), plan())]) == [None, None, None, 0]


@given(st.lists(st.tuples(st.sampled_from([2, 4, 6, 12]), st.floats(0.1, 30)), max_size=8))
def test_never_more_gpus_than_there_are(hours, jobs):
    plans = [plan(gpus=gpus, hours=time) for gpus, time in jobs]
    starts = hours(queue(*plans))

    for at in starts:
        used = sum(
            gpus
            for begin, (gpus, time) in zip(starts, jobs, strict=True)
            if begin - 1e-6 <= at < begin + time - 1e-6
        )
        assert used <= 12
    assert starts == sorted(starts)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-01-10T01:59:00+00:00", "2026-01-10T02:00:00+00:00"),
        ("2026-01-10T02:00:00+00:00", "2026-01-11T02:00:00+00:00"),
        ("2026-07-10T00:59:00+00:00", "2026-07-10T01:00:00+00:00"),
        ("2026-03-28T12:00:00+00:00", "2026-03-29T01:00:00+00:00"),  # the clocks go forward that night
    ],
)
def test_the_next_sweep_is_at_the_local_clock_s_time(now, expected):
    assert next_sweep(datetime.fromisoformat(now), QueuePolicy()) == datetime.fromisoformat(expected)


def test_the_estimate_s_night_is_the_dag_s(settings):
    text = (DAGS / "evaluate_submissions.py").read_text(encoding="utf-8")
    found = re.search(r'CronDataIntervalTimetable\("(\d+) (\d+) \* \* \*", timezone="([^"]+)"\)', text)

    assert found is not None
    minute, hour, zone = found.groups()
    assert (f"{int(hour):02}:{int(minute):02}", zone) == (settings.queue.nightly, settings.queue.time_zone)
