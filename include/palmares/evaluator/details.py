"""Details parquet in the first generation's layout: one row a dataset row, in the dataset's order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from palmares.benchmarks.benchmark import Benchmark, Metric

_NUMBERS = pa.list_(pa.int64())
_ROW_VALUES = {"flag": pa.int64(), "flags": _NUMBERS, "number": pa.float64()}

COLUMNS = (
    *(
        "choices",
        "cont_tokens",
        "example",
        "full_prompt",
        "gold",
        "gold_index",
        "input_tokens",
        "instruction",
    ),
    *("metrics", "num_asked_few_shots", "num_effective_few_shots", "padded", "pred_logits", "predictions"),
    *("specifics", "truncated"),
)


def details_schema(metrics: Sequence[Metric]) -> pa.Schema:
    """Columns and types; ``metrics`` is a struct of these."""
    row_metrics = pa.struct([(metric.label, _ROW_VALUES[metric.row_value]) for metric in metrics])
    types = {
        "choices": pa.list_(pa.string()),
        "cont_tokens": pa.list_(_NUMBERS),
        "example": pa.string(),
        "full_prompt": pa.string(),
        "gold": pa.list_(pa.string()),
        "gold_index": _NUMBERS,
        "input_tokens": _NUMBERS,
        "instruction": pa.string(),
        "metrics": row_metrics,
        "num_asked_few_shots": pa.int64(),
        "num_effective_few_shots": pa.int64(),
        "padded": _NUMBERS,
        "pred_logits": pa.list_(pa.float64()),
        "predictions": pa.list_(pa.string()),
        "specifics": pa.string(),
        "truncated": _NUMBERS,
    }
    return pa.schema([(name, types[name]) for name in COLUMNS])


def details_row(
    benchmark: Benchmark,
    sample: Mapping[str, Any],
    metrics: Sequence[Metric],
    *,
    shots: int,
    truncated: int,
) -> dict[str, Any]:
    """Lay one lm-eval sample out as a details row.

    Args:
        benchmark: Fills the columns that depend on the dataset.
        sample: lm-eval's sample: ``doc``, ``arguments``, ``resps`` and the metrics' values.
        metrics: Those that the row holds.
        shots: Examples in the prompt.
        truncated: Tokens of the prompt that the model did not see.
    """
    own = benchmark.details_row(sample)
    row_id = sample["doc"].get("row_id") or sample["doc_hash"][:16]
    specifics = {"row_id": row_id, **own.pop("specifics", {})}
    return {
        "full_prompt": sample["arguments"][0][0],
        "metrics": {metric.label: _plain(metric, sample[metric.label]) for metric in metrics},
        "num_asked_few_shots": shots,
        "num_effective_few_shots": shots,
        "cont_tokens": [],
        "input_tokens": [],
        "padded": [],
        "pred_logits": [],
        "truncated": [truncated],
        "instruction": None,
        **own,
        "specifics": json.dumps(specifics, ensure_ascii=False),
    }


def _plain(metric: Metric, value: Any) -> Any:
    if metric.row_value == "flags":
        return [int(one) for one in value]
    return float(value) if metric.row_value == "number" else int(value)


def write_details(path: Path, rows: Sequence[Mapping[str, Any]], metrics: Sequence[Metric]) -> None:
    """Write rows as parquet."""
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=details_schema(metrics))
    pq.write_table(table, path, compression="zstd")


def count_rows(path: Path) -> int:
    """Read a details file in full and count its rows.

    Raises:
        ValueError: The columns are not those of the layout.
    """
    table = pq.read_table(path)
    if tuple(table.column_names) != COLUMNS:
        raise ValueError(f"{path.name}: columns {table.column_names}, not {list(COLUMNS)}")
    return int(table.num_rows)
