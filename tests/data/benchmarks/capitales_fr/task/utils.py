"""Rows and the evaluator's metric of capitales-fr."""

from __future__ import annotations

from typing import Any

from palmares.benchmarks.rows import read_rows


def load(**_: Any) -> dict[str, Any]:
    import datasets

    return {"train": datasets.Dataset.from_list(read_rows("capitales-fr", ("pays", "capitale")))}


def process_results(row: dict[str, Any], results: list[str]) -> dict[str, int]:
    return {"capitale-em": int(results[0].strip() == row["capitale"])}
