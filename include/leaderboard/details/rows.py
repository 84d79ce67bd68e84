"""Reads first-generation details parquet, with native columns or Python reprs in strings."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.leaderboard.errors import ResultsFormatError

NEEDED_COLUMNS = ("choices", "gold", "instruction", "metrics", "predictions", "specifics")
_BATCH_ROWS = 512
_LONGEST_LITERAL = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailsRow:
    """One row of a task's dataset with a model's answer; private, but for *row_id*."""

    row_id: str
    """What logs and reports may show."""
    gold: tuple[str, ...]
    """Accepted answers."""
    choices: tuple[str, ...]
    instruction: str | None
    predictions: tuple[str, ...]
    """Generations; usually one."""
    metrics: dict[str, Any]
    """The evaluator's values of this row."""
    specifics: dict[str, Any]


def read_details(path: Path) -> list[DetailsRow]:
    """Read every row, in the file's order.

    Raises:
        ResultsFormatError: Not parquet, a column is missing, or a value cannot be read; file, column and row
            are named, never the value: it may be a hidden question.
    """
    return list(iterate_details(path))


def iterate_details(path: Path) -> Iterator[DetailsRow]:
    """Like :func:`read_details`, a batch at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        missing = sorted(set(NEEDED_COLUMNS) - set(file.schema_arrow.names))
        if missing:
            raise ResultsFormatError(
                f"{path.name}: columns {missing} are missing, found {sorted(file.schema_arrow.names)}. "
                "Only the first generation's layout is read."
            )
        number = 0
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(NEEDED_COLUMNS)):
            for record in batch.to_pylist():
                yield _row(record, number, path.name)
                number += 1
    except (OSError, pa.ArrowException) as error:
        raise ResultsFormatError(f"{path.name}: not parquet ({type(error).__name__}).") from error


def _row(record: dict[str, Any], number: int, name: str) -> DetailsRow:
    def read(column: str) -> Any:
        try:
            return _native(record[column], opening="{" if column in {"metrics", "specifics"} else "[")
        except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
            raise ResultsFormatError(
                f"{name}: row {number}, column {column}: neither a value nor the text of one. "
                "Restore the file from the raw outputs."
            ) from error

    specifics = _object(read("specifics"), number, name, "specifics")
    row_id = specifics.get("row_id")
    instruction = record["instruction"]
    return DetailsRow(
        row_id=str(row_id) if row_id else f"row-{number:06d}",
        gold=_texts(read("gold")),
        choices=_texts(read("choices")),
        instruction=instruction if isinstance(instruction, str) and instruction.strip() else None,
        predictions=_texts(read("predictions")),
        metrics=_object(read("metrics"), number, name, "metrics"),
        specifics=specifics,
    )


def _native(value: Any, *, opening: str) -> Any:
    """Undo the JSON text or Python repr of a list or mapping; any other text stays text."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text.startswith(opening) or len(text) > _LONGEST_LITERAL:
        return value
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return value  # [0;1] is an answer, not a repr


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        return tuple(text for item in value for text in _texts(item))
    return (value if isinstance(value, str) else str(value),)


def _object(value: Any, number: int, name: str, column: str) -> dict[str, Any]:
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise ResultsFormatError(
            f"{name}: row {number}, column {column}: not a mapping but {type(value).__name__}. "
            "Restore the file from the raw outputs."
        )
    return value
