"""IFEval-fr as the leaderboard knows it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from palmares.benchmarks.benchmark import Benchmark, Metric, StoredMetric
from palmares.benchmarks.ifeval_fr.scorer import INSTRUCTION_LEVEL, PROMPT_LEVEL, IfevalFrScorer
from palmares.benchmarks.ifeval_fr.task.utils import COLUMNS


class IfevalFr(Benchmark):
    """A text is asked for, with instructions that a program can check."""

    def details_row(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        row = sample["doc"]
        return {
            "example": row["prompt"],
            "choices": [],
            "gold": [],
            "gold_index": [],
            "predictions": [sample["resps"][0][0]],
            "specifics": {"key": row["key"], "instructions_id_list": list(row["instruction_id_list"])},
        }


BENCHMARKS = (
    IfevalFr(
        name="ifeval-fr",
        title="IFEval-fr",
        lm_eval_task="ifeval-fr",
        kind="generate",
        definition=Path(__file__).parent / "task" / "ifeval-fr.yaml",
        dataset="ifeval-fr",
        columns=COLUMNS,
        hidden_columns=("prompt", "kwargs"),
        metrics=(Metric(name=PROMPT_LEVEL), Metric(name=INSTRUCTION_LEVEL, row_value="flags")),
        score_metrics=(PROMPT_LEVEL, INSTRUCTION_LEVEL),
        stored=StoredMetric(names=(PROMPT_LEVEL,)),
        averager=IfevalFrScorer(),
        demo_rows=Path(__file__).with_name("demo_rows.jsonl"),
    ),
)
