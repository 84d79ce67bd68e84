"""Writes the demo's datasets from the benchmarks' own rows: ``python -m devstack.demo.make_datasets``."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from devstack.demo.questions import read_questions

DATASETS_DIRECTORY = Path(__file__).parent / "datasets"


def make_datasets(directory: Path = DATASETS_DIRECTORY) -> list[Path]:
    """Write ``<name>/train.parquet`` for each dataset; the same bytes every time, with one pyarrow."""
    written = []
    for name, questions in read_questions().items():
        table = pa.Table.from_pylist([question.row for question in questions])
        path = directory / name / "train.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path, compression="zstd")
        written.append(path)
    return written


if __name__ == "__main__":
    for path in make_datasets():
        print(path)
