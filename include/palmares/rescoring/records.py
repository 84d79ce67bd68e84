"""Graded records of a details file: their counts, and the mark that says that they are complete."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palmares.rescoring.atomic import replacing
from palmares.rescoring.engine import ScorerId, VerdictCounts
from palmares.rescoring.files import DetailsFile

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Of one details file."""

    details_sha256: str
    graded_sha256: str
    scorer: ScorerId
    counts: dict[str, Any]


def write_mark(file: DetailsFile, mark: Mark) -> None:
    """Write the mark beside the graded records, which must be in place.

    Raises:
        OSError: The folder cannot be written.
    """
    document = {
        "schema": SCHEMA,
        "details": {"file": file.path.name, "sha256": mark.details_sha256},
        "graded": {"file": file.graded.name, "sha256": mark.graded_sha256},
        "scorer": mark.scorer.to_json(),
        **mark.counts,
    }
    with replacing(file.mark) as output:
        output.write((json.dumps(document, indent=2) + "\n").encode())


def read_mark(file: DetailsFile) -> Mark | None:
    """The mark of a file's graded records; None: there is none, or it is malformed."""
    try:
        found = json.loads(file.mark.read_bytes())
        return Mark(
            details_sha256=str(found["details"]["sha256"]),
            graded_sha256=str(found["graded"]["sha256"]),
            scorer=ScorerId(**found["scorer"]),
            counts={key: value for key, value in found.items() if isinstance(value, int | dict)},
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None


def read_counts(file: DetailsFile) -> VerdictCounts:
    """Count a file's graded records anew; those of a marked file are complete.

    Raises:
        ValueError: A line is no record.
        OSError: It cannot be read.
    """
    return VerdictCounts.of_records(records(file.graded))


def sha256_of(path: Path) -> str:
    """Hash a file's content in bounded memory; 64 hex digits.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def records(path: Path) -> Iterator[dict[str, Any]]:
    """Graded records of a file, one at a time.

    Raises:
        ValueError: A line is no JSON.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        for line in file:
            yield json.loads(line)
