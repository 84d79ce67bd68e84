"""Streams parquet details: one batch of rows in memory, whatever the size of the file or of a row group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palmares.leaderboard.details.row import Span
from palmares.leaderboard.errors import ResultsFormatError
from palmares.leaderboard.git_lfs import is_lfs_pointer, pointer_message

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
        ResultsFormatError: It cannot be read, or is not parquet, e.g. empty, cut off or damaged. Some damage
            makes pyarrow end the process: who reads files of unknown health does so in one of its own.
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
    except (OSError, pa.ArrowException, UnicodeDecodeError, OverflowError) as error:
        if is_lfs_pointer(path):
            raise ResultsFormatError(pointer_message(path.name)) from error
        raise ResultsFormatError(
            f"{path.name}: not parquet, cut off or damaged "
            f"({type(error).__name__}, {path.stat().st_size:,} bytes). Restore the file from the raw outputs."
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
        size = _batch_rows(file, group)
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


def _batch_rows(file: ParquetFile, group: int) -> int:
    """Rows of a batch, by what the group's rows take on average, unread columns included.

    The account of single columns would be closer, but pyarrow ends the process when it is damaged.
    """
    meta = file.metadata.row_group(group)
    a_row: int = max(1, meta.total_byte_size // max(1, meta.num_rows))
    return max(1, min(BATCH_ROWS, BATCH_BYTES // a_row))
