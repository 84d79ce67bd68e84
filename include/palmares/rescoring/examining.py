"""Looks at a details file before it is graded: its hash, whether it is done, and how to split it."""

from __future__ import annotations

from dataclasses import dataclass

from french_answers import GradingPolicy

from palmares.leaderboard.details.row import Span
from palmares.rescoring.counts import VerdictCounts
from palmares.rescoring.grading import Earlier, Part, plan_parts
from palmares.rescoring.marks import Mark, ScorerId, read_counts, read_mark, sha256_of
from palmares.rescoring.naming import DetailsFile


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
