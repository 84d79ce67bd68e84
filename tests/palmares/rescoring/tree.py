"""Builds trees of details and results files as they stand on a leaderboard's disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palmares.rescoring.files import Matcher, find_details, find_scores
from palmares.rescoring.outcome import Outcome
from palmares.rescoring.pool import Pool
from palmares.rescoring.run import Options, Rescoring

from tests.palmares.leaderboard.details.layouts import ANSWERS, LAYOUTS, Answer

TIME = "2025-03-01T10-20-30.123456"
TASK = "community|bac-fr|0"
BEFORE, AFTER = 0.6, 0.8
"""Of the layouts' answers, by the evaluator's metric and by ours."""


@dataclass(frozen=True, slots=True)
class Tree:
    """``details/`` and ``results/`` below one folder."""

    root: Path

    @property
    def details(self) -> Path:
        return self.root / "details"

    @property
    def results(self) -> Path:
        return self.root / "results"

    def add(
        self,
        model: str = "org/model",
        *,
        time: str = TIME,
        layout: str = "columns",
        answers: Sequence[Answer] = ANSWERS,
        scores: dict[str, Any] | None = None,
    ) -> Path:
        """Write one evaluation; returns its details file."""
        name, write = LAYOUTS[layout]
        folder = self.details / model / time
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name.format(time=time)
        write(path, answers)
        default = lm_eval_scores(model) if layout == "samples" else leaderboard_scores(model)
        self.add_scores(model, default if scores is None else scores, time=time)
        return path

    def add_scores(self, model: str, scores: dict[str, Any], *, time: str = TIME) -> Path:
        """Write one results file."""
        path = self.scores(model, time=time)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(scores, indent=2, ensure_ascii=False), encoding="utf-8")
        return path

    def scores(self, model: str = "org/model", *, time: str = TIME) -> Path:
        return self.results / model / f"results_{time}.json"

    def read_scores(self, model: str = "org/model", *, time: str = TIME) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.scores(model, time=time).read_text(encoding="utf-8"))
        return found

    def rescore(self, *, workers: int = 1, **options: Any) -> Outcome:
        """Run over everything."""
        found = find_details(self.details)
        matcher = Matcher(find_scores(self.results), self.results)
        with Pool(workers) as pool:
            outcome = Rescoring(found.files, matcher, pool, Options(**options)).run()
        outcome.problems += found.problems
        return outcome

    def contents(self) -> dict[Path, bytes]:
        """Every file."""
        return {path: path.read_bytes() for path in sorted(self.root.rglob("*")) if path.is_file()}


def leaderboard_scores(model: str = "org/model", **metrics: Any) -> dict[str, Any]:
    """In lighteval's schema."""
    bac = metrics or {"bac-fr-qem": BEFORE, "bac-fr-qem_stderr": 0.24}
    return {
        "config_general": {"model_name": model, "model_dtype": "bfloat16", "unknown": 1e-05},
        "results": {
            TASK: bac,
            "community|gpqa-fr|0": {"acc": 0.5},
            "all": {**bac, "acc": 0.5},
        },
        "versions": {TASK: 0, "all": 0},
        "é": None,
    }


def lm_eval_scores(model: str = "org/model", value: float = BEFORE) -> dict[str, Any]:
    """In lm-eval's schema."""
    return {
        "results": {
            "bac-fr": {"alias": "bac-fr", "bac-fr-qem,none": value, "bac-fr-qem_stderr,none": "N/A"},
        },
        "n-samples": {"bac-fr": {"original": 5, "effective": 5}},
        "versions": {"bac-fr": 1.0},
        "config": {"model": "hf", "model_args": f"pretrained={model},dtype=bfloat16"},
    }
