"""The second generation: lighteval since its 2025 refactor, three columns of structs."""

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

DOC, RESPONSE, METRIC = "doc", "model_response", "metric"
_DOC_MEMBERS = ("choices", "gold_index", "id", "instruction", "query", "specific")
_RESPONSE_MEMBERS = ("text", "text_post_processed", "logprobs")
_DOC_NEEDED = ("choices", "gold_index")
_RESPONSE_NEEDED = ("text",)


def names_of(names: Sequence[str]) -> dict[str, str] | None:
    """What the file calls the three columns; None: it is of another generation.

    lighteval puts two underscores around them up to 0.12, and none later.
    """
    found = {}
    for name in (DOC, RESPONSE, METRIC):
        own = next((one for one in (f"__{name}__", name) if one in names), None)
        if own is not None:
            found[name] = own
    return found if DOC in found or RESPONSE in found else None


def rows(file: ParquetFile, path: Path, span: Span | None) -> Iterator[DetailsRow]:
    """Rows in the file's order.

    Raises:
        ResultsFormatError: A column or a member is missing, or a value cannot be read.
    """
    schema = file.schema_arrow
    own = names_of(schema.names) or {}
    missing = [f"__{name}__" for name in (DOC, RESPONSE, METRIC) if name not in own]
    if missing:
        raise ResultsFormatError(
            f"{path.name}: columns {missing} are missing, found {sorted(schema.names)}. "
            "Restore the file from the raw outputs, or evaluate again."
        )
    columns = [
        *_members(schema, own[DOC], _DOC_MEMBERS, _DOC_NEEDED, path.name),
        *_members(schema, own[RESPONSE], _RESPONSE_MEMBERS, _RESPONSE_NEEDED, path.name),
        own[METRIC],
    ]
    for number, record in enumerate(records(file, columns, span), start=span.first_row if span else 0):
        yield _row(record, own, Place(file=path.name, row=number))


def _members(schema: Any, column: str, wanted: Sequence[str], needed: Sequence[str], file: str) -> list[str]:
    """Names to read of a struct; the whole column if it is a text."""
    import pyarrow as pa

    kind = schema.field(column).type
    if not pa.types.is_struct(kind):
        return [column]
    present = [kind.field(index).name for index in range(kind.num_fields)]
    missing = [f"{column}.{name}" for name in needed if name not in present]
    if missing:
        raise ResultsFormatError(
            f"{file}: columns {missing} are missing, found {sorted(present)} in {column}. "
            "Restore the file from the raw outputs, or evaluate again."
        )
    return [f"{column}.{name}" for name in wanted if name in present]


def _row(record: dict[str, Any], own: dict[str, str], place: Place) -> DetailsRow:
    doc = fields.mapping(record[own[DOC]], own[DOC], place)
    response = fields.mapping(record[own[RESPONSE]], own[RESPONSE], place)
    choices_name, gold_name, text_name = (
        f"{own[DOC]}.choices",
        f"{own[DOC]}.gold_index",
        f"{own[RESPONSE]}.text",
    )
    specifics = fields.mapping(doc.get("specific"), f"{own[DOC]}.specific", place)
    question = fields.optional_text(doc.get("query"))
    choices = fields.texts(doc.get("choices"), choices_name, place)
    indices = fields.indices(doc.get("gold_index"), gold_name, place)
    predictions = fields.texts(response.get("text"), text_name, place)
    if not predictions:
        predictions = fields.texts(response.get("text_post_processed"), text_name, place)
    return DetailsRow(
        row_id=fields.row_id(specifics, doc.get("id") or None, row=place.row),
        gold=fields.golds(choices, indices, gold_name, place),
        choices=fields.real_choices(choices),
        instruction=fields.instruction_of(fields.optional_text(doc.get("instruction")), question),
        predictions=predictions,
        metrics=fields.mapping(record[own[METRIC]], own[METRIC], place),
        specifics=specifics,
        question=question,
        generated=bool(predictions) or not response.get("logprobs"),
    )
