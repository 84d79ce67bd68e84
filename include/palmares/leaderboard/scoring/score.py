"""Turns verified outputs into scores: grades, averages, and refuses numbers that look wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from palmares.benchmarks import registry, statistics
from palmares.benchmarks.errors import RowError
from palmares.benchmarks.scorer import DetailsRow, Grade, Scorer, hash_sources
from palmares.benchmarks.statistics import mean, normalize, ratio_influences, standard_error
from palmares.leaderboard.checks.gate import refuse_breaches
from palmares.leaderboard.checks.rates import Rate
from palmares.leaderboard.checks.responses import answer_rates
from palmares.leaderboard.checks.scorers import scorer_rates
from palmares.leaderboard.details.rows import read_details
from palmares.leaderboard.errors import GateError, ResultsFormatError, ResultsIncompleteError
from palmares.leaderboard.results.manifest import Manifest, ManifestTask
from palmares.leaderboard.suites import Suite, SuiteTask

EVALUATOR_SCORER = ("evaluator-metrics", "1")
"""Of tasks whose rows hold their verdicts and that nobody else averages; its hash is of the statistics alone,
so that only a change of these makes a score stale."""
IDENTITY = ("scorer", "scorer_version", "scorer_hash")
"""Members of a score that say who graded it."""
AGREEMENT = 1e-6
"""Between our mean over the rows and the evaluator's own number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One task's score."""

    task: str
    """Short name."""
    key: str
    metric: str
    value: float
    """Fraction, 0 to 1, not normalised."""
    stderr: float | None
    """Of *value*; None: fewer than two rows."""
    n: int
    """Rows."""
    shown: float
    """What the leaderboard shows: *value* normalised by the task's baseline."""
    parts: dict[str, float]
    """The metrics that *value* is the mean of."""
    reported: dict[str, float]
    """The evaluator's own numbers for them."""
    scorer: str
    scorer_version: str
    scorer_hash: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredResults:
    """All scores of one model."""

    scores: dict[str, Score]
    """By short task name, in the suite's order."""
    graded: dict[str, list[dict[str, Any]]]
    """Graded records by short task name; they hold row ids and verdicts, no text."""
    average: float | None
    sanity_rates: dict[str, tuple[Rate, ...]]
    """What was counted on each task's scorer and answers, none beyond its limit; empty: from storage."""
    preliminary: bool
    """From a limited run: never published as scores."""

    @classmethod
    def from_stored(
        cls,
        scores: Mapping[str, Mapping[str, Any]],
        graded: Mapping[str, Sequence[Mapping[str, Any]]],
        *,
        suite: Suite,
        preliminary: bool = False,
    ) -> ScoredResults:
        """Rebuild what was graded and stored: nothing is graded again.

        Args:
            scores: What `scores_json` wrote.
            graded: The graded records, by short task name.
            suite: The suite that was evaluated.
            preliminary: Of a limited run.

        Raises:
            GateError: The verdicts contradict a score: the records are not those that it was averaged from.
            ResultsFormatError: A score lacks a member, or has one of the wrong kind.
            ResultsIncompleteError: A task of the suite has no score or no graded records.
        """
        if missing := [
            task.key for task in suite.tasks if task.name not in scores or task.name not in graded
        ]:
            raise ResultsIncompleteError(
                f"Nothing is stored of {missing}. Clear post_process of this model: it grades again."
            )
        read = {task.name: _stored_score(scores[task.name], graded[task.name]) for task in suite.tasks}
        return cls(
            scores=read,
            graded={task.name: [dict(record) for record in graded[task.name]] for task in suite.tasks},
            average=average(scores, suite),
            sanity_rates={},
            preliminary=preliminary,
        )

    def sanity_json(self) -> dict[str, list[dict[str, Any]]]:
        """Rates as plain JSON, by short task name; they hold row ids and counts, no text."""
        return {task: [rate.to_json() for rate in rates] for task, rates in self.sanity_rates.items()}

    def scores_json(self) -> dict[str, dict[str, Any]]:
        """Scores as plain JSON, by short task name."""
        return {task: score.to_json() for task, score in self.scores.items()}


_SCORE: TypeAdapter[Score] = TypeAdapter(Score)


def _stored_score(stored: Mapping[str, Any], graded: Sequence[Mapping[str, Any]]) -> Score:
    try:
        score = _SCORE.validate_python(dict(stored))
    except ValidationError as error:
        first = error.errors()[0]
        raise ResultsFormatError(
            f"The stored score of {stored.get('key')} cannot be read: {first['loc']}: {first['msg']}. "
            "Clear post_process of this model: it grades again."
        ) from error
    verdicts = [float(record["correct"]) for record in graded if "correct" in record]
    if verdicts and (len(verdicts) != score.n or abs(mean(verdicts) - score.value) > AGREEMENT):
        raise GateError(
            f"{score.key}: {len(verdicts)} stored verdicts have the mean {mean(verdicts):.6f}, the stored "
            f"score is {score.value:.6f} over {score.n} rows. "
            "Clear post_process of this model: it grades again."
        )
    return score


