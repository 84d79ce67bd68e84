"""Reads the hidden sets from ``DATASETS_DIRECTORY`` and gives each row an identifier that may be shown."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from palmares.benchmarks.errors import DatasetError

DATASETS_DIRECTORY = "DATASETS_DIRECTORY"
"""Environment variable: the folder with one folder a dataset."""

_END_OF_THOUGHT = re.compile(r"</th\w*>")


def dataset_path(name: str, directory: Path | None = None) -> Path:
    """Where a dataset's only file is.

    Args:
        name: Folder of the dataset, e.g. ``bac-fr``.
        directory: The datasets' folder; None: what ``DATASETS_DIRECTORY`` says.

    Raises:
        DatasetError: The variable is not set, or there is no such file.
    """
    if directory is None:
        value = os.environ.get(DATASETS_DIRECTORY)
        if not value:
            raise DatasetError(
                f"{DATASETS_DIRECTORY} is not set. Set it to the folder that holds {name}/train.parquet."
            )
        directory = Path(value)
    path = directory / name / "train.parquet"
    if not path.is_file():
        raise DatasetError(f"{path}: no such file. Set {DATASETS_DIRECTORY} to the folder of the datasets.")
    return path


def read_rows(name: str, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    """Read a dataset's rows, in their order, each with its ``row_id``.

    Raises:
        DatasetError: The file is missing, is no parquet, is empty, or lacks a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = dataset_path(name)
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{path}: not a readable parquet file ({type(error).__name__}).") from None
    missing = [column for column in columns if column not in table.column_names]
    if missing:
        raise DatasetError(f"{path}: columns {missing} are missing, found {table.column_names}.")
    rows: list[dict[str, Any]] = table.select(list(columns)).to_pylist()
    if not rows:
        raise DatasetError(f"{path}: no rows.")
    return [{**row, "row_id": row_id(row)} for row in rows]


def row_id(row: Mapping[str, Any]) -> str:
    """Name a row by its content: 16 hex digits, which logs and reports may show."""
    text = json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def without_thought(generation: str) -> str:
    """What a reasoning model says after its last ``</think>``."""
    return _END_OF_THOUGHT.split(generation)[-1]
