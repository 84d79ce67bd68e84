"""Plays one scenario: a model from its request to its publication, with what befalls it on the way."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.faults.airflow_part import (
    GROUP,
    STEPS,
    Attempt,
    Deferral,
    HarnessError,
    MarkedFailedError,
    Run,
    in_own_process,
)
from tests.faults.jobs import AgentHand, wait_for
from tests.faults.observe import Seen
from tests.faults.scenario import Scenario
from tests.faults.world import QUEUE, World, row_locked, terminate_backend, waiting_backends

WAIT_DEADLINE_S = 30.0


@dataclass(slots=True)
class Played:
    """A run of the DAG, and the agent that served its queue."""

    run: Run
    agent: AgentHand
    seen: Seen


def play(world: World, scenario: Scenario) -> Seen:
    """Play it; afterwards all faults are over and nothing is served any more."""
    world.servers.heal()
    world.connect(timeout_s=scenario.timeout_s)
    model_id, path = world.submit(scenario.id)
    run = Run(f"faults__{scenario.id}", _params(model_id))
    submission = run.admit()
    seen = Seen(
        model_id=model_id,
        request_path=path,
        job_key=submission["job_key"],
        hub_before=world.place.heads(),
    )
    began = time.monotonic()
    deaths = len(world.servers.deaths)
    holds = scenario.step == "poll_status" and not scenario.fates
    agent = AgentHand(world.servers, world.host, queue_name=QUEUE, fates=scenario.fates, hold=holds)
    played = Played(run, agent, seen)
    try:
        with agent:
            for step in STEPS:
                if step == scenario.step:
                    _arm(world, scenario)
                process = _process(world, scenario, played, step)
                state = run.run_task(GROUP + step, process)
                if step == "plan_resources" and scenario.lost_after_s is not None:
                    run.xcoms[GROUP + step]["lost_after_s"] = scenario.lost_after_s
                if state != "success":
                    break
        if agent.problem is not None:
            raise agent.problem
        run.summarize()
        seen.seconds = time.monotonic() - began
        seen.jobs = sum(job is not None for job in agent.pulled)
        seen.pids = [job.pid for job in agent.pulled if job is not None]
        seen.tries = [
            f"{task.rpartition('.')[2]} raised {error}"
            for task, errors in run.errors.items()
            for error in errors
        ]
        seen.said += [*world.servers.injected(), *agent.told, *world.servers.deaths[deaths:]]
    finally:
        world.servers.wait_until_ready()
        world.servers.heal()
    return seen


def _params(model_id: str) -> dict[str, Any]:
    return {
        "models": [model_id],
        "suite": None,
        "cluster": None,
        "max_models": 1,
        "limit_samples": None,
        "force": False,
        "dry_run": False,
    }


def _arm(world: World, scenario: Scenario) -> None:
    for service, faults in scenario.faults.items():
        world.servers.inject(service, [dict(fault) for fault in faults])


def _process(world: World, scenario: Scenario, played: Played, step: str) -> Callable[[Attempt], Any] | None:
    """How a step's tries are carried out."""
    if step == "poll_status":
        return Polling(world, scenario, played).carry_out
    if step != scenario.step:
        return None
    if scenario.task_kill is not None:
        return partial(_killed_once, world, scenario, played)
    if scenario.backend_terminated:
        return partial(_cut_off_once, world, played)
    return None


def _killed_once(world: World, scenario: Scenario, played: Played, attempt: Attempt) -> Any:
    """The first try in a process that is killed at the scenario's moment."""
    if attempt.number > 1:
        return attempt.run()
    kill = scenario.task_kill
    assert kill is not None
    with ExitStack() as held:
        moment: Callable[[], Any]
        if kill.service is None:
            held.enter_context(row_locked(world.store_url, played.seen.job_key))
            moment, where = partial(waiting_backends, world.store_url), "while it waited for PostgreSQL"
        else:
            latency = {"endpoint": kill.endpoint, "kind": "latency", "seconds": 0.5}
            world.servers.inject(kill.service, [latency])
            moment, where = world.servers.injected, f"while the server had its {kill.endpoint}"

        def watch(pid: int) -> None:
            wait_for(moment, f"task process {pid} is {where}")
            os.kill(pid, signal.Signals[kill.signal])
            played.seen.said.append(f"task process {pid} of {scenario.step} got {kill.signal} {where}")

        try:
            return in_own_process(attempt.run, watch=watch)
        finally:
            if kill.service is not None:  # the server does what it was asked, whoever asked is dead
                time.sleep(0.6)


