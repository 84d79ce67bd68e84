"""The third generation: lm-eval's samples, one JSON object a line for each row and filter."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from palmares.benchmarks.scorer import DetailsRow
from palmares.leaderboard.details import fields
from palmares.leaderboard.details.fields import Place
from palmares.leaderboard.errors import ResultsFormatError
from palmares.leaderboard.git_lfs import is_lfs_pointer, pointer_message

NEEDED = ("doc", "target", "resps")
LONGEST_LINE = 64 << 20
"""Bytes; a longer one is no row."""
_CHUNK = 1 << 20
_BETWEEN = " \t\r\n,"
_OWN_MEMBERS = frozenset({
    "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash",
    "prompt_hash", "target_hash",
})  # fmt: skip
"""Of a sample; the others are metrics, which lm-eval lists in ``metrics`` from 0.4.6 on."""
_CHOICES = ("choix", "choices", "texts")
_QUESTIONS = ("enonce", "Question", "question", "prompt", "query")


def rows(path: Path) -> Iterator[DetailsRow]:
    """Rows in the file's order; of several filters the first one's, which all grade the same generation.

    Before 0.4.6 lm-eval does not name the filter of a line: there a row's first line is the first filter's.

    Raises:
        ResultsFormatError: A line is no JSON object, or lacks a member.
    """
    first_filter: Any = None
    number = 0
    seen: set[str] = set()
    for record in _records(path):
        found = record.get("filter")
        if number == 0:
            first_filter = found
        if found != first_filter:
            continue
        if found is None and (doc_id := record.get("doc_id")) is not None:
            if str(doc_id) in seen:
                continue
            seen.add(str(doc_id))
        yield _row(record, Place(file=path.name, row=number))
        number += 1


def filter_of(path: Path) -> str | None:
    """The filter that :func:`rows` reads; None: the file is empty or names none.

    Raises:
        ResultsFormatError: The first line is no JSON object.
    """
    for record in _records(path):
        found = record.get("filter")
        return found if isinstance(found, str) else None
    return None


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """Samples of a file: JSON lines, or the array that older versions wrote."""
    try:
        if is_lfs_pointer(path):
            raise ResultsFormatError(pointer_message(path.name))
        with path.open("rb") as file:
            is_array = file.read(64).lstrip().startswith(b"[")
            file.seek(0)
            if is_array:
                yield from _array(io.TextIOWrapper(file, encoding="utf-8"), path.name)
                return
            number = 0
            while line := file.readline(LONGEST_LINE):
                number += 1
                if len(line) >= LONGEST_LINE:
                    raise ResultsFormatError(
                        f"{path.name}: line {number} is longer than {LONGEST_LINE:,} bytes. "
                        "Restore the file from the raw outputs."
                    )
                if line.strip():
                    yield _object(line, f"line {number}", path.name)
    except OSError as error:
        raise ResultsFormatError(f"{path.name}: cannot be read ({error.strerror}).") from error


def _array(file: io.TextIOWrapper, name: str) -> Iterator[dict[str, Any]]:
    """Elements of an array, in the memory of the largest one."""
    decoder = json.JSONDecoder()
    text, number = file.read(_CHUNK), 0
    position = text.index("[") + 1
    while True:
        while text[position : position + 1] in _BETWEEN and position < len(text):
            position += 1
        if text[position : position + 1] == "]":
            return
        try:
            record, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            more = "" if len(text) - position > LONGEST_LINE else file.read(max(_CHUNK, len(text)))
            if not more:
                raise ResultsFormatError(
                    f"{name}: element {number} is not JSON, or cut off. "
                    "Restore the file from the raw outputs."
                ) from error
            text, position = text[position:] + more, 0
            continue
        yield _checked(record, f"element {number}", name)
        number += 1


def _object(line: bytes, place: str, name: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ResultsFormatError(
            f"{name}: {place} is not JSON, or cut off. Restore the file from the raw outputs."
        ) from error
    return _checked(record, place, name)


def _checked(record: Any, place: str, name: str) -> dict[str, Any]:
    if not isinstance(record, dict):
        raise ResultsFormatError(f"{name}: {place} is not an object. Restore the file.")
    missing = [key for key in NEEDED if key not in record]
    if missing:
        raise ResultsFormatError(
            f"{name}: {place}: columns {missing} are missing, found {sorted(record)}. "
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
    if isinstance(named, list):
        metrics = [name for name in named if isinstance(name, str)]
    else:
        metrics = [name for name in record if name not in _OWN_MEMBERS]
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
