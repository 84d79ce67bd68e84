"""GPUs that the planner reserves on musa, against the table that operators kept by hand.

    python -m performance.hand_kept_table

Models of tests/data/models.csv that the table names and places; its default is 2 nodes of 2 GPUs.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from palmares.leaderboard.clusters import Cluster
from palmares.leaderboard.errors import RefusedError
from palmares.leaderboard.planning import JobPlan, plan_job
from palmares.leaderboard.settings import DEFAULT_CONFIG_DIR, load_settings
from palmares.leaderboard.submissions.model_facts import ModelFacts
from palmares.leaderboard.submissions.submission import Submission

MODELS_CSV: Final = Path(__file__).resolve().parents[1] / "tests" / "data" / "models.csv"
GPUS_PER_NODE: Final = 2
NODES_BY_HAND: Final = {
    "mistralai/Mistral-Large-Instruct-2411": 4,
    "Qwen/Qwen2.5-Math-72B-Instruct": 4,
    "microsoft/phi-4": 1,
    "EpistemeAI/ReasoningCore-Llama-3.2-3B-R01-1.1": 1,
    "HoangHa/Pensez-Llama3.1-8B": 2,  # named for its wall time only: the default
}
"""Nodes of musa by the table, of the models of models.csv that it places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One model, by hand and planned."""

    model: str
    by_hand_gpus: int
    by_node: JobPlan
    """On musa as it is: whole nodes are reserved."""
    by_gpu: JobPlan
    """If musa reserved single GPUs."""


def musa(*, allocation: str) -> Cluster:
    """The shipped cluster, or the same handing out single GPUs."""
    cluster = load_settings(DEFAULT_CONFIG_DIR).cluster("musa")
    if allocation == "node":
        return cluster
    return cluster.model_copy(update={"allocation": "gpu", "queues": {"*": "musa"}})


def models() -> dict[str, dict[str, str]]:
    """Rows of models.csv by model."""
    lines = MODELS_CSV.read_text(encoding="utf-8").splitlines()
    return {row["model"]: row for row in csv.DictReader(lines)}


def facts_of(row: Mapping[str, str], **changes: Any) -> ModelFacts:
    """A decoder of models.csv as the Hub would describe it, without its files."""
    config = {
        "architectures": [row["architecture"]],
        "hidden_size": int(row["hidden_size"]),
        "num_hidden_layers": int(row["layers"]),
        "num_attention_heads": int(row["attention_heads"]),
        "num_key_value_heads": int(row["kv_heads"]),
        "head_dim": int(row["head_dim"]),
        "intermediate_size": int(row["intermediate_size"]),
        "vocab_size": int(row["vocab_size"]),
        "max_position_embeddings": int(row["max_position_embeddings"]),
        "tie_word_embeddings": row["tie_word_embeddings"] == "True",
        "num_local_experts": int(row["experts"]) or None,
        "num_experts_per_tok": int(row["experts_per_token"]) or None,
        "moe_intermediate_size": int(row["moe_intermediate_size"]) or None,
        "torch_dtype": "bfloat16",
    }
    values: dict[str, Any] = {
        "model_id": row["model"],
        "commit": "0" * 40,
        "config": config,
        "weights_bytes": None,
        "weights_format": "safetensors",
        "parameters": None,
        "architectures": (row["architecture"],),
        "license": None,
        "likes": 0,
        "has_chat_template": True,
        "custom_code": False,
    }
    return ModelFacts(**{**values, **changes})


def submission_of(model: str) -> Submission:
    """A plain submission, in bfloat16."""
    return Submission(
        request_path="p",
        blob_oid="o",
        model_id=model,
        revision="0" * 40,
        requested_revision="main",
        precision="bfloat16",
        weight_type="Original",
        use_chat_template=True,
        suite="fr",
        suite_hash="h",
        seed=42,
        evaluator_version="1",
    )


def compare() -> tuple[Row, ...]:
    """Plan each model both ways."""
    suite, found = load_settings(DEFAULT_CONFIG_DIR).suite(), models()
    rows = []
    for model, nodes in NODES_BY_HAND.items():
        facts, submission = facts_of(found[model]), submission_of(model)
        rows.append(
            Row(
                model=model,
                by_hand_gpus=nodes * GPUS_PER_NODE,
                by_node=plan_job(facts, submission, suite, musa(allocation="node")),
                by_gpu=plan_job(facts, submission, suite, musa(allocation="gpu")),
            )
        )
    return tuple(rows)


def ratios(rows: tuple[Row, ...]) -> tuple[float, float]:
    """GPUs reserved over the table's: by single GPUs, by whole nodes."""
    by_hand = sum(row.by_hand_gpus for row in rows)
    return (
        sum(row.by_gpu.reserved_gpus for row in rows) / by_hand,
        sum(row.by_node.reserved_gpus for row in rows) / by_hand,
    )


def main() -> None:
    """Print the comparison as a Markdown table."""
    rows = compare()
    print("| model | by hand, GPUs | by node: GPUs (nodes, tp x pp, wall time) | by GPU: GPUs (tp x pp) |")
    print("|---|---|---|---|")
    for row in rows:
        node, gpu = row.by_node, row.by_gpu
        print(
            f"| {row.model} | {row.by_hand_gpus} | {node.reserved_gpus} ({node.nodes}, "
            f"{node.tensor_parallel_size} x {node.pipeline_parallel_size}, {node.walltime}) | "
            f"{gpu.reserved_gpus} ({gpu.tensor_parallel_size} x {gpu.pipeline_parallel_size}) |"
        )
    by_gpu, by_node = ratios(rows)
    print(f"\nReserved over the table's: {by_gpu:.2f} by GPU, {by_node:.2f} by whole nodes.")
    refused = "allenai/Llama-3.1-Tulu-3-405B"
    try:
        plan_job(
            facts_of(models()[refused]),
            submission_of(refused),
            load_settings(DEFAULT_CONFIG_DIR).suite(),
            musa(allocation="node"),
        )
    except RefusedError as error:
        print(f"{refused}: {error}")


if __name__ == "__main__":
    main()
