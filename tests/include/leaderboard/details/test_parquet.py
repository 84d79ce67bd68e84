"""Rows are streamed: a batch is in memory, whatever the size of a row group."""

from __future__ import annotations

import random

import pyarrow as pa
import pyarrow.parquet as pq

from include.leaderboard.details import parquet
from include.leaderboard.details.rows import iterate_details
from tests.include.leaderboard.details.layouts import Answer, as_columns


def test_a_large_row_group_is_never_in_memory_at_once(tmp_path):
    draw = random.Random(1)
    said = [draw.randbytes(2_000).hex() for _ in range(10_000)]
    as_columns(
        tmp_path / "a.parquet",
        [Answer(row_id=f"r{n}", gold="1", said=text, before=0) for n, text in enumerate(said)],
    )
    size = pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(0).total_byte_size
    before = pa.total_allocated_bytes()

    most = max(pa.total_allocated_bytes() - before for _ in iterate_details(tmp_path / "a.parquet"))

    assert size > 40_000_000
    assert most < size / 3


def test_batches_of_long_rows_are_short(tmp_path):
    for length, expected in ((10, parquet.BATCH_ROWS), (parquet.BATCH_BYTES // 4, 4)):
        texts = [random.Random(n).randbytes(length).hex()[:length] for n in range(12)]
        pq.write_table(pa.table({"a": texts}), tmp_path / "a.parquet", use_dictionary=False)
        with parquet.opened(tmp_path / "a.parquet") as file:
            assert parquet._batch_rows(file, 0, ["a"]) in {expected, expected - 1}
