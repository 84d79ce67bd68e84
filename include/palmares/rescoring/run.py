"""Re-scores a tree: inspects, grades and writes file by file; what fails is named, and the rest goes on."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from french_answers import DEFAULT, GradingPolicy

from palmares.benchmarks import registry
from palmares.leaderboard.checks.limits import SanitySettings
from palmares.leaderboard.errors import ResultsError, ResultsFormatError
from palmares.leaderboard.results.results_file import (
    ResultsFile,
    read_results_file,
    short_name,
)
from palmares.rescoring import atomic
from palmares.rescoring.engine import ScorerId, VerdictCounts, metric_of, scorer_of
from palmares.rescoring.files import (
    NO_USE_GOING_ON,
    DetailsFile,
    Matcher,
    Problem,
    cannot_write,
    display_name,
)
from palmares.rescoring.grading import Inspected, Inspection, Part, grade_part, inspect_file
from palmares.rescoring.outcome import GradedFile, Outcome, ScoresOutcome, ScoresState
from palmares.rescoring.pool import Pool
from palmares.rescoring.records import Mark, read_mark, sha256_of, write_mark
from palmares.rescoring.sanity import SanityBaselines
from palmares.rescoring.update import NewScore, updated


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to re-score."""

    dry_run: bool = False
    """Grade and report, write nothing."""
    force: bool = False
    """Grade again what is done."""
    tasks: Collection[str] = ()
    """Short names; empty: all that have a scorer."""
    keep_ids: bool = False
    """Keep the ids of the rows that changed, for a report."""
    baselines: Mapping[str, float] = field(default_factory=dict)
    """What guessing scores, by short task name."""
    policy: GradingPolicy = DEFAULT
    """What counts as right where that is a choice."""
    limits: Mapping[str, SanitySettings] | None = None
    """Of the sanity baselines, by short task name; None: scorers are not tried before they grade."""


@dataclass(slots=True, kw_only=True)
class Evaluation:
    """The details of one model and time, which belong to one results file."""

    left: int
    """Files not yet done with."""
    graded: list[tuple[Path, GradedFile, str | None]] = field(default_factory=list)
    """Results file, graded details, filter of samples."""
    is_whole: bool = True
    """Whether every file so far could be graded."""


@dataclass(slots=True, kw_only=True)
class Job:
    """One details file on its way."""

    file: DetailsFile
    scorer: ScorerId
    evaluation: Evaluation
    scores: Path | None
    """Its results file; None: there is none that matches."""
    model: str
    inspected: Inspected | None = None
    parts: list[Part] = field(default_factory=list)
    counts: dict[int, VerdictCounts] = field(default_factory=dict)
    """By the part's number."""
    failed: bool = False


Task = tuple[Job, Callable[[Any], Any], Any, int]
"""Job, function, its argument, and the part's number; -1 for the inspection."""

Advance = Callable[[DetailsFile, float], None]
"""Called with a file and the share of it that was done since the last call."""


def no_progress(_file: DetailsFile, _share: float) -> None:
    """Shows nothing."""


logger = logging.getLogger(__name__)

_AHEAD = 4
"""Jobs in flight for each worker: enough to keep it busy, few enough to hold in memory."""


