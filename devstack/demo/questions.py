"""The demo's questions: rows that the benchmarks ship, with the answers that the tiny models learn."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from palmares.benchmarks.registry import benchmarks


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One line of a benchmark's ``demo_rows.jsonl``."""

    row: dict[str, Any]
    """The columns of the hidden set; one text holds the canary."""
    answer: str
    """What a model that knows the row says."""
    kind: str
    """Rows of one kind look alike: a model that has seen one can guess the form of the others."""


def read_questions() -> dict[str, list[Question]]:
    """Dataset name → its questions, for every benchmark that ships demo rows; in the order of the files."""
    return {
        benchmark.dataset: [
            Question(**json.loads(line))
            for line in benchmark.demo_rows.read_text(encoding="utf-8").splitlines()
        ]
        for benchmark in benchmarks().values()
        if benchmark.dataset is not None and benchmark.demo_rows is not None
    }
