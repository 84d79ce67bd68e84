"""Reads rows of details, a batch at a time, from files of all three generations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from palmares.benchmarks.scorer import DetailsRow
from palmares.leaderboard.details import lighteval_columns, lighteval_structs, lm_eval_samples
from palmares.leaderboard.details.parquet import opened
from palmares.leaderboard.details.row import Span

__all__ = ["Layout", "Span", "iterate_details", "layout_of", "read_details"]

Layout = Literal["lighteval-columns", "lighteval-structs", "lm-eval-samples"]
_SAMPLES = (".jsonl", ".json")


def read_details(path: Path) -> list[DetailsRow]:
    """Read every row, in the file's order.

    Raises:
        ResultsFormatError: The file is of no known layout, a column is missing, or a value cannot be read;
            file, column and row are named, never the value: it may be a hidden question.
    """
    return list(iterate_details(path))


def iterate_details(path: Path, span: Span | None = None) -> Iterator[DetailsRow]:
    """Like :func:`read_details`, in bounded memory.

    Args:
        path: Parquet of lighteval, or JSON lines of lm-eval.
        span: Of parquet, only these rows; None: all.
    """
    if path.suffix in _SAMPLES:
        yield from lm_eval_samples.rows(path)
        return
    with opened(path) as file:
        of_structs = lighteval_structs.names_of(file.schema_arrow.names) is not None
        reader = lighteval_structs.rows if of_structs else lighteval_columns.rows
        yield from reader(file, path, span)


def layout_of(path: Path) -> Layout:
    """Which program's layout a file has, by its name and its columns' names.

    Raises:
        ResultsFormatError: It is neither JSON lines nor parquet.
    """
    if path.suffix in _SAMPLES:
        return "lm-eval-samples"
    with opened(path) as file:
        of_structs = lighteval_structs.names_of(file.schema_arrow.names) is not None
    return "lighteval-structs" if of_structs else "lighteval-columns"
