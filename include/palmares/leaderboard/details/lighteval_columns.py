"""The first generation: lighteval to mid-2025, one column a field, native or as Python reprs in strings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palmares.benchmarks.scorer import DetailsRow
from palmares.leaderboard.details import fields
from palmares.leaderboard.details.fields import Place
from palmares.leaderboard.details.parquet import records
from palmares.leaderboard.details.row import Span
from palmares.leaderboard.errors import ResultsFormatError

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

NEEDED = ("choices", "gold", "instruction", "metrics", "predictions", "specifics")
OPTIONAL = ("example", "gold_index", "pred_logits")


def check(names: Sequence[str], file: str) -> None:
    """Refuse a file that lacks a column.

    Raises:
        ResultsFormatError: One of :data:`NEEDED` is missing.
    """
    missing = sorted(set(NEEDED) - set(names))
    if missing:
        raise ResultsFormatError(
            f"{file}: columns {missing} are missing, found {sorted(names)}. "
            "Restore the file from the raw outputs, or evaluate again."
        )


def rows(file: ParquetFile, path: Path, span: Span | None) -> Iterator[DetailsRow]:
    """Rows in the file's order.

    Raises:
        ResultsFormatError: A column is missing, or a value cannot be read.
    """
    names = file.schema_arrow.names
    check(names, path.name)
    columns = [*NEEDED, *(name for name in OPTIONAL if name in names)]
    for number, record in enumerate(records(file, columns, span), start=span.first_row if span else 0):
        yield _row(record, Place(file=path.name, row=number))


def _row(record: dict[str, Any], place: Place) -> DetailsRow:
    specifics = fields.mapping(record["specifics"], "specifics", place)
    question = fields.optional_text(record.get("example"))
    choices = fields.texts(record["choices"], "choices", place)
    gold = fields.texts(record["gold"], "gold", place)
    indices = fields.indices(record.get("gold_index"), "gold_index", place)
    said = record["predictions"]
    # As a text, "[0.5]" may be an answer; natively, numbers never are.
    likelihoods = fields.numbers(said) and (not isinstance(said, str) or bool(indices))
    if indices and choices:
        likelihoods = likelihoods or fields.numbers(record.get("pred_logits"))
    return DetailsRow(
        row_id=fields.row_id(specifics, row=place.row),
        # lighteval leaves gold empty where it compared log-likelihoods.
        gold=gold or fields.golds(choices, indices, "gold_index", place),
        choices=fields.real_choices(choices),
        instruction=fields.instruction_of(fields.optional_text(record["instruction"]), question),
        predictions=fields.texts(said, "predictions", place),
        metrics=fields.mapping(record["metrics"], "metrics", place),
        specifics=specifics,
        question=question,
        generated=not likelihoods,
    )
