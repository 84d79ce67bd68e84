"""Computes what docs/planning.md shows: the worked example, and the hand-kept table beside the plans.

`python -m tests.docs.planning_page` writes both into the page.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.leaderboard.clusters import Cluster
from include.leaderboard.errors import RefusedError
from include.leaderboard.planning import JobPlan, plan_job
from include.leaderboard.settings import DEFAULT_CONFIG_DIR, Settings, load_settings
from include.leaderboard.submissions.model_facts import ModelFacts
from include.leaderboard.submissions.submission import Submission

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "planning.md"
MODELS = ROOT / "tests" / "data" / "models.csv"

EXAMPLE = "Qwen/Qwen2.5-Math-72B-Instruct"
BY_HAND: dict[str, int | None] = {
    "mistralai/Mistral-Large-Instruct-2411": 4,
    "Qwen/Qwen2.5-Math-72B-Instruct": 4,
    "microsoft/phi-4": 1,
    "EpistemeAI/ReasoningCore-Llama-3.2-3B-R01-1.1": 1,
    "HoangHa/Pensez-Llama3.1-8B": 2,  # only its wall time is in the table: the default number of nodes
    "allenai/Llama-3.1-Tulu-3-405B": None,
    "teapotai/teapotllm": None,
}
"""Nodes of 2 GPUs in the table that operators kept; None: it says that the model is not to be run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One model: the table's GPUs beside the planner's."""

    model: str
    by_hand: int | None
    by_gpu: int | None
    by_node: int | None
    tensor_parallel: int | None
    pipeline_parallel: int | None
    walltime: str
    verdict: str


def facts_of(row: dict[str, str]) -> ModelFacts:
    """A model of models.csv, as its config.json describes it."""
    architecture = row["architecture"].split()[0]
    config: dict[str, Any] = {
        "architectures": [architecture],
        "hidden_size": int(row["hidden_size"]),
        "num_hidden_layers": int(row["layers"].partition("+")[0]),
        "num_attention_heads": int(row["attention_heads"]),
        "num_key_value_heads": int(row["kv_heads"]),
        "head_dim": int(row["head_dim"]),
        "intermediate_size": int(row["intermediate_size"]),
        "vocab_size": int(row["vocab_size"]),
        "max_position_embeddings": int(row["max_position_embeddings"].split()[0]),
        "tie_word_embeddings": row["tie_word_embeddings"] == "True",
        "torch_dtype": "bfloat16",
    }
    if int(row["experts"]):
        config |= {
            "num_local_experts": int(row["experts"]),
            "num_experts_per_tok": int(row["experts_per_token"]),
            "moe_intermediate_size": int(row["moe_intermediate_size"]),
        }
    return ModelFacts(
        model_id=row["model"],
        commit="0" * 40,
        config=config,
        weights_bytes=None,
        weights_format=None,
        parameters=None,
        architectures=(architecture,),
        license=None,
        likes=0,
        has_chat_template=True,
        custom_code=False,
    )


def models() -> dict[str, ModelFacts]:
    """Every model of models.csv."""
    rows = csv.DictReader(MODELS.read_text(encoding="utf-8").splitlines())
    return {row["model"]: facts_of(row) for row in rows}


def plan_of(facts: ModelFacts, cluster: Cluster, settings: Settings) -> JobPlan:
    """Plan one model, in bfloat16."""
    suite = settings.suite()
    submission = Submission(
        request_path="",
        blob_oid="",
        model_id=facts.model_id,
        revision=facts.commit,
        requested_revision=facts.commit,
        precision="bfloat16",
        weight_type="Original",
        use_chat_template=True,
        suite=suite.name,
        suite_hash="",
        seed=suite.seed,
        evaluator_version="",
    )
    return plan_job(facts, submission, suite, cluster)


def compared() -> list[Compared]:
    """The models that both models.csv and the hand-kept table name, on musa."""
    settings, every = load_settings(DEFAULT_CONFIG_DIR), models()
    musa = settings.cluster("musa")
    queues = {**musa.queues, "1x1": "musa-1-gpu"}
    single_gpus = musa.model_copy(update={"allocation": "gpu", "queues": queues})
    return [_compare(every[model], nodes, musa, single_gpus, settings) for model, nodes in BY_HAND.items()]


def _compare(
    facts: ModelFacts, nodes: int | None, musa: Cluster, single_gpus: Cluster, settings: Settings
) -> Compared:
    by_hand = None if nodes is None else nodes * musa.gpus_per_node
    try:
        whole, single = (plan_of(facts, cluster, settings) for cluster in (musa, single_gpus))
    except RefusedError as error:
        return Compared(
            model=facts.model_id, by_hand=by_hand, by_gpu=None, by_node=None, tensor_parallel=None,
            pipeline_parallel=None, walltime="", verdict=error.refusal.code,
        )  # fmt: skip
    return Compared(
        model=facts.model_id,
        by_hand=by_hand,
        by_gpu=single.reserved_gpus,
        by_node=whole.reserved_gpus,
        tensor_parallel=whole.tensor_parallel_size,
        pipeline_parallel=whole.pipeline_parallel_size,
        walltime=whole.walltime,
        verdict="placed",
    )


def ratios(rows: list[Compared]) -> tuple[float, float]:
    """GPUs reserved over the table's, by GPU and by whole nodes, of the models that both run."""
    both = [row for row in rows if row.by_hand is not None and row.by_node is not None]
    by_hand = sum(row.by_hand or 0 for row in both)
    return (
        sum(row.by_gpu or 0 for row in both) / by_hand,
        sum(row.by_node or 0 for row in both) / by_hand,
    )


