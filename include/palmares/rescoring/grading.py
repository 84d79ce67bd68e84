"""Inspects and grades a details file, or parts of it, in bounded memory; runs in processes of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from french_answers import DEFAULT, GradingPolicy

from palmares.leaderboard.details.rows import Span, iterate_details
from palmares.rescoring.engine import (
    ScorerId,
    VerdictCounts,
    metric_of,
    regrade,
    scorer_of,
    verdict_before,
)
from palmares.rescoring.files import DetailsFile
from palmares.rescoring.records import Mark, read_counts, read_mark, records, sha256_of

if TYPE_CHECKING:
    from palmares.benchmarks.scorer import DetailsRow


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
    counts = VerdictCounts()
    before = _earlier(part) if part.earlier else _stored(part)
    try:
        # Opened before the work, so that a folder that takes no file is found at once.
        with part.output.open("wb") if part.output else nullcontext() as output:
            for verdict in regrade(iterate_details(part.details, part.span), scorer, before=before):
                counts.add_verdict(verdict)
                if output is not None:
                    record = verdict.record(scorer)
                    output.write(json.dumps(record, ensure_ascii=True).encode() + b"\n")
            if output is not None:
                output.flush()
                os.fsync(output.fileno())
    except BaseException:
        if part.output:
            part.output.unlink(missing_ok=True)
        raise
    return counts


def _stored(part: Part) -> Callable[[DetailsRow], bool | None]:
    """Each row's own stored verdict."""
    metric = metric_of(part.task)
    return lambda row: verdict_before(row.metrics, metric)


def _earlier(part: Part) -> Callable[[DetailsRow], bool | None]:
    """The verdicts of the earlier records, which are in the order of the rows."""
    assert part.earlier is not None
    key, first = part.earlier.key, part.span.first_row if part.span else 0
    verdicts = (record.get(key) for record in islice(records(part.earlier.path), first, None))
    return lambda _row: next(verdicts, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """A details file to inspect before it is graded."""

    file: DetailsFile
    scorer: ScorerId
    force: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What there is of a details file, and what is left to grade."""

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


def inspect_file(asked: Inspection) -> Inspected:
    """Hash a file and look for its mark; reads the content once, and no row of it.

    Raises:
        ResultsFormatError: It cannot be read.
    """
    from palmares.leaderboard.details.lm_eval_samples import filter_of
    from palmares.leaderboard.errors import ResultsFormatError

    file = asked.file
    try:
        sha256 = sha256_of(file.path)
    except OSError as error:
        raise ResultsFormatError(f"{file.path.name}: cannot be read ({error.strerror}).") from error
    mark = read_mark(file)
    sound = mark is not None and mark.details_sha256 == sha256 and _is_whole(file, mark)
    done: VerdictCounts | None = None
    earlier: Earlier | None = None
    if sound and mark is not None:
        same = mark.scorer == asked.scorer
        earlier = Earlier(path=file.graded, key="before" if same else "correct")
        if same and not asked.force:
            done = read_counts(file)
            done.slow, done.written = mark.counts.get("slow", 0), mark.counts.get("written", 0)
    return Inspected(
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