def score_results(
    folder: Path, manifest: Manifest, suite: Suite, *, scorers: Mapping[str, Scorer] | None = None
) -> ScoredResults:
    """Grade and average a model's verified outputs.

    Args:
        folder: What ``verify_results`` accepted.
        manifest: Its manifest.
        suite: Says which metrics make a score, and who grades.
        scorers: By short task name, e.g. those of a leaderboard's own policy (``registry.text_scorers``).
            None: those of the default policy.

    Raises:
        GateError: A number is no fraction, the rows contradict the evaluator's own mean, a scorer fails its
            sanity baselines, or a model's answers do; the evidence of all tasks is named, without texts.
        ResultsFormatError: Details cannot be read, or lack a metric.
        ResultsIncompleteError: The job did not evaluate a task of the suite.
    """
    if missing := [key for key in suite.task_keys if key not in manifest.tasks]:
        raise ResultsIncompleteError(
            f"No results for {missing}: suite {suite.name} has gained tasks since the job. "
            "Evaluate again with force."
        )
    given = registry.text_scorers() if scorers is None else scorers
    scores: dict[str, Score] = {}
    graded: dict[str, list[dict[str, Any]]] = {}
    sanity_rates: dict[str, tuple[Rate, ...]] = {}
    for task in suite.tasks:
        reported = manifest.tasks[task.key]
        rows = read_details(folder / reported.details)
        values = {metric: _row_values(rows, metric, task) for metric in task.metric.of}
        for metric, per_row in values.items():
            _check_against(reported, metric, per_row, task)
        if task.metric.graded_by == "scorer":
            scores[task.name], graded[task.name], sanity_rates[task.name] = _graded(
                task, rows, reported, scorer=given.get(task.name)
            )
        else:
            scores[task.name] = _averaged(task, rows, values, reported)
            graded[task.name] = [
                {"row_id": row.row_id, "scorer": scores[task.name].scorer}
                | {metric: row.metrics[metric] for metric in task.metric.of}
                for row in rows
            ]
            sanity_rates[task.name] = _response_rates(task, rows)
    refuse_breaches(
        sanity_rates, {name: f"{score.scorer} {score.scorer_version}" for name, score in scores.items()}
    )
    return ScoredResults(
        scores=scores,
        graded=graded,
        average=average({name: score.to_json() for name, score in scores.items()}, suite),
        sanity_rates=sanity_rates,
        preliminary=manifest.limit_samples is not None,
    )


def average(scores: Mapping[str, Mapping[str, Any]], suite: Suite) -> float | None:
    """The leaderboard's average of the suite's columns, each normalised.

    Args:
        scores: ``value`` by short task name, as ``scores_json`` writes them.
        suite: The tasks that must all be there.

    Returns:
        None if a task has no score: an incomplete mean is no mean.
    """
    return suite.average(scores)


def _graded(
    task: SuiteTask, rows: Sequence[DetailsRow], reported: ManifestTask, *, scorer: Scorer | None
) -> tuple[Score, list[dict[str, Any]], tuple[Rate, ...]]:
    if scorer is None:
        raise GateError(f"{task.key}: no scorer is registered. Set graded_by: evaluator, or add one.")
    verdicts = [scorer.grade(row) for row in rows]
    rates = (
        *scorer_rates(scorer, rows, task.sanity_limits),
        *_response_rates(task, rows, verdicts=verdicts, scorer=scorer),
    )
    values = [float(verdict.correct) for verdict in verdicts]
    score = _score(task, values, {task.metric.name: mean(values)}, reported)
    records = [graded_record(row, verdict, scorer) for row, verdict in zip(rows, verdicts, strict=True)]
    scored = replace(score, scorer=scorer.name, scorer_version=scorer.version, scorer_hash=scorer.code_hash)
    return scored, records, rates


def row_scores(task: SuiteTask, rows: Sequence[DetailsRow], scorer: Scorer | None) -> list[float]:
    """What each row counts in a task's score: their mean is the score, a fraction.

    Args:
        task: Says which metrics make the score, and who grades.
        rows: All rows of the task.
        scorer: Of this task; needed where stored generations are graded.

    Raises:
        GateError: A value is no fraction, or there is no scorer.
        ResultsFormatError: A row lacks a metric.
    """
    if task.metric.graded_by == "scorer":
        if scorer is None:
            raise GateError(f"{task.key}: no scorer is registered. Set graded_by: evaluator, or add one.")
        return [float(scorer.grade(row).correct) for row in rows]
    pulls = [ratio_influences(_row_values(rows, metric, task)) for metric in task.metric.of]
    return [mean(row) for row in zip(*pulls, strict=True)]


