"""Writes the demo's three datasets: ``python -m devstack.demo.make_datasets``."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from devstack.demo.questions import QUESTIONS

DATASETS_DIRECTORY = Path(__file__).parent / "datasets"

_TEXT = pa.string()
_KWARGS = pa.struct(
    [
        ("num_words", pa.int64()),
        ("num_sentences", pa.int64()),
        ("num_bullets", pa.int64()),
        ("relation", _TEXT),
        ("keyword", _TEXT),
        ("keywords", pa.list_(_TEXT)),
        ("forbidden_words", pa.list_(_TEXT)),
        ("frequency", pa.int64()),
        ("language", _TEXT),
        ("end_phrase", _TEXT),
        ("postscript_marker", _TEXT),
    ]
)
SCHEMAS = {
    "bac-fr": pa.schema(
        [
            ("enonce", _TEXT),
            ("instruction", _TEXT),
            ("choix", pa.list_(_TEXT)),
            ("choix correct", _TEXT),
            ("reponse", _TEXT),
        ]
    ),
    "gpqa-fr": pa.schema(
        [
            ("Question", _TEXT),
            ("Réponse correcte", _TEXT),
            *[(f"Réponse incorrecte {place}", _TEXT) for place in (1, 2, 3)],
        ]
    ),
    "ifeval-fr": pa.schema(
        [
            ("key", pa.int64()),
            ("prompt", _TEXT),
            ("instruction_id_list", pa.list_(_TEXT)),
            ("kwargs", pa.list_(_KWARGS)),
        ]
    ),
}
"""Columns and types of the hidden sets."""


def make_datasets(directory: Path = DATASETS_DIRECTORY) -> list[Path]:
    """Write ``<name>/train.parquet`` for each dataset; the same bytes every time, with one pyarrow."""
    written = []
    for name, questions in QUESTIONS.items():
        table = pa.Table.from_pylist([question.row for question in questions()], schema=SCHEMAS[name])
        path = directory / name / "train.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path, compression="zstd")
        written.append(path)
    return written


if __name__ == "__main__":
    for path in make_datasets():
        print(path)
