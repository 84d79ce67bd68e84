"""Re-scores a tree: examines, grades and writes file by file; what fails is named, and the rest goes on."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import replace
from typing import Any

from palmares.leaderboard.errors import ResultsError
from palmares.rescoring import atomic
from palmares.rescoring.counts import VerdictCounts
from palmares.rescoring.examining import Look, Looked, examine
from palmares.rescoring.grading import grade_part, scorer_of
from palmares.rescoring.jobs import Advance, Evaluation, Job, Options, Task, unheard
from palmares.rescoring.marks import ScorerId
from palmares.rescoring.matching import Matcher, display_name
from palmares.rescoring.naming import DetailsFile
from palmares.rescoring.outcome import GradedFile, Outcome
from palmares.rescoring.pool import Pool
from palmares.rescoring.problems import NO_USE_GOING_ON, Problem, cannot_write
from palmares.rescoring.sanity import SanityBaselines
from palmares.rescoring.scores import Scores
from palmares.rescoring.writing import put_in_place, update_scores

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
        self._advance: Advance = unheard
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
            advance: Told of each file the share that was done since it was last told.
        """
        self._advance = advance or unheard
        counts = Counter(self._key(file) for file in self.files)
        evaluations = {key: Evaluation(left=count) for key, count in counts.items()}
        try:
            for file in self.files:
                self._settle(most=_AHEAD * self._pool.workers - 1)
                if self.outcome.stopped:
                    break
                self._start(file, evaluations[self._key(file)])
            self._settle(most=0)
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
            self._name(matched)
        own = matched if isinstance(matched, Scores) else None
        job = Job(
            file=file,
            scorer=scorer,
            evaluation=evaluation,
            scores=own.path if own else None,
            model=display_name(own, file),
        )
        look = Look(file=file, scorer=scorer, force=self._options.force)
        self._ready.append((job, examine, look, -1))

    def _settle(self, *, most: int) -> None:
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
        elif isinstance(result, Looked):
            self._looked(job, result)
        else:
            job.counts[number] = result
            self._advance(job.file, 1 / len(job.parts))
            if len(job.counts) == len(job.parts):
                self._finish(job)

    def _looked(self, job: Job, looked: Looked) -> None:
        job.looked = looked
        if looked.done is not None:
            self._advance(job.file, 1.0)
            self._count(job, looked.done, kept=True)
            return
        breach = self._baselines.breach(job.file)
        if breach is not None:
            self._fail(job, breach)
            return
        if not self._options.dry_run:
            atomic.remove_stale(job.file.graded)
        job.parts = [
            part if self._options.dry_run else replace(part, output=atomic.temporary(job.file.graded, n))
            for n, part in enumerate(looked.parts(job.file, self._options.policy), start=1)
        ]
        self._unfinished[id(job)] = job
        self._ready.extend((job, grade_part, part, number) for number, part in enumerate(job.parts))

    def _finish(self, job: Job) -> None:
        assert job.looked is not None
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
                put_in_place(job.file, outputs, counts, scorer=job.scorer, sha256=job.looked.sha256)
            except OSError as error:
                self._fail(job, error)
                return
        self._unfinished.pop(id(job), None)
        self._count(job, counts, kept=False)

    def _count(self, job: Job, counts: VerdictCounts, *, kept: bool) -> None:
        assert job.looked is not None
        if not self._options.keep_ids:
            counts.forget_ids()
        graded = GradedFile(
            file=job.file,
            model=job.model,
            counts=counts,
            scorer=job.scorer,
            sha256=job.looked.sha256,
            kept=kept,
        )
        self.outcome.graded.append(graded)
        if job.scores is not None:
            job.evaluation.graded.append((job.scores, graded, job.looked.samples_filter))
        self._leave(job)

    def _leave(self, job: Job) -> None:
        """Be done with a file; with the last one of an evaluation, its results file is written."""
        job.evaluation.left -= 1
        if job.evaluation.left or self.outcome.stopped:
            return
        for path in dict.fromkeys(path for path, _, _ in job.evaluation.graded):
            own = [(graded, of) for scores, graded, of in job.evaluation.graded if scores == path]
            try:
                update_scores(path, own, self.outcome, self._options.baselines, self._options.dry_run)
            except OSError as error:
                self._name(cannot_write(path, error), error.errno)
            except ResultsError as error:
                self._name(Problem(kind="unreadable", path=path, message=str(error)))

    def _fail(self, job: Job, error: Exception | Problem) -> None:
        if job.failed:
            return
        job.failed = True
        self._drop(job)
        path = job.file.path
        if isinstance(error, Problem):
            self._name(error)
        elif isinstance(error, ResultsError):
            self._name(Problem(kind="unreadable", path=path, message=f"{path.parent}: {error}"))
        elif isinstance(error, OSError):
            self._name(cannot_write(job.file.graded, error), error.errno)
        else:
            # The message of an unforeseen error may quote a row; its type does not.
            logger.error("%s: grading failed with %s", path.name, type(error).__name__)
            message = f"{path.name}: grading failed with {type(error).__name__}, a bug of the scorer. {_REST}"
            self._name(Problem(kind="grader_died", path=path, message=message))
        self._leave(job)

    def _name(self, problem: Problem, number: int | None = None) -> None:
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
