"""Rows are streamed: a batch is in memory, whatever the size of a row group."""

from __future__ import annotations

import random
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from palmares.leaderboard.details import parquet
from palmares.leaderboard.details.rows import iterate_details, read_details
from palmares.leaderboard.errors import ResultsFormatError
from palmares.rescoring.pool import Pool

from tests.palmares.leaderboard.details.layouts import ANSWERS, LAYOUTS, Answer, as_columns


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
            assert parquet._batch_rows(file, 0) in {expected, expected - 1}


def read_damaged(path, seed):
    """Change a few bytes a hundred times; what else than a named error comes of it."""
    draw = random.Random(seed)
    whole = path.read_bytes()
    found = []
    for number in range(100):
        content = bytearray(whole)
        for _ in range(draw.choice([1, 2, 5, 30])):
            content[draw.randrange(len(content))] = draw.randrange(256)
        other = path.with_name(f"{number}{path.suffix}")
        other.write_bytes(content)
        try:
            read_details(other)
        except ResultsFormatError as error:
            if other.name not in str(error):
                found.append(str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is
            found.append(repr(error))
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_damage_anywhere_is_a_named_error_or_another_value(tmp_path, layout):
    name, write = LAYOUTS[layout]
    path = tmp_path / name.format(time="2025-03-01T10-20-30")
    write(path, ANSWERS)

    # In a process of its own: some damage makes pyarrow end it, and `palmares rescore` outlives that.
    with Pool(1, isolated=True) as pool:
        assert pool.submit(partial(read_damaged, seed=1), path).result() == []