def table_text() -> str:
    """The comparison as a table, with the ratios below."""
    rows = compared()
    lines = [
        "| model | GPUs by hand | planned, by GPU | planned, whole nodes | tp × pp | wall time |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        by_hand = "not run" if row.by_hand is None else str(row.by_hand)
        if row.verdict != "placed":
            lines.append(f"| {row.model} | {by_hand} | `{row.verdict}` | `{row.verdict}` | | |")
            continue
        cut = f"{row.tensor_parallel} × {row.pipeline_parallel}"
        lines.append(f"| {row.model} | {by_hand} | {row.by_gpu} | {row.by_node} | {cut} | {row.walltime} |")
    both = [row for row in rows if row.by_hand is not None and row.by_node is not None]
    totals = [sum(getattr(row, name) or 0 for row in both) for name in ("by_hand", "by_gpu", "by_node")]
    lines.append("| **together** | **{}** | **{}** | **{}** | | |".format(*totals))
    by_gpu, by_node = ratios(rows)
    lines += [
        "",
        f"Planned over reserved by hand: **{by_gpu:.2f}** by GPU, **{by_node:.2f}** by whole nodes.",
    ]
    return "\n".join(lines)


def example_text() -> str:
    """The worked example: one GPU's memory, and the sentences of the plan."""
    settings = load_settings(DEFAULT_CONFIG_DIR)
    plan = plan_of(models()[EXAMPLE], settings.cluster("musa"), settings)
    lines = ["| of one GPU | bytes | GiB |", "|---|---:|---:|"]
    lines += [f"| {use} | {size:,} | {size / 2**30:.2f} |" for use, size in plan.bytes_per_gpu.items()]
    lines += ["", "The plan's own sentences:", ""]
    lines += [f"- {reason}" for reason in plan.reasons]
    lines += ["", "En français :", ""]
    lines += [f"- {reason}" for reason in plan.reasons_fr]
    lines += ["", "What lost:", ""]
    lines += [
        f"- {other.nodes} x {other.gpus_per_node} GPU, tensor parallel {other.tensor_parallel_size}, "
        f"pipeline parallel {other.pipeline_parallel_size}: {other.why}"
        for other in plan.alternatives
    ]
    return "\n".join(lines)


GENERATED = {"example": example_text, "table": table_text}


def block(page: str, name: str) -> str:
    """What the page holds between its marks of this name."""
    _, begin, rest = page.partition(f"<!-- {name}: generated -->\n")
    text, end, _ = rest.partition(f"\n<!-- {name}: end -->")
    assert begin, f"docs/planning.md has lost the mark {name}"
    assert end, f"docs/planning.md has lost the mark {name}"
    return text


def write() -> None:
    """Put both into the page."""
    page = PAGE.read_text(encoding="utf-8")
    for name, text in GENERATED.items():
        head, begin, rest = page.partition(f"<!-- {name}: generated -->\n")
        _, end, tail = rest.partition(f"<!-- {name}: end -->")
        page = head + begin + text() + "\n" + end + tail
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    write()