class Rescoring:
    """One run over a tree."""

    def __init__(
        self,
        files: Sequence[DetailsFile],
        matcher: Matcher,
        pool: Pool,
        options: Options,
    ) -> None:
        """Prepare a run.

        Args:
            files: To grade, from ``find_details``.
            matcher: Finds their results files.
            pool: Where they are graded.
            options: How.
        """
        self.outcome = Outcome()
        self._matcher, self._pool, self._options = matcher, pool, options
        self._advance: Advance = no_progress
        self._scorers: dict[str, ScorerId | None] = {}
        self.files = [file for file in files if self._is_wanted(file)]
        self._baselines = SanityBaselines(options.limits, options.policy, pool)
        self._named: set[Problem] = set()
        self._unfinished: dict[int, Job] = {}
        self._flying: dict[Future[Any], Task] = {}
        self._ready: deque[Task] = deque()
        self._orphans: list[Task] = []
        """Tasks whose process died, by their own fault or by another's."""

    def run(self, advance: Advance | None = None) -> Outcome:
        """Do it.

        Args:
            advance: Called with each file and the share of it that was done since the last call.
        """
        self._advance = advance or no_progress
        counts = Counter(self._key(file) for file in self.files)
        evaluations = {key: Evaluation(left=count) for key, count in counts.items()}
        try:
            for file in self.files:
                self._work_until(most=_AHEAD * self._pool.workers - 1)
                if self.outcome.stopped:
                    break
                self._start(file, evaluations[self._key(file)])
            self._work_until(most=0)
        finally:
            for future in self._flying:
                future.cancel()
        # By path, not by which process was the quicker one.
        self.outcome.graded.sort(key=lambda one: one.file.path)
        self.outcome.scores.sort(key=lambda one: one.path)
        self.outcome.problems.sort(key=lambda one: one.path)
        return self.outcome

    def _is_wanted(self, file: DetailsFile) -> bool:
        task = file.short_task
        if self._options.tasks and task not in self._options.tasks:
            return False
        if task not in self._scorers:
            scorer = scorer_of(task, self._options.policy)
            self._scorers[task] = ScorerId.of(scorer) if scorer else None
        if self._scorers[task] is None:
            self.outcome.without_scorer[task] = self.outcome.without_scorer.get(task, 0) + 1
            return False
        return True

    @staticmethod
    def _key(file: DetailsFile) -> tuple[str, str]:
        return file.time, file.models[0] if file.models else ""

    def _start(self, file: DetailsFile, evaluation: Evaluation) -> None:
        scorer = self._scorers[file.short_task]
        assert scorer is not None
        matched = self._matcher.match(file)
        if isinstance(matched, Problem):
            self._report(matched)
        own = matched if isinstance(matched, ResultsFile) else None
        job = Job(
            file=file,
            scorer=scorer,
            evaluation=evaluation,
            scores=own.path if own else None,
            model=display_name(own, file),
        )
        inspection = Inspection(file=file, scorer=scorer, force=self._options.force)
        self._ready.append((job, inspect_file, inspection, -1))

    def _work_until(self, *, most: int) -> None:
        """Work until at most *most* tasks are left."""
        while len(self._ready) + len(self._flying) + len(self._orphans) > most:
            while self._ready and not self.outcome.stopped:
                task = self._ready.popleft()
                self._flying[self._pool.submit(task[1], task[2])] = task
            if self.outcome.stopped:
                self._ready.clear()
                self._orphans.clear()
            if self._flying:
                done, _ = wait(self._flying, return_when=FIRST_COMPLETED)
                for future in done:
                    self._take(future, self._flying.pop(future))
            elif self._orphans:
                self._again(self._orphans.pop())
            elif not self._ready:
                return

    def _take(self, future: Future[Any], task: Task) -> None:
        try:
            result = future.result()
        except BrokenExecutor:
            self._pool.restart()
            self._orphans.append(task)
        except Exception as error:  # noqa: BLE001 - one file's fault is not another's
            self._fail(task[0], error)
        else:
            self._proceed(task, result)

    def _again(self, task: Task) -> None:
        """Try a task alone whose process died: it, or one beside it, was the reason."""
        job, function, argument, _ = task
        if job.failed:
            return
        try:
            result = self._pool.alone(function, argument)
        except BrokenExecutor:
            message = f"{job.file.path.name}: its grading process was killed, perhaps for memory. "
            self._fail(job, Problem(kind="grader_died", path=job.file.path, message=message + _REST))
        except Exception as error:  # noqa: BLE001 - one file's fault is not another's
            self._fail(job, error)
        else:
            self._proceed(task, result)

    def _proceed(self, task: Task, result: Any) -> None:
        job, _, _, number = task
        if job.failed:
            self._drop(job)
        elif isinstance(result, Inspected):
            self._inspected(job, result)
        else:
            job.counts[number] = result
            self._advance(job.file, 1 / len(job.parts))
            if len(job.counts) == len(job.parts):
                self._finish(job)

    def _inspected(self, job: Job, inspected: Inspected) -> None:
        job.inspected = inspected
        if inspected.done is not None:
            self._advance(job.file, 1.0)
            self._count(job, inspected.done, kept=True)
            return
        breach = self._baselines.breach(job.file)
        if breach is not None:
            self._fail(job, breach)
            return
        if not self._options.dry_run:
            atomic.remove_stale(job.file.graded)
        job.parts = [
            part if self._options.dry_run else replace(part, output=atomic.temporary(job.file.graded, n))
            for n, part in enumerate(inspected.parts(job.file, self._options.policy), start=1)
        ]
        self._unfinished[id(job)] = job
        self._ready.extend((job, grade_part, part, number) for number, part in enumerate(job.parts))

    def _finish(self, job: Job) -> None:
        assert job.inspected is not None
        counts = VerdictCounts()
        for number in range(len(job.parts)):
            counts.extend(job.counts[number])
        if not counts.rows:
            self._drop(job)
            self._fail(job, ResultsError(f"{job.file.path.name}: holds no rows. Evaluate again."))
            return
        if not counts.written:
            self._drop(job)
            self.outcome.by_likelihood += 1
            self._leave(job)
            return
        if not self._options.dry_run:
            outputs = [part.output for part in job.parts if part.output]
            try:
                put_in_place(job.file, outputs, counts, scorer=job.scorer, sha256=job.inspected.sha256)
            except OSError as error:
                self._fail(job, error)
                return
        self._unfinished.pop(id(job), None)
        self._count(job, counts, kept=False)

    def _count(self, job: Job, counts: VerdictCounts, *, kept: bool) -> None:
        assert job.inspected is not None
        if not self._options.keep_ids:
            counts.forget_ids()
        graded = GradedFile(
            file=job.file,
            model=job.model,
            counts=counts,
            scorer=job.scorer,
            sha256=job.inspected.sha256,
            kept=kept,
        )
        self.outcome.graded.append(graded)
        if job.scores is not None:
            job.evaluation.graded.append((job.scores, graded, job.inspected.samples_filter))
        self._leave(job)

    def _leave(self, job: Job) -> None:
        """Be done with a file; with the last one of an evaluation, its results file is written."""
        job.evaluation.left -= 1
        if job.evaluation.left or self.outcome.stopped:
            return
        for path in dict.fromkeys(path for path, _, _ in job.evaluation.graded):
            own = [(graded, of) for scores, graded, of in job.evaluation.graded if scores == path]
            try:
                update_scores(path, own, self.outcome, self._options, is_whole=job.evaluation.is_whole)
            except OSError as error:
                self._report(cannot_write(path, error), error.errno)
            except ResultsError as error:
                self._report(Problem(kind="unreadable", path=path, message=str(error)))

    def _fail(self, job: Job, error: Exception | Problem) -> None:
        if job.failed:
            return
        job.failed = True
        job.evaluation.is_whole = False
        self._drop(job)
        path = job.file.path
        if isinstance(error, Problem):
            self._report(error)
        elif isinstance(error, ResultsError):
            self._report(Problem(kind="unreadable", path=path, message=f"{path.parent}: {error}"))
        elif isinstance(error, OSError):
            self._report(cannot_write(job.file.graded, error), error.errno)
        else:
            # The message of an unforeseen error may quote a row; its type does not.
            logger.error("%s: grading failed with %s", path.name, type(error).__name__)
            message = f"{path.name}: grading failed with {type(error).__name__}, a bug of the scorer. {_REST}"
            self._report(Problem(kind="grader_died", path=path, message=message))
        self._leave(job)

    def _report(self, problem: Problem, number: int | None = None) -> None:
        if problem.kind == "cannot_write" and number in NO_USE_GOING_ON:
            if self.outcome.stopped:
                return
            self.outcome.stopped = True
        if problem not in self._named:
            self._named.add(problem)
            self.outcome.problems.append(problem)

    def sweep(self) -> None:
        """Remove what was half written, once the pool has ended."""
        for job in list(self._unfinished.values()):
            self._drop(job)

    def _drop(self, job: Job) -> None:
        self._unfinished.pop(id(job), None)
        for part in job.parts:
            if part.output is not None:
                with contextlib.suppress(OSError):
                    part.output.unlink(missing_ok=True)


