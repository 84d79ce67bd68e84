"""Grades generated pairs in one or several processes at once, and counts time, errors and slow rows."""

from __future__ import annotations

import multiprocessing
import resource
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.connection import Connection

import psutil
from french_answers import grade_answer

from performance.grading.original_rule import is_right, normalize_by_patterns
from performance.grading.pairs import LENGTH_CLASSES, Pair, length_class, unique_pairs

BLOCK = 10_000
"""Pairs drawn before they are graded: drawing them is not timed."""


@dataclass(slots=True)
class Counts:
    """One grader on one length class; seconds of the block's slowest process, summed over blocks."""

    rows: int = 0
    wall_s: float = 0.0
    processor_s: float = 0.0
    """Of all processes, those that the grader keeps included."""
    false_positives: int = 0
    false_negatives: int = 0
    slow: int = 0
    by_family: Counter[str] = field(default_factory=Counter)
    """Errors."""

    def add(self, other: Counts) -> None:
        """Add another's counts; wall clock adds up, too."""
        self.rows += other.rows
        self.wall_s += other.wall_s
        self.processor_s += other.processor_s
        self.false_positives += other.false_positives
        self.false_negatives += other.false_negatives
        self.slow += other.slow
        self.by_family += other.by_family

    @property
    def errors(self) -> int:
        return self.false_positives + self.false_negatives

    @property
    def rows_per_s(self) -> float:
        return self.rows / self.wall_s if self.wall_s else 0.0


CountsByGrader = dict[str, list[Counts]]
"""Grader → counts of each length class."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one number of processes measured."""

    workers: int
    counts_of: CountsByGrader
    peak_bytes: int
    """Resident, of the largest process; its part of the pairs and the set of those drawn included."""
    children_peak_bytes: int
    """Of the largest process that a grader kept."""
    misses: list[Pair]
    """The first few pairs that the present grader got wrong."""


def grade_by_original_rule(pair: Pair) -> tuple[bool, bool]:
    """Verdict, and False: it knows no slow path."""
    return is_right(pair.gold, pair.prediction), False


def grade_by_original_patterns(pair: Pair) -> tuple[bool, bool]:
    """The same rule, written with regular expressions."""
    return is_right(pair.gold, pair.prediction, normal_form=normalize_by_patterns), False


def grade_by_palmares(pair: Pair) -> tuple[bool, bool]:
    """Verdict, and whether it took the slow path."""
    grade = grade_answer(pair.gold, pair.prediction, instruction=pair.instruction)
    return grade.correct, bool(getattr(grade, "slow", False))


GRADERS: dict[str, Callable[[Pair], tuple[bool, bool]]] = {
    "original": grade_by_original_rule,
    "original_patterns": grade_by_original_patterns,
    "palmares": grade_by_palmares,
}


def run(rows: int, *, seed: int, workers: int, keep_misses: int = 0) -> Run:
    """Grade *rows* pairs in so many processes that start each block together."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(workers)
    pipes = [context.Pipe(duplex=False) for _ in range(workers)]
    shares = [rows // workers + (1 if index < rows % workers else 0) for index in range(workers)]
    processes = [
        context.Process(
            target=_work, args=(share, seed, index, workers, shares[0], barrier, pipe[1], keep_misses)
        )
        for index, (share, pipe) in enumerate(zip(shares, pipes, strict=True))
    ]
    for process in processes:
        process.start()
    for _, sender in pipes:
        sender.close()
    try:
        parts = [receiver.recv() for receiver, _ in pipes]
    except EOFError as error:
        raise SystemExit("A grading process died; its traceback is above.") from error
    finally:
        for process in processes:
            process.join()
    return _joined(workers, parts)


@dataclass(frozen=True, slots=True)
class _Part:
    blocks: list[CountsByGrader]
    peak_bytes: int
    children_peak_bytes: int
    misses: list[Pair]


def _work(
    rows: int,
    seed: int,
    part: int,
    parts: int,
    most_rows: int,
    barrier: threading.Barrier,
    answer: Connection,
    keep_misses: int,
) -> None:
    stream = unique_pairs(rows, seed=seed, part=part, parts=parts)
    for warm in unique_pairs(500, seed=seed + 1):  # imports, compiled patterns, the slow engine's process
        for grader in GRADERS.values():
            grader(warm)
    blocks: list[CountsByGrader] = []
    misses: list[Pair] = []
    children_peak = 0
    for _ in range(-(-most_rows // BLOCK)):
        classes: list[list[Pair]] = [[] for _ in LENGTH_CLASSES]
        for pair in islice(stream, BLOCK):
            classes[length_class(pair.prediction)].append(pair)
        counts_of: CountsByGrader = {}
        for name, grader in GRADERS.items():
            barrier.wait()
            counts_of[name] = [
                _graded(grader, pairs, misses if name == "palmares" else [], keep_misses) for pairs in classes
            ]
        blocks.append(counts_of)
        children_peak = max(children_peak, *_memory_of_children())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    answer.send(_Part(blocks, peak, children_peak, misses))


def _graded(
    grader: Callable[[Pair], tuple[bool, bool]], pairs: list[Pair], misses: list[Pair], keep: int
) -> Counts:
    children = _processor_of_children()
    processor, wall = time.process_time(), time.perf_counter()
    verdicts = [grader(pair) for pair in pairs]
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    counts = Counts(len(pairs), wall, processor + _processor_of_children() - children)
    for pair, (correct, slow) in zip(pairs, verdicts, strict=True):
        counts.slow += slow
        if correct != pair.correct:
            counts.by_family[pair.family] += 1
            if correct:
                counts.false_positives += 1
            else:
                counts.false_negatives += 1
            if len(misses) < keep:
                misses.append(pair)
    return counts


def _joined(workers: int, parts: list[_Part]) -> Run:
    """Sum counts; the wall clock of a block and class is its slowest process's."""
    total: CountsByGrader = {name: [Counts() for _ in LENGTH_CLASSES] for name in GRADERS}
    for blocks in zip(*(part.blocks for part in parts), strict=True):
        for name, counts_of in total.items():
            slowest = max((block[name] for block in blocks), key=lambda part: sum(t.wall_s for t in part))
            for index, counts in enumerate(counts_of):
                for block in blocks:
                    wall = counts.wall_s
                    counts.add(block[name][index])
                    counts.wall_s = wall
                counts.wall_s += slowest[index].wall_s
    return Run(
        workers=workers,
        counts_of=total,
        peak_bytes=max(part.peak_bytes for part in parts),
        children_peak_bytes=max(part.children_peak_bytes for part in parts),
        misses=[pair for part in parts for pair in part.misses],
    )


def _children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def _processor_of_children() -> float:
    seconds = 0.0
    for child in _children():
        try:
            times = child.cpu_times()
        except psutil.Error:
            continue
        seconds += times.user + times.system
    return seconds


def _memory_of_children() -> list[int]:
    found = [0]
    for child in _children():
        try:
            found.append(child.memory_info().rss)
        except psutil.Error:
            continue
    return found
