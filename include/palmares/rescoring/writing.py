"""Puts graded records and results files in their places, each in one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from palmares.benchmarks import registry
from palmares.leaderboard.errors import ResultsFormatError
from palmares.rescoring import atomic
from palmares.rescoring.counts import VerdictCounts
from palmares.rescoring.marks import Mark, ScorerId, read_mark, sha256_of, write_mark
from palmares.rescoring.metrics import metric_of
from palmares.rescoring.naming import DetailsFile, short_name
from palmares.rescoring.outcome import GradedFile, Outcome, ScoresOutcome
from palmares.rescoring.scores import Scores, read_scores
from palmares.rescoring.update import NewScore, updated


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
    baselines: Mapping[str, float],
    dry_run: bool,
) -> None:
    """Carry new scores into a results file, and count what came of it.

    Raises:
        ResultsFormatError: The file cannot be read any more, or its JSON cannot be edited.
        OSError: It cannot be written; it is as it was.
    """
    scores = read_scores(path)
    new = [_new_score(one, samples_filter) for one, samples_filter in graded]
    try:
        update = updated(scores, new, baselines)
    except ValueError as error:
        raise ResultsFormatError(f"{path.name}: cannot be edited: {error}. It was left as it is.") from error
    outcome.problems += update.problems
    outcome.notes += update.notes
    changed = update.text != scores.text
    if changed and not dry_run:
        with atomic.replacing(path) as file:
            file.write(update.text.encode())
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
            state="unchanged" if not changed else "would_update" if dry_run else "updated",
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


def _shown(scores: Scores) -> dict[str, tuple[float, float | None]]:
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
