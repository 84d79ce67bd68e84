"""Counting the rows that a model has answered."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from palmares.evaluator.rows import RowCounter, counted


@dataclass
class Request:
    repeats: int = 1


@dataclass
class Task:
    instances: list[Request]


@dataclass
class Engine:
    """As lm-eval's models: whoever is the cache hook is called once a request."""

    cache_hook: object = None
    hooks: list[object] = field(default_factory=list)

    def set_cache_hook(self, hook: object) -> None:
        self.hooks.append(hook)
        self.cache_hook = hook


@pytest.mark.parametrize(
    ("requests", "rows", "after"),
    [
        ([Request()] * 3, 3, [1, 2, 3]),
        ([Request()] * 8, 2, [0, 0, 0, 1, 1, 1, 1, 2]),  # four choices a row
        ([Request(repeats=2)] * 2, 2, [0, 1, 1, 2]),
    ],
)
def test_a_row_is_done_when_all_its_requests_are(
    requests: list[Request], rows: int, after: list[int]
) -> None:
    seen: list[tuple[str, int, int]] = []
    counter = RowCounter("bac-fr", Task(requests), rows, lambda *told: seen.append(told))
    for _ in after:
        counter.add_partial("generate_until", ("a prompt",), "an answer")
    assert seen == [("bac-fr", done, rows) for done in after]


def test_an_engine_that_answers_more_than_it_was_asked_never_exceeds_the_rows() -> None:
    seen: list[int] = []
    counter = RowCounter("bac-fr", Task([Request()]), 1, lambda name, done, of: seen.append(done))
    counter.add_partial("generate_until", (), "")
    counter.add_partial("generate_until", (), "")
    assert seen == [1, 1]


def test_the_engine_gets_its_own_hook_back_after_a_failure() -> None:
    own, engine = object(), Engine()
    engine.cache_hook = own
    counter = RowCounter("bac-fr", Task([]), 0, lambda *told: None)
    with pytest.raises(RuntimeError), counted(engine, counter):
        raise RuntimeError
    assert engine.hooks == [counter, own]
