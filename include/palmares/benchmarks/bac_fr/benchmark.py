"""BAC-fr as the leaderboard knows it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from palmares.benchmarks.bac_fr.task.utils import COLUMNS
from palmares.benchmarks.benchmark import Benchmark, Metric, StoredMetric
from palmares.benchmarks.scorer import Scorer


class BacFr(Benchmark):
    """A question, sometimes with choices; the answer is written."""

    def details_row(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        row = sample["doc"]
        choices = list(row["choix"] or [])
        right = row["choix correct"]
        return {
            "example": row["enonce"],
            "instruction": row["instruction"],
            "choices": choices,
            "gold": [sample["target"]],
            "gold_index": [choices.index(right)] if right in choices else [],
            "predictions": [sample["resps"][0][0]],
        }


def _scorer(*policy: Any) -> Scorer:
    # The evaluator, which generates and grades nothing, has no need of the comparer.
    from palmares.benchmarks.bac_fr.scorer import BacFrScorer

    return BacFrScorer(*policy)


BENCHMARKS = (
    BacFr(
        name="bac-fr",
        title="BAC-fr",
        lm_eval_task="bac-fr",
        kind="generate",
        definition=Path(__file__).parent / "task" / "bac-fr.yaml",
        dataset="bac-fr",
        columns=COLUMNS,
        hidden_columns=COLUMNS,
        metrics=(Metric(name="bac-fr-qem"),),
        score_metrics=("bac-fr-qem",),
        graded_by="scorer",
        stored=StoredMetric(names=("bac-fr-qem", "qem")),
        make_scorer=_scorer,
        demo_rows=Path(__file__).with_name("demo_rows.jsonl"),
    ),
)
