"""Searches what is to be public for the texts of hidden rows; messages name files, never a text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from palmares.leaderboard.errors import GateError

HIDDEN_COLUMNS = ("example", "full_prompt", "instruction", "predictions")
SHORTEST_HIDDEN_TEXT = 24
"""Characters of a line that is searched for; shorter ones are found in any text."""


def check_nothing_hidden(public: Mapping[str, bytes], details: Iterable[Path]) -> None:
    """Search public files for every line of the rows.

    Args:
        public: Contents by path; those that are no text (parquet, pictures) are made of these and of numbers.
        details: Details parquet files, which hold the rows.

    Raises:
        GateError: A public file would hold a text of the hidden rows.
    """
    texts = [(path, _normalized(content.decode("utf-8", "replace"))) for path, content in public.items()]
    for path in details:
        for line in hidden_lines(path):
            for name, text in texts:
                if line in text:
                    raise GateError(
                        f"{name} would hold a text of the hidden rows in {path.name}. Nothing was published: "
                        "find out which field quotes it, and add it to palmares/leaderboard/publishing."
                    )


def hidden_lines(path: Path) -> Iterator[str]:
    """Every line of a details file that is long enough to be told from other text, with one spacing."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    columns = [name for name in HIDDEN_COLUMNS if name in file.schema_arrow.names]
    for batch in file.iter_batches(columns=columns):
        for record in batch.to_pylist():
            for text in _texts(list(record.values())):
                for line in text.splitlines():
                    if len(line.strip()) >= SHORTEST_HIDDEN_TEXT:
                        yield _normalized(line)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _normalized(text: str) -> str:
    """One spacing, and no JSON escapes, so that a quoted line is still found."""
    return " ".join(text.replace('\\"', '"').replace("\\n", " ").split())
