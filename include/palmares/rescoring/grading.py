"""Examines and grades a details file, or parts of it, in bounded memory; runs in processes of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from french_answers import DEFAULT, GradingPolicy

from palmares.benchmarks import registry
from palmares.leaderboard.details.rows import Span, iterate_details
from palmares.rescoring.files import DetailsFile
from palmares.rescoring.metrics import metric_of, verdict_before
from palmares.rescoring.records import (
    Mark,
    ScorerId,
    VerdictCounts,
    read_counts,
    read_mark,
    records,
    sha256_of,
)

if TYPE_CHECKING:
    from palmares.benchmarks.scorer import Scorer


PART_ROWS = 20_000
"""A larger file is graded in parts, side by side."""
MOST_PIECES = 4
"""Of one row group: each has to decode the rows before it, which takes about 5 µs a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """Graded records of the same details by an earlier scorer."""

    path: Path
    key: str
    """Member with the verdict to compare with: ``correct``, or ``before`` if this scorer wrote them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one process grades at a time; small, since it is sent to it."""

    details: Path
    task: str
    """Short name."""
    output: Path | None
    """For graded records; None: count only."""
    span: Span | None = None
    """Of parquet; None: the whole file."""
    earlier: Earlier | None = None
    policy: GradingPolicy = DEFAULT


def scorer_of(task: str, policy: GradingPolicy = DEFAULT) -> Scorer | None:
    """The scorer of a short task name under a policy, if there is one that reads what the model wrote."""
    # One that was sent here equals the default, but is another object: scorers may look at which.
    return registry.text_scorers(DEFAULT if policy == DEFAULT else policy).get(task)


def plan_parts(details: Path) -> list[Span | None]:
    """Split a large parquet file, at its row groups or within one that is large itself.

    Raises:
        ResultsFormatError: It cannot be read.
    """
    from palmares.leaderboard.details.parquet import opened

    if details.suffix != ".parquet":
        return [None]
    spans: list[Span | None] = []
    groups: list[int] = []
    first = row = 0
    with opened(details) as file:
        for group in range(file.num_row_groups):
            own = file.metadata.row_group(group).num_rows
            if own >= 2 * PART_ROWS:
                if groups:
                    spans.append(Span(row_groups=tuple(groups), first_row=first))
                spans += _pieces(group, row, own)
                groups, first = [], row + own
            else:
                groups.append(group)
            row += own
            if groups and row - first >= PART_ROWS:
                spans.append(Span(row_groups=tuple(groups), first_row=first))
                groups, first = [], row
    if groups:
        spans.append(Span(row_groups=tuple(groups), first_row=first))
    return spans if len(spans) > 1 else [None]


def _pieces(group: int, first: int, rows: int) -> list[Span]:
    count = min(MOST_PIECES, rows // PART_ROWS)
    bounds = [rows * piece // count for piece in range(count + 1)]
    return [
        Span(row_groups=(group,), first_row=first + begin, skip=begin, rows=end - begin)
        for begin, end in pairwise(bounds)
    ]


def grade_part(part: Part) -> VerdictCounts:
    """Grade the rows of a part and write their records, one JSON object a line; no text is in them.

    Raises:
        ResultsFormatError: The details cannot be read.
        OSError: The records cannot be written; what was written of them is removed.
    """
    scorer = scorer_of(part.task, part.policy)
    if scorer is None:
        raise ValueError(f"{part.task}: no scorer")
    metric = metric_of(part.task)
    counts = VerdictCounts()
    before_records = _verdicts(part) if part.earlier else None
    try:
        # Opened before the work, so that a folder that takes no file is found at once.
        with part.output.open("wb") if part.output else nullcontext() as output:
            rows = iterate_details(part.details, part.span)
            for row in rows:
                grade = scorer.grade(row)
                before = (
                    next(before_records, None)
                    if before_records is not None
                    else verdict_before(row.metrics, metric)
                )
                counts.add(row.row_id, before=before, after=grade.correct, method=grade.method)
                counts.slow += bool(getattr(grade, "slow", False))
                counts.written += row.generated
                if output is None:
                    continue
                record = {
                    "row_id": row.row_id,
                    "correct": grade.correct,
                    "method": grade.method,
                    "reason": grade.reason,
                    "scorer": scorer.name,
                    "scorer_version": scorer.version,
                    "before": before,
                }
                output.write(json.dumps(record, ensure_ascii=True).encode() + b"\n")
            if output is not None:
                output.flush()
                os.fsync(output.fileno())
    except BaseException:
        if part.output:
            part.output.unlink(missing_ok=True)
        raise
    return counts


def _verdicts(part: Part) -> Iterator[bool | None]:
    assert part.earlier is not None
    for record in islice(records(part.earlier.path), part.span.first_row if part.span else 0, None):
        yield record.get(part.earlier.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What to look at."""

    file: DetailsFile
    scorer: ScorerId
    force: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What was found."""

    sha256: str
    done: VerdictCounts | None
    """Counted from graded records of the same details by the same scorer; None: to be graded."""
    earlier: Earlier | None
    """Graded records of the same details by whatever scorer."""
    spans: tuple[Span | None, ...]
    samples_filter: str | None

    def parts(self, file: DetailsFile, policy: GradingPolicy) -> list[Part]:
        """The parts to grade, without outputs."""
        return [
            Part(
                details=file.path,
                task=file.short_task,
                output=None,
                span=span,
                earlier=self.earlier,
                policy=policy,
            )
            for span in self.spans
        ]


def examine(look: Look) -> Looked:
    """Hash a file and look for its mark; reads the content once, and no row of it.

    Raises:
        ResultsFormatError: It cannot be read.
    """
    from palmares.leaderboard.details.lm_eval_samples import filter_of
    from palmares.leaderboard.errors import ResultsFormatError

    file = look.file
    try:
        sha256 = sha256_of(file.path)
    except OSError as error:
        raise ResultsFormatError(f"{file.path.name}: cannot be read ({error.strerror}).") from error
    mark = read_mark(file)
    sound = mark is not None and mark.details_sha256 == sha256 and _is_whole(file, mark)
    done: VerdictCounts | None = None
    earlier: Earlier | None = None
    if sound and mark is not None:
        same = mark.scorer == look.scorer
        earlier = Earlier(path=file.graded, key="before" if same else "correct")
        if same and not look.force:
            done = read_counts(file)
            done.slow, done.written = mark.counts.get("slow", 0), mark.counts.get("written", 0)
    return Looked(
        sha256=sha256,
        done=done,
        earlier=earlier,
        spans=() if done else tuple(plan_parts(file.path)),
        samples_filter=None if file.path.suffix == ".parquet" else filter_of(file.path),
    )


def _is_whole(file: DetailsFile, mark: Mark) -> bool:
    try:
        return sha256_of(file.graded) == mark.graded_sha256
    except OSError:
        return False
