"""Whatever order things happen in, and whoever dies when: one task a key, and each run a new attempt.

A seeded walk through what Airflow's tries, agents, people and other runs do to one key, against the real
embedded server. Tries die after a random call. After each step the invariants are looked at; at the end
nobody dies any more, and the job must come to its success.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from clearml_provider.exceptions import ClearMLMovedError, ClearMLTaskFailedError
from clearml_provider.flows.cancel import cancel
from clearml_provider.hook import ClearMLHook
from clearml_provider.models import TaskInfo
from clearml_provider.operators import ClearMLEnqueueOperator, ClearMLWaitOperator
from clearml_provider.outcomes import CAUSE_FORCED, CAUSE_KILLED
from clearml_provider.transport import Call, Flow, Pause

from tests.plugins.clearml_provider.workplace import Crashed, Workplace, carry

T = TypeVar("T")

WALKS = 12
STEPS = 30


class MortalHook(ClearMLHook):
    """A hook whose process dies after a number of calls, or before a certain one; it does not sleep."""

    def __init__(self, world: World, *, calls_left: int | None = None, before: str = "") -> None:
        super().__init__(retry=world.place.hook.retry)
        self._world = world
        self._calls_left = calls_left
        self._before = before

    def run(self, flow: Flow[T]) -> T:
        def live_on(step: Call | Pause) -> None:
            if isinstance(step, Call):
                if self._calls_left == 0 or step.endpoint == self._before:
                    raise Crashed
                if self._calls_left is not None:
                    self._calls_left -= 1

        return carry(
            self._world.place.hook, flow, between=live_on, instead_of_pauses=self._world.let_time_pass
        )


class World:
    """One key, its queue, at most one agent, the tries of the waiting task, and what was seen so far."""

    def __init__(self, place: Workplace, seed: int) -> None:
        self.place = place
        self.random = random.Random(seed)
        self.waiting: dict[str, Any] | None = None
        self.old_triggers: list[dict[str, Any]] = []
        self.taken = False
        self.done = False
        self.immortal = False
        self.runs: list[int] = []
        self.told: list[int] = []
        self.enqueued: set[int] = set()
        self.highest = 0
        self.story: list[str] = []

    # What there is

    def task(self) -> TaskInfo | None:
        found = self.place.of_key()
        assert len(found) <= 1, f"{len(found)} tasks of one key"
        return found[0] if found else None

    def look(self) -> None:
        """The invariants."""
        task = self.task()
        if task is None:
            return
        entries = [e for q in self.place.call("queues.get_all")["queues"] for e in q["entries"]]
        mine = [e for e in entries if e["task"] == task.id]
        assert len(mine) <= 1, "two live queue entries"
        assert not mine or task.status == "queued", f"waits in a queue, but is {task.status}"
        assert task.attempt >= self.highest, "an attempt's number fell"
        self.highest = task.attempt
        if task.status in {"queued", "in_progress"}:
            self.enqueued.add(task.attempt)
        assert {task.attempt - 1} <= self.enqueued | {0}, (
            "a number was raised though it had not been enqueued"
        )
        assert set(self.told) <= self.enqueued, (
            f"the end of an attempt was told that never began: {self.told}"
        )
        assert self.runs == sorted(set(self.runs)), f"runs were not new attempts each: {self.runs}"
        assert len(self.told) == len(set(self.told)), f"an outcome was told twice: {self.told}"
        if "completed" in self.story:
            assert task.status == "completed", f"a completed job became {task.status}"

    # What Airflow does

    def hook(self) -> MortalHook:
        dice = 1.0 if self.immortal else self.random.random()
        if dice < 0.3:
            return MortalHook(self, calls_left=self.random.randrange(12))
        return MortalHook(self, before="tasks.enqueue" if dice < 0.5 else "")

    def enqueue(self) -> None:
        operator = ClearMLEnqueueOperator(
            task_id="enqueue",
            task_spec=self.place.spec,
            clearml_queue=self.place.queue,
            idempotency_key=self.place.key,
        )
        self._run(operator, lambda: operator.execute({}))

    def start_try(self) -> None:
        """The waiting task's next try; a trigger that still waits is an older try's from now on."""
        task = self.task()
        if task is None:
            return
        self._leave_trigger()
        operator = self._wait(task.id)
        self._run(operator, lambda: operator.execute({}))

    def fire(self) -> None:
        """The trigger's event, if it has one."""
        task = self.task()
        if task is None or self.waiting is None:
            return
        kwargs, status = self.waiting, None
        if task.attempt != kwargs["attempt"]:
            status = "superseded"
        elif task.status.is_terminal:
            status = task.status.value
        elif task.status == "in_progress" and self.random.random() < 0.2 and not self.immortal:
            status = "lost"
        if status is None:
            return
        self.waiting = None
        event = {"task_id": task.id, "attempt": kwargs["attempt"], "status": status}
        operator = self._wait(task.id)
        self._run(operator, lambda: operator.execute_complete({}, event))

    def kill_an_old_trigger(self) -> None:
        """on_kill of a try that was cleared: before or after the new try began."""
        if not self.old_triggers:
            return
        kwargs = self.old_triggers.pop(self.random.randrange(len(self.old_triggers)))
        before = self.task()
        assert before is not None
        self._cancel(before.id, kwargs["attempt"], CAUSE_KILLED, kwargs["waiter"])
        after = self.task()
        assert after is not None
        is_own = (before.attempt, before.user_properties.get("waiter")) == (
            kwargs["attempt"],
            kwargs["waiter"],
        )
        assert is_own or after.status == before.status, "a foreign attempt was cancelled"

    def clear(self) -> None:
        self._leave_trigger()
        for action in self.random.sample([self.kill_an_old_trigger, self.start_try], 2):
            action()

    def force(self) -> None:
        task = self.task()
        if task is not None:
            self._cancel(task.id, task.attempt, CAUSE_FORCED, None)

    # What agents do

    def take(self) -> None:
        if self.place.entries() and not self.taken:
            self.place.call("queues.get_next_task", queue=self.place.queue_id)
            self.taken = True

    def start(self) -> None:
        """What agents do, by force: whatever became of the task since it was taken."""
        task = self.task()
        if self.taken and task is not None:
            self.place.call("tasks.started", task=task.id, force=True, status_message="pulled by agent")
            self.place.call("tasks.dequeue", task=task.id, new_status="in_progress")
            self.runs.append(task.attempt)
        self.taken = False

    def die_on_taking(self) -> None:
        self.taken = False

    def let_time_pass(self) -> None:
        """Whoever took a task has started it, or is dead."""
        (self.start if self.random.random() < 0.5 else self.die_on_taking)()

    def fail(self) -> None:
        self._end("tasks.failed", "worker execution exit code 1")

    def complete(self) -> None:
        if self._end("tasks.completed", "worker execution done"):
            self.story.append("completed")

    def _end(self, endpoint: str, reason: str) -> bool:
        task = self.task()
        if task is None or task.status != "in_progress":
            return False
        self.place.call(endpoint, task=task.id, status_reason=reason)
        return True

    # How

    def step(self) -> None:
        action = self.random.choices(
            [
                self.enqueue,
                self.start_try,
                self.fire,
                self.clear,
                self.kill_an_old_trigger,
                self.force,
                self.take,
                self.start,
                self.die_on_taking,
                self.fail,
                self.complete,
            ],
            weights=[4, 4, 6, 2, 2, 1, 5, 5, 1, 4, 0.3],
        )[0]
        self.story.append(action.__name__)
        action()

    def finish(self) -> None:
        """Nobody dies any more."""
        self.immortal = True
        for _ in range(30):
            if self.done:
                return
            self.enqueue()
            if self.waiting is None:
                self.start_try()
            self.take()
            self.start()
            self.complete()
            self.fire()
        raise AssertionError(f"no end in sight: {self.task()}")

    def _wait(self, task_id: str) -> ClearMLWaitOperator:
        return ClearMLWaitOperator(task_id="wait", clearml_task_id=task_id, stop_grace_s=1.0)

    def _run(self, operator: Any, method: Callable[[], Any]) -> None:
        operator.__dict__["hook"] = self.hook()
        try:
            result = method()
            self.done = isinstance(result, dict)
        except TaskDeferred as deferred:
            self.waiting = deferred.trigger.serialize()[1]
        except ClearMLTaskFailedError:
            task = self.task()
            assert task is not None
            self.told.append(task.attempt)
        except (Crashed, AirflowFailException, ClearMLMovedError) as end:
            self.story.append(type(end).__name__)
        self.look()

    def _leave_trigger(self) -> None:
        if self.waiting is not None:
            self.old_triggers.append(self.waiting)
            self.waiting = None

    def _cancel(self, task_id: str, attempt: int, cause: str, waiter: str | None) -> None:
        flow = cancel(task_id, attempt=attempt, cause=cause, reason="a test", waiter=waiter, grace_s=1.0)
        try:
            until = None if self.immortal else self.random.choice([None, None, 1, 2, 3, 4])
            carry(self.place.hook, flow, until=until, instead_of_pauses=self.let_time_pass)
        except Crashed:
            self.story.append("Crashed")


@pytest.mark.parametrize("seed", range(WALKS))
def test_one_task_a_key_and_each_run_a_new_attempt_in_whatever_order(clearml: Workplace, seed: int):
    world = World(clearml, seed)
    try:
        for _ in range(STEPS):
            world.step()
            world.look()
        world.finish()
    except BaseException:
        print("seed", seed, "story:", " ".join(world.story))
        raise
    assert world.task() is not None