_REST = "The file was left as it was; the rest went on."


def put_in_place(
    file: DetailsFile, parts: Sequence[Path], counts: VerdictCounts, *, scorer: ScorerId, sha256: str
) -> None:
    """Join the parts' records beside the details, then mark them complete.

    Records of an earlier scorer stay, under its version.

    Raises:
        OSError: The folder cannot be written; what was there is there still.
    """
    mark = read_mark(file)
    if mark is not None and mark.scorer != scorer and file.graded.exists():
        kept = f"{file.graded.stem}.{mark.scorer.name}-{mark.scorer.version}-{mark.scorer.hash[:8]}.jsonl"
        with atomic.replacing(file.graded.with_name(kept)) as copy, file.graded.open("rb") as old:
            while chunk := old.read(1 << 20):
                copy.write(chunk)
    atomic.join(list(parts), file.graded)
    write_mark(
        file,
        Mark(
            details_sha256=sha256,
            graded_sha256=sha256_of(file.graded),
            scorer=scorer,
            counts=counts.to_json(),
        ),
    )


def update_scores(
    path: Path,
    graded: Sequence[tuple[GradedFile, str | None]],
    outcome: Outcome,
    options: Options,
    *,
    is_whole: bool,
) -> None:
    """Carry new scores into a results file, and count what came of it.

    Args:
        path: The results file.
        graded: Its graded details, each with the filter of its samples.
        outcome: Where it is counted.
        options: The run's.
        is_whole: Whether all details of the evaluation could be graded.

    Raises:
        ResultsFormatError: The file cannot be read any more, or its JSON cannot be edited.
        OSError: It cannot be written; it is as it was.
    """
    scores = read_results_file(path)
    new = [_new_score(one, samples_filter) for one, samples_filter in graded]
    try:
        update = updated(scores, new, options.baselines)
    except ValueError as error:
        raise ResultsFormatError(f"{path.name}: cannot be edited: {error}. It was left as it is.") from error
    outcome.problems += update.problems
    outcome.notes += update.notes
    changed = update.text != scores.text
    if changed and not options.dry_run:
        with atomic.replacing(path) as file:
            file.write(update.text.encode())
    state: ScoresState = "unchanged" if is_whole and not update.problems else "left_out"
    if changed:
        state = "would_update" if options.dry_run else "updated"
    before = _shown(scores) | {
        short_name(one.task_key): (one.before, one.before_stderr)
        for one in update.changes
        if one.before is not None
    }
    outcome.scores.append(
        ScoresOutcome(
            path=path,
            model=graded[0][0].model,
            time=graded[0][0].file.time,
            state=state,
            changes=update.changes,
            before=before,
            after=before
            | {short_name(one.task_key): (one.after, one.after_stderr) for one in update.changes},
        )
    )


def _new_score(graded: GradedFile, samples_filter: str | None) -> NewScore:
    file = graded.file
    return NewScore(
        task=file.task,
        metric=metric_of(file.short_task),
        value=graded.counts.value,
        stderr=graded.counts.stderr,
        rows=graded.counts.rows,
        scorer=graded.scorer,
        details_name=file.path.name,
        details_sha256=graded.sha256,
        value_before=graded.counts.value_before,
        samples_filter=samples_filter,
    )


def _shown(scores: ResultsFile) -> dict[str, tuple[float, float | None]]:
    """What the leaderboard shows of a results file, by short task name."""
    found: dict[str, tuple[float, float | None]] = {}
    for task, benchmark in registry.benchmarks().items():
        sets = benchmark.shown_sets
        for key in scores.task_keys(task)[:1]:
            entry = {name.partition(",")[0]: value for name, value in scores.results[key].items()}
            names = next((one for one in sets if all(_is_number(entry.get(name)) for name in one)), None)
            if names is None:
                continue
            stderr = entry.get(f"{names[0]}_stderr") if len(names) == 1 else None
            value = sum(float(entry[name]) for name in names) / len(names)
            found[task] = (value, float(stderr) if _is_number(stderr) else None)  # type: ignore[arg-type]
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
