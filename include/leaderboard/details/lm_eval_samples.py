"""The third generation: lm-eval's samples, one JSON object a line for each row and filter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from include.leaderboard.details import fields
from include.leaderboard.details.fields import Place
from include.leaderboard.details.row import DetailsRow
from include.leaderboard.errors import ResultsFormatError

NEEDED = ("doc", "target", "resps")
LONGEST_LINE = 64 << 20
"""Bytes; a longer one is no row."""
_CHOICES = ("choix", "choices", "texts")
_QUESTIONS = ("enonce", "Question", "question", "prompt", "query")


def rows(path: Path) -> Iterator[DetailsRow]:
    """Rows in the file's order; of several filters the first one's, which all grade the same generation.

    Raises:
        ResultsFormatError: A line is no JSON object, or lacks a member.
    """
    first_filter: Any = None
    number = 0
    for line_number, line in _lines(path):
        record = _object(line, line_number, path.name)
        found = record.get("filter")
        if number == 0:
            first_filter = found
        if found != first_filter:
            continue
        yield _row(record, Place(file=path.name, row=number))
        number += 1


def filter_of(path: Path) -> str | None:
    """The filter that :func:`rows` reads; None: the file is empty or names none.

    Raises:
        ResultsFormatError: The first line is no JSON object.
    """
    for line_number, line in _lines(path):
        found = _object(line, line_number, path.name).get("filter")
        return found if isinstance(found, str) else None
    return None


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(LONGEST_LINE):
                number += 1
                if len(line) >= LONGEST_LINE:
                    raise ResultsFormatError(
                        f"{path.name}: line {number} is longer than {LONGEST_LINE:,} bytes. "
                        "Restore the file from the raw outputs."
                    )
                if line.strip():
                    yield number, line
    except OSError as error:
        raise ResultsFormatError(f"{path.name}: cannot be read ({error.strerror}).") from error


def _object(line: bytes, number: int, name: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ResultsFormatError(
            f"{name}: line {number} is not JSON, or cut off. Restore the file from the raw outputs."
        ) from error
    if not isinstance(record, dict):
        raise ResultsFormatError(f"{name}: line {number} is not an object. Restore the file.")
    missing = [key for key in NEEDED if key not in record]
    if missing:
        raise ResultsFormatError(
            f"{name}: line {number}: columns {missing} are missing, found {sorted(record)}. "
            "Are these lm-eval's samples?"
        )
    return record


def _row(record: dict[str, Any], place: Place) -> DetailsRow:
    doc = record["doc"] if isinstance(record["doc"], dict) else {}
    choices = next((fields.texts(doc[name], f"doc.{name}", place) for name in _CHOICES if doc.get(name)), ())
    target = record["target"]
    if isinstance(target, int) and not isinstance(target, bool) and 0 <= target < len(choices):
        gold: tuple[str, ...] = (choices[target],)
    else:
        gold = fields.texts(target, "target", place)
    question = next((doc[name] for name in _QUESTIONS if isinstance(doc.get(name), str)), None)
    generated = not _is_likelihood(record["resps"])
    named = record.get("metrics")
    metrics = [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
    return DetailsRow(
        row_id=fields.row_id(doc, record.get("doc_id"), row=place.row),
        gold=gold,
        choices=fields.real_choices(choices),
        instruction=fields.optional_text(doc.get("instruction")),
        predictions=fields.texts(record["resps"], "resps", place) if generated else (),
        metrics={name: record[name] for name in metrics if name in record},
        specifics={},
        question=question,
        generated=generated,
    )


def _is_likelihood(responses: Any) -> bool:
    """Whether the first response is a pair of log-likelihood and "is greedy", both written as texts."""
    value = responses
    for _ in range(3):
        if isinstance(value, list) and len(value) == 2 and str(value[1]) in {"True", "False"}:
            return True
        if not isinstance(value, list) or not value:
            return False
        value = value[0]
    return False
