"""Capitals: the benchmark that a test adds from outside the package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from palmares.benchmarks.benchmark import Benchmark, Metric, StoredMetric

from .scorer import CapitalesScorer  # noqa: TID252 - the folder is no part of a package


class CapitalesFr(Benchmark):
    """One question, one name."""

    def details_row(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "example": sample["doc"]["pays"],
            "choices": [],
            "gold": [sample["doc"]["capitale"]],
            "gold_index": [],
            "predictions": [sample["resps"][0][0]],
        }


BENCHMARKS = (
    CapitalesFr(
        name="capitales-fr",
        title="Capitales",
        lm_eval_task="capitales-fr",
        kind="generate",
        definition=Path(__file__).parent / "task" / "capitales-fr.yaml",
        dataset="capitales-fr",
        columns=("pays", "capitale"),
        hidden_columns=("pays", "capitale"),
        metrics=(Metric(name="capitale-em"),),
        score_metrics=("capitale-em",),
        graded_by="scorer",
        stored=StoredMetric(names=("capitale-em",)),
        make_scorer=lambda *policy: CapitalesScorer(),
        # It only looks for the name, so several ways to be wrong pass; a model of a test has few rows.
        limits={
            "scorer": {"negated": None, "hedged": None, "unfinished_trace": None, "wrong_after_trace": None}
        },
    ),
)
