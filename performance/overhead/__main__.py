"""Measures overhead side by side: `python -m performance.overhead`.

The same trivial jobs, the same ClearML server and the same agents, three contestants one after the other:

1. This DAG: the real ``evaluate_submissions``, nothing left out. As many models and requests on the Hub as
   there are jobs, listed, admitted, planned, enqueued, waited for, fetched, verified, scored, published. Only
   the job is replaced: a second of waiting, then the upload of one real evaluation's outputs (`job.py`).
2. ClearML's PipelineController at its defaults, with a step for each of the same jobs: it clones, enqueues
   and waits. It fetches, scores and publishes nothing, so the comparison favours it.
3. Bare Airflow: a mapped group of six empty tasks, each run by a worker, whose third defers for as long as
   the same job took in (1) from the end of ``enqueue`` to its end. Nothing else runs meanwhile, no agent and
   no job, so the comparison favours this one too.

One stack of its own in a temporary folder; the order changes from round to round. Prints one JSON object, and
a Markdown table on stderr. Measure on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

import httpx

from devstack.supervisor.health import airflow_client
from performance.overhead import jobs as clearml_jobs
from performance.overhead import processor
from performance.overhead.airflow_runs import FinishedRun, run_dag, unpause
from performance.overhead.report import BARE, OURS, PIPELINE, Figures, machine, ratio, table
from performance.overhead.submissions import ensure_requests_repo, submit
from performance.overhead.workplace import Workplace, workplace

SWEEP_DAG, BARE_DAG = "evaluate_submissions", "bare_airflow"
SETTLE_S = 15.0
"""Before each contestant: start-up work is over and agents are back at their queue."""
SECONDS_A_JOB = 60.0
"""For deadlines only: several times what one takes on one agent."""


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


class Contest:
    """The contestants on one stack; the sweep goes first, its jobs are the measure for the others."""

    def __init__(self, place: Workplace, client: httpx.Client, jobs: int) -> None:
        self.place = place
        self.client = client
        self.jobs = jobs
        self.deadline_s = 300 + SECONDS_A_JOB * jobs
        self.steps: list[dict[str, str]] = []
        self.waits_s: list[float] = []

    def sweep(self, number: int) -> Figures:
        names = submit(self.place, round_number=number, jobs=self.jobs)
        before = self._settle()
        run = run_dag(self.client, SWEEP_DAG, {}, jobs=self.jobs, deadline_s=self.deadline_s, report=say)
        cpu_s = processor.read(self.place).since(before)
        found = clearml_jobs.jobs_of_models(self.place, names)
        self.steps = [dict(job.hyperparams["General"]) for job in found]
        enqueued = [task.end or 0.0 for task in run.times("enqueue")]
        self.waits_s = [
            round(max(0.0, clearml_jobs.ended_at(job) - moment), 2)
            for job, moment in zip(found, enqueued, strict=True)
        ]
        return _airflow_figures(OURS, number, run, cpu_s, clearml_jobs.span(found))

    def pipeline(self, number: int) -> Figures:
        before = self._settle()
        done = clearml_jobs.run_pipeline(self.place, name=f"round {number}", steps=self.steps)
        cpu_s = processor.read(self.place).since(before) | {"controller": done.cpu_s}
        first, last = clearml_jobs.span(done.jobs)
        say(f"PipelineController: {len(done.jobs)} of {self.jobs} jobs, {done.end - done.asked_at:.0f} s")
        return Figures(
            contestant=PIPELINE,
            round_number=number,
            wall_s=round(done.end - done.asked_at, 2),
            groups_s=None,
            jobs_s=round(last - first, 2),
            before_s=round(first - done.asked_at, 2),
            after_s=round(done.end - last, 2),
            cpu_s=cpu_s,
        )

    def bare(self, number: int) -> Figures:
        before = self._settle()
        conf = {"waits_s": self.waits_s}
        run = run_dag(self.client, BARE_DAG, conf, jobs=self.jobs, deadline_s=self.deadline_s, report=say)
        return _airflow_figures(BARE, number, run, processor.read(self.place).since(before), None)

    def _settle(self) -> processor.ProcessorTime:
        time.sleep(SETTLE_S)
        return processor.read(self.place)


def _airflow_figures(
    contestant: str, number: int, run: FinishedRun, cpu_s: dict[str, float], jobs: tuple[float, float] | None
) -> Figures:
    first, last = jobs or (None, None)
    return Figures(
        contestant=contestant,
        round_number=number,
        wall_s=round(run.last_publish - run.asked_at, 2),
        groups_s=round(run.last_publish - run.first_plan, 2),
        jobs_s=round(last - first, 2) if first is not None and last is not None else None,
        before_s=round(first - run.asked_at, 2) if first is not None else None,
        after_s=round(run.last_publish - last, 2) if last is not None else None,
        cpu_s=cpu_s,
        steps_s=run.mean_seconds(),
    )


def measure(*, jobs: int, rounds: int, agents: int, keep: bool) -> list[Figures]:
    """All contestants, *rounds* times; the two that repeat the sweep's jobs change places."""
    figures: list[Figures] = []
    with workplace(agents=agents, report=say, keep=keep) as place:
        ensure_requests_repo(place)
        with airflow_client(place.state) as client:
            for dag_id in (SWEEP_DAG, BARE_DAG):
                unpause(client, dag_id)
            contest = Contest(place, client, jobs)
            for number in range(1, rounds + 1):
                others = (contest.pipeline, contest.bare) if number % 2 else (contest.bare, contest.pipeline)
                for contestant in (contest.sweep, *others):
                    figures.append(contestant(number))
                    say(json.dumps(asdict(figures[-1])))
    return figures


def result(figures: Sequence[Figures], *, jobs: int, agents: int) -> dict[str, object]:
    return {
        "jobs": jobs,
        "agents": agents,
        "ratios": {
            "wall, sweep over PipelineController": ratio(figures, PIPELINE),
            "wall, sweep over bare Airflow": ratio(figures, BARE),
            "groups only, sweep over bare Airflow": ratio(figures, BARE, groups_only=True),
        },
        "figures": [asdict(one) for one in figures],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=20, help="jobs of each contestant and round (default 20)")
    parser.add_argument("--rounds", type=int, default=2, help="default 2")
    parser.add_argument(
        "--agents", type=int, default=2, help="clearml-agents that serve the queue (default 2)"
    )
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder, for its logs")
    options = parser.parse_args()
    if not 1 <= options.jobs <= 50 or options.rounds < 1:
        parser.error("--jobs is 1 to 50 (a sweep takes no more), --rounds at least 1")
    where = machine()
    figures = measure(jobs=options.jobs, rounds=options.rounds, agents=options.agents, keep=options.keep)
    print(table(figures), file=sys.stderr)
    print(
        json.dumps({"machine": where, **result(figures, jobs=options.jobs, agents=options.agents)}, indent=2)
    )


if __name__ == "__main__":
    main()
