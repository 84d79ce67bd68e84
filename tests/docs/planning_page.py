"""Computes what the page on planning shows: the worked example, and the hand-kept table beside the plans.

`python -m tests.docs.planning_page` writes both into the page.
"""

from __future__ import annotations

from pathlib import Path

from palmares.leaderboard.errors import RefusedError
from palmares.leaderboard.planning import JobPlan, plan_job
from palmares.leaderboard.settings import DEFAULT_CONFIG_DIR, load_settings

from performance.hand_kept_table import compare, facts_of, models, musa, ratios, submission_of

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "planning.md"
EXAMPLE = "Qwen/Qwen2.5-Math-72B-Instruct"
TOO_LARGE = "allenai/Llama-3.1-Tulu-3-405B"


def plan_of(model: str) -> JobPlan:
    """Plan a model of models.csv on musa as it is.

    Raises:
        RefusedError: It does not fit.
    """
    suite = load_settings(DEFAULT_CONFIG_DIR).suite()
    return plan_job(facts_of(models()[model]), submission_of(model), suite, musa(allocation="node"))


def table_text() -> str:
    """The comparison as a table, with the ratios below."""
    rows = compare()
    lines = [
        "| model | GPUs by hand | planned by GPU (tp × pp) | planned by whole nodes (tp × pp) | wall time |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.model} | {row.by_hand_gpus} | {_gpus(row.by_gpu)} | {_gpus(row.by_node)} | "
        f"{row.by_node.walltime} |"
        for row in rows
    ]
    by_hand = sum(row.by_hand_gpus for row in rows)
    single, whole = (sum(getattr(row, name).reserved_gpus for row in rows) for name in ("by_gpu", "by_node"))
    lines.append(f"| **together** | **{by_hand}** | **{single}** | **{whole}** | |")
    by_gpu, by_node = ratios(rows)
    lines += ["", f"Planned over by hand: **{by_gpu:.2f}** by GPU, **{by_node:.2f}** by whole nodes.", ""]
    try:
        plan_of(TOO_LARGE)
    except RefusedError as error:
        lines.append(f"{TOO_LARGE}, which the table would not run either: `{error}`")
    return "\n".join(lines)


def _gpus(plan: JobPlan) -> str:
    return f"{plan.reserved_gpus} ({plan.tensor_parallel_size} × {plan.pipeline_parallel_size})"


def example_text() -> str:
    """The worked example: one GPU's memory, and the sentences of the plan."""
    plan = plan_of(EXAMPLE)
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
    assert begin, f"docs/explanation/planning.md has lost the mark {name}"
    assert end, f"docs/explanation/planning.md has lost the mark {name}"
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
