"""Loading, checking and scoring of ifeval-fr."""

from __future__ import annotations

from typing import Any

from palmares.benchmarks.errors import DatasetError
from palmares.benchmarks.ifeval_fr.task.checkers import follows, instruction_problem
from palmares.benchmarks.rows import read_rows, without_thought

COLUMNS = ("key", "prompt", "instruction_id_list", "kwargs")


def load(**_: Any) -> dict[str, Any]:
    """Give lm-eval the dataset, held in memory only, once every instruction of it can be checked.

    Raises:
        DatasetError: An instruction is unknown or lacks an argument: said before any generation is paid for.
    """
    import datasets

    rows = read_rows("ifeval-fr", COLUMNS)
    check_instructions(rows)
    return {"train": datasets.Dataset.from_list(rows)}


def check_instructions(rows: list[dict[str, Any]]) -> None:
    """Refuse rows whose instructions no checker knows.

    Raises:
        DatasetError: Names rows by identifier, and what is wrong with each.
    """
    problems = []
    for row in rows:
        if len(row["instruction_id_list"]) != len(row["kwargs"]):
            problems.append(f"row {row['row_id']}: as many kwargs as instructions are needed")
            continue
        for identifier, kwargs in zip(row["instruction_id_list"], row["kwargs"], strict=True):
            if problem := instruction_problem(identifier, kwargs or {}):
                problems.append(f"row {row['row_id']}: {problem}")
    if problems:
        more = f", and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise DatasetError(
            f"ifeval-fr: {'; '.join(problems[:5])}{more}. "
            "Add the checker to benchmarks/ifeval_fr/task/checkers.py, or correct the dataset."
        )


def process_results(row: dict[str, Any], results: list[str]) -> dict[str, Any]:
    """Strict metrics: all instructions followed (0 or 1), and each (a list of 0 or 1)."""
    response = without_thought(results[0])
    followed = [
        int(follows(identifier, kwargs or {}, response))
        for identifier, kwargs in zip(row["instruction_id_list"], row["kwargs"], strict=True)
    ]
    return {"prompt_level_strict_acc": int(all(followed)), "inst_level_strict_acc": followed}


def mean_over_instructions(items: list[list[int]]) -> float:
    """Share of instructions followed, each counting once."""
    flat = [value for item in items for value in item]
    return sum(flat) / len(flat)
