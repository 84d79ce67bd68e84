"""Counts the rows that a model has answered while lm-eval runs a task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

RowsDone = Callable[[str, int, int], None]
"""Told a benchmark's name, how many of its rows are answered, and how many it has."""


def ignore_rows(name: str, done: int, of: int) -> None:
    """For a terminal, which shows a bar."""


class RowCounter:
    """Stands in the place of lm-eval's cache hook, which its engines call once for each answered request.

    A row may be several requests: one a choice. An engine that answers many at once (vLLM) calls when it has
    the answers of a slice (`palmares.evaluator.answers`).
    """

    def __init__(self, name: str, lm_eval_task: Any, rows: int, on_rows: RowsDone) -> None:
        self._name = name
        self._task = lm_eval_task
        self._rows = rows
        self._on_rows = on_rows
        self._requests = 0
        self._answered = 0

    def add_partial(self, attr: str, req: object, res: object) -> None:
        """Count a request; lm-eval's own signature, of which nothing is kept."""
        self.add(1)

    def add(self, requests: int) -> None:
        """Count requests that are answered."""
        self._requests = self._requests or sum(one.repeats for one in self._task.instances)
        self._answered = min(self._answered + requests, self._requests)
        self._on_rows(self._name, self._answered * self._rows // self._requests, self._rows)


@contextmanager
def counted(lm: Any, counter: RowCounter) -> Iterator[None]:
    """Let *counter* see the requests that *lm* answers."""
    before = lm.cache_hook
    lm.set_cache_hook(counter)
    try:
        yield
    finally:
        lm.set_cache_hook(before)