def recorded_row_scores(task: SuiteTask, records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """What each row counts, from the graded records of a stored score; see `row_scores`.

    Args:
        task: Says which metrics make the score.
        records: All graded records of the task; a row that was answered several times counts their mean.

    Returns:
        By row id; empty: the records hold neither verdicts nor the task's metrics.
    """
    if not records:
        return {}
    if all("correct" in record for record in records):
        values = [float(record["correct"]) for record in records]
    elif all(metric in record for record in records for metric in task.metric.of):
        parts = {
            metric: [value if isinstance(value := record[metric], list) else [value] for record in records]
            for metric in task.metric.of
        }
        values = [mean(row) for row in zip(*map(ratio_influences, parts.values()), strict=True)]
    else:
        return {}
    found: dict[str, list[float]] = {}
    for record, value in zip(records, values, strict=True):
        found.setdefault(str(record["row_id"]), []).append(value)
    return {row_id: mean(several) for row_id, several in found.items()}


def _response_rates(
    task: SuiteTask,
    rows: Sequence[DetailsRow],
    *,
    verdicts: Sequence[Grade] | None = None,
    scorer: Scorer | None = None,
) -> tuple[Rate, ...]:
    return answer_rates(
        rows,
        verdicts,
        task.sanity_limits,
        scorer=scorer,
        kind=task.kind,
        max_generated_tokens=task.thinking_tokens + task.max_generated_tokens,
    )


def _averaged(
    task: SuiteTask,
    rows: Sequence[DetailsRow],
    values: Mapping[str, Sequence[Sequence[float]]],
    reported: ManifestTask,
) -> Score:
    """Mean of the metrics that the rows hold, by the benchmark's averager if it has one.

    Without one, a row's value is the mean of its pulls on the metrics, so that stderr is right.
    """
    averager = task.benchmark.averager
    if averager is None:
        pulls = [ratio_influences(per_row) for per_row in values.values()]
        parts = {metric: mean(pull) for metric, pull in zip(values, pulls, strict=True)}
        return _score(task, [mean(row) for row in zip(*pulls, strict=True)], parts, reported)
    try:
        average = averager.average(rows)
    except RowError as error:
        raise ResultsFormatError(str(error)) from error
    score = _score(task, [average.value], average.parts, reported)
    return replace(
        score,
        stderr=average.stderr,
        n=average.n,
        scorer=averager.name,
        scorer_version=averager.version,
        scorer_hash=averager.code_hash,
    )


def _score(
    task: SuiteTask, values: Sequence[float], parts: dict[str, float], reported: ManifestTask
) -> Score:
    # A mean of pulls can leave [0, 1] by rounding only.
    value = min(1.0, max(0.0, mean(values)))
    return Score(
        task=task.name,
        key=task.key,
        metric=task.metric.name,
        value=value,
        stderr=standard_error(values),
        n=len(values),
        shown=normalize(value, baseline=task.metric.baseline),
        parts=parts,
        reported={metric: reported.metrics[metric] for metric in task.metric.of},
        scorer=EVALUATOR_SCORER[0],
        scorer_version=EVALUATOR_SCORER[1],
        scorer_hash=hash_sources(Path(str(statistics.__file__))),
    )


def _row_values(rows: Sequence[DetailsRow], metric: str, task: SuiteTask) -> list[list[float]]:
    """One list a row: a single value, or one for each instruction of the row."""
    found: list[list[float]] = []
    for row in rows:
        value = row.metrics.get(metric)
        values: list[Any] = list(value) if isinstance(value, list | tuple) else [value]
        if value is None or not all(isinstance(item, bool | int | float) for item in values):
            raise ResultsFormatError(
                f"{task.key}: row {row.row_id} has no metric {metric!r}, only {sorted(row.metrics)}. "
                "Pin the evaluator to this project's version, or update the suite."
            )
        numbers = [float(item) for item in values]
        if not all(math.isfinite(number) and 0 <= number <= 1 for number in numbers):
            raise GateError(
                f"{task.key}: row {row.row_id} has {metric} = {value}, no fraction. Look into the evaluator."
            )
        found.append(numbers)
    if not any(found):
        raise ResultsFormatError(f"{task.key}: no row has a value of {metric!r}. Evaluate again.")
    return found


def _check_against(
    reported: ManifestTask, metric: str, per_row: Sequence[Sequence[float]], task: SuiteTask
) -> None:
    """Refuse a metric that the evaluator reports otherwise than its rows hold it."""
    claimed = reported.metrics.get(metric)
    if claimed is None or not math.isfinite(claimed) or not 0 <= claimed <= 1:
        raise GateError(
            f"{task.key}: the evaluator reports {metric} = {claimed}, no fraction. "
            "Look into the job's console."
        )
    ours = mean(ratio_influences(per_row))
    if abs(ours - claimed) > AGREEMENT:
        raise GateError(
            f"{task.key}: {metric} is {ours:.6f} over the {len(per_row)} rows, but the evaluator reports "
            f"{claimed:.6f}. Rows are missing, or the metric changed: "
            "compare the details with the results JSON."
        )


def graded_record(row: DetailsRow, verdict: Grade, scorer: Scorer) -> dict[str, Any]:
    """What is kept of a verdict; no text of the row is in it."""
    return {
        "row_id": row.row_id,
        "correct": verdict.correct,
        "unsure": verdict.unsure,
        "method": verdict.method,
        "reason": verdict.reason,
        "scorer": scorer.name,
        "scorer_version": scorer.version,
    }