def _cut_off_once(world: World, played: Played, attempt: Attempt) -> Any:
    """The first try's connection to PostgreSQL is ended by the server while it waits for a row."""
    if attempt.number > 1:
        return attempt.run()

    def watch(pid: int) -> None:
        (backend,) = wait_for(partial(waiting_backends, world.store_url), "the step waits for its row")
        terminate_backend(world.store_url, backend)
        played.seen.said.append(
            f"PostgreSQL ended backend {backend} of task process {pid}, which waited for a row"
        )

    with row_locked(world.store_url, played.seen.job_key):
        return in_own_process(attempt.run, watch=watch)


class Polling:
    """The wait operator with its triggerer, and what happens while it is deferred."""

    def __init__(self, world: World, scenario: Scenario, played: Played) -> None:
        self._world, self._scenario, self._played = world, scenario, played
        self._person = scenario.person if scenario.step == "poll_status" else None
        self._triggerer, self._server = scenario.triggerer, scenario.server
        self._waits_for_faults = scenario.step == "poll_status" and bool(scenario.faults)

    def carry_out(self, attempt: Attempt) -> Any:
        outcome = attempt.run()
        while isinstance(outcome, Deferral):
            if self._triggerer is not None:
                self._lose_triggerer(outcome)
            event = asyncio.run(self._event(outcome))
            outcome = self._decide(outcome, attempt) if event is None else attempt.resume(outcome, event)
        return outcome

    async def _event(self, deferral: Deferral) -> dict[str, Any] | None:
        """The trigger's event; None: a person stepped in first."""
        waiting = asyncio.ensure_future(anext(aiter(_trigger(deferral).run())))
        deadline = time.monotonic() + WAIT_DEADLINE_S
        while not waiting.done():
            if time.monotonic() > deadline:
                raise HarnessError(f"the trigger told nothing for {WAIT_DEADLINE_S:g} s")
            await asyncio.wait({waiting}, timeout=0.05)
            if not waiting.done() and await asyncio.to_thread(self._turn):
                waiting.cancel()
                await asyncio.wait({waiting})
                return None
        payload: dict[str, Any] = waiting.result().payload
        return payload

    def _turn(self) -> bool:
        """What happens beside the waiting; whether a person steps in now."""
        job = self._played.agent.job
        if job is None or not job.is_evaluating or job.ended.is_set():
            return False
        if self._person is not None:
            return True
        if self._server is not None:
            pid, number = self._world.servers.pid, signal.Signals[self._server]
            os.kill(pid, number)
            self._played.seen.said.append(
                f"embedded server {pid} got {number.name} while a trigger polled it"
            )
            self._server = None
            return False
        if not self._waits_for_faults or self._world.servers.injected() or self._world.servers.deaths:
            self._waits_for_faults = False
            job.let_go()
        return False

    def _decide(self, deferral: Deferral, attempt: Attempt) -> Any:
        """A person marks the deferred task failed, or clears it."""
        person, self._person = self._person, None
        job = self._played.agent.job
        assert job is not None
        self._played.seen.said.append(f"a person {person} while job process {job.pid} evaluated")
        if person == "clears it, new try first":
            outcome = attempt.run()
            _on_kill(deferral)
            return outcome
        _on_kill(deferral)
        if person == "marks it failed":
            raise MarkedFailedError
        return attempt.run()

    def _lose_triggerer(self, deferral: Deferral) -> None:
        """A triggerer begins to wait, and dies of a signal while the job evaluates."""
        number, self._triggerer = signal.Signals[self._triggerer or "SIGKILL"], None

        def watch(pid: int) -> None:
            job = wait_for(lambda: self._played.agent.job, "a job starts")
            wait_for(lambda: job.is_evaluating, "the job evaluates", 30)
            os.kill(pid, number)
            self._played.seen.said.append(
                f"process {pid} with the trigger got {number.name} while job process {job.pid} evaluated"
            )

        from tests.faults.airflow_part import TaskProcessKilledError

        try:
            in_own_process(lambda: asyncio.run(_first(deferral)), watch=watch)
        except TaskProcessKilledError:
            return
        raise AssertionError("the trigger fired before its process was killed")


def _trigger(deferral: Deferral) -> Any:
    from importlib import import_module

    module, _, name = deferral.trigger.rpartition(".")
    return getattr(import_module(module), name)(**deferral.kwargs)


async def _first(deferral: Deferral) -> Any:
    return (await anext(aiter(_trigger(deferral).run()))).payload


def _on_kill(deferral: Deferral) -> None:
    asyncio.run(_trigger(deferral).on_kill())
