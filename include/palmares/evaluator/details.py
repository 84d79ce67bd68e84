"""Details parquet in the first generation's layout: one row a dataset row, in the dataset's order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_NUMBERS = pa.list_(pa.int64())
_METRIC_TYPES = {"inst_level_strict_acc": _NUMBERS}

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


def details_schema(metrics: Sequence[str]) -> pa.Schema:
    """Columns and types; ``metrics`` is a struct of these names."""
    row_metrics = pa.struct([(name, _METRIC_TYPES.get(name, pa.int64())) for name in metrics])
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
    dataset: str, sample: Mapping[str, Any], metrics: Sequence[str], *, truncated: int
) -> dict[str, Any]:
    """Lay one lm-eval sample out as a details row.

    Args:
        dataset: Which columns the sample's row has.
        sample: lm-eval's sample: ``doc``, ``arguments``, ``resps`` and the metrics' values.
        metrics: Names of the row's metrics.
        truncated: Tokens of the prompt that the model did not see.
    """
    row = sample["doc"]
    specifics: dict[str, Any] = {"row_id": row["row_id"]}
    laid_out: dict[str, Any] = {
        "full_prompt": sample["arguments"][0][0],
        "metrics": {name: sample[name] for name in metrics},
        "num_asked_few_shots": 0,
        "num_effective_few_shots": 0,
        "cont_tokens": [],
        "input_tokens": [],
        "padded": [],
        "pred_logits": [],
        "truncated": [truncated],
        "instruction": None,
    }
    if dataset == "gpqa-fr":
        likelihoods = [float(response[0][0]) for response in sample["resps"]]
        best = max(range(len(likelihoods)), key=likelihoods.__getitem__)
        laid_out |= {
            "example": row["Question"],
            "choices": row["texts"],
            "gold": [row["texts"][row["gold_index"]]],
            "gold_index": [row["gold_index"]],
            "pred_logits": likelihoods,
            "predictions": [row["texts"][best]],
        }
    elif dataset == "bac-fr":
        choices = list(row["choix"] or [])
        laid_out |= {
            "example": row["enonce"],
            "instruction": row["instruction"],
            "choices": choices,
            "gold": [sample["target"]],
            "gold_index": [choices.index(row["choix correct"])] if row["choix correct"] in choices else [],
            "predictions": [sample["resps"][0][0]],
        }
    else:
        specifics |= {"key": row["key"], "instructions_id_list": list(row["instruction_id_list"])}
        laid_out |= {
            "example": row["prompt"],
            "choices": [],
            "gold": [],
            "gold_index": [],
            "predictions": [sample["resps"][0][0]],
        }
    return laid_out | {"specifics": json.dumps(specifics, ensure_ascii=False)}


def write_details(path: Path, rows: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> None:
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
