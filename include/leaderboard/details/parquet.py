"""Streams parquet details: one batch of rows in memory, whatever the size of the file or of a row group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.leaderboard.details.row import Span
from include.leaderboard.errors import ResultsFormatError

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

BATCH_ROWS = 64
"""Small: generations of a megabyte exist, and a batch is held in memory twice."""
BATCH_BYTES = 8 << 20
"""What a batch may take by the file's own account of its columns."""
_BUFFER_BYTES = 1 << 18
"""Read ahead of each column; 0 would read whole column chunks."""


@contextmanager
def opened(path: Path) -> Iterator[ParquetFile]:
    """Open a parquet file for streaming; errors while it is read are told by the file's name.

    Raises:
        ResultsFormatError: It cannot be read, or is not parquet, e.g. empty or cut off.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False) as file:
            yield file
    except FileNotFoundError as error:
        raise ResultsFormatError(f"{path.name}: no such file in {path.parent}.") from error
    except PermissionError as error:
        raise ResultsFormatError(f"{path.name}: cannot be read ({error.strerror}).") from error
    except (OSError, pa.ArrowException) as error:
        raise ResultsFormatError(
            f"{path.name}: not parquet, or cut off ({type(error).__name__}, {path.stat().st_size:,} bytes). "
            "Restore the file from the raw outputs."
        ) from error


def records(file: ParquetFile, columns: Sequence[str], span: Span | None) -> Iterator[dict[str, Any]]:
    """Rows as mappings of *columns*; a dotted name takes one member of a struct.

    Args:
        file: From :func:`opened`.
        columns: Only they are read.
        span: Only these rows; None: all.
    """
    span = span or Span(row_groups=tuple(range(file.num_row_groups)), first_row=0)
    skip, left = span.skip, span.rows
    for group in span.row_groups:
        size = _batch_rows(file, group, columns)
        batches = file.iter_batches(
            batch_size=size, row_groups=[group], columns=list(columns), use_threads=False
        )
        for batch in batches:
            passed = min(skip, batch.num_rows)
            skip -= passed
            wanted = batch.slice(passed, left)
            if left is not None:
                left -= wanted.num_rows
            yield from wanted.to_pylist()
            if left == 0:
                return


def _batch_rows(file: ParquetFile, group: int, columns: Sequence[str]) -> int:
    meta = file.metadata.row_group(group)
    wanted = tuple(columns)
    size = 0
    for index in range(meta.num_columns):
        column = meta.column(index)
        path = column.path_in_schema
        if any(path == name or path.startswith(f"{name}.") for name in wanted):
            size += column.total_uncompressed_size
    a_row: int = max(1, size // max(1, meta.num_rows))
    return max(1, min(BATCH_ROWS, BATCH_BYTES // a_row))
