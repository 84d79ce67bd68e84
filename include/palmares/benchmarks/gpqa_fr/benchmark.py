"""GPQA-fr as the leaderboard knows it, and its variant with choices that are named by letters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from palmares.benchmarks.benchmark import Benchmark, Metric, StoredMetric
from palmares.benchmarks.gpqa_fr.task.utils import COLUMNS
from palmares.benchmarks.scorer import Scorer

_TASK = Path(__file__).parent / "task"


class GpqaFr(Benchmark):
    """A question with four choices; the likeliest one is the answer."""

    def details_row(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        row = sample["doc"]
        likelihoods = [float(response[0][0]) for response in sample["resps"]]
        best = max(range(len(likelihoods)), key=likelihoods.__getitem__)
        return {
            "example": row["Question"],
            "choices": row["texts"],
            "gold": [row["texts"][row["gold_index"]]],
            "gold_index": [row["gold_index"]],
            "pred_logits": likelihoods,
            "predictions": [row["texts"][best]],
        }


def _scorer(*policy: Any) -> Scorer:
    # The evaluator, which generates and grades nothing, has no need of the comparer.
    from palmares.benchmarks.gpqa_fr.scorer import GpqaFrScorer

    return GpqaFrScorer(*policy)


def _variant(name: str, title: str, **changes: Any) -> GpqaFr:
    return GpqaFr(
        name=name,
        title=title,
        lm_eval_task=name,
        kind="loglikelihood",
        choices=4,
        definition=_TASK / f"{name}.yaml",
        dataset="gpqa-fr",
        columns=COLUMNS,
        hidden_columns=COLUMNS,
        metrics=(Metric(name="acc"),),
        score_metrics=("acc",),
        random_score=0.25,
        **changes,
    )


BENCHMARKS = (
    _variant(
        "gpqa-fr",
        "GPQA-fr",
        make_scorer=_scorer,
        demo_rows=Path(__file__).with_name("demo_rows.jsonl"),
        # `new_acc` is what re-scoring adds for models that write a letter; `acc` stays beside it.
        stored=StoredMetric(names=("new_acc",), shown_before=("acc",), added=True),
    ),
    _variant("gpqa-fr-letters", "GPQA-fr (letters)", stored=StoredMetric(names=("acc",))),
)
