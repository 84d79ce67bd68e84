"""Writes the comparison report of a re-scoring run, and on request the texts of the rows that changed."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from french_answers import GradingPolicy

from palmares.leaderboard.details.rows import iterate_details
from palmares.leaderboard.errors import ReportError
from palmares.rescoring.comparison import (
    ComparisonReport,
    ScoreAt,
    VerdictChanges,
    chart,
    markdown,
    overall,
    to_json,
)
from palmares.rescoring.comparison import write_texts as write_private
from palmares.rescoring.engine import metric_of, scorer_of, verdict_before
from palmares.rescoring.outcome import GradedFile, Outcome


def comparison_report(outcome: Outcome, baselines: Mapping[str, float]) -> ComparisonReport:
    """What the run changed, over all models; a model with several evaluations is named with their times."""
    names = _names(outcome)
    before = {
        name: {task: ScoreAt(value=value, stderr=stderr) for task, (value, stderr) in one.before.items()}
        for one in outcome.scores
        if (name := names.get((one.model, one.time))) is not None
    }
    after = {
        name: {task: ScoreAt(value=value, stderr=stderr) for task, (value, stderr) in one.after.items()}
        for one in outcome.scores
        if (name := names.get((one.model, one.time))) is not None
    }
    changes = [
        VerdictChanges.of(one.counts, model=names[one.model, one.file.time], task=one.file.short_task)
        for one in outcome.graded
    ]
    return overall(changes, before, after, baselines=baselines)


def write_report(report: ComparisonReport, folder: Path) -> list[Path]:
    """Write ``flips.md``, ``flips.json`` and ``flips.svg``: ids and numbers, no text of a row.

    Raises:
        ReportError: The folder cannot be written.
    """
    paths = [folder / f"flips.{ending}" for ending in ("md", "json", "svg")]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths[0].write_text(markdown(report, chart_name=paths[2].name), encoding="utf-8")
        paths[1].write_text(
            json.dumps(to_json(report), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    except OSError as error:
        raise ReportError(
            f"{folder}: cannot be written ({error.strerror}). Choose another folder."
        ) from error
    chart(report, paths[2])
    return paths


def write_texts(outcome: Outcome, folder: Path, policy: GradingPolicy) -> int:
    """Write the rows whose verdict changed, with gold, generation and extracted answer; private.

    Returns:
        How many rows.

    Raises:
        ReportError: The folder is open to others, or cannot be written.
    """
    count = 0
    for graded in outcome.graded:
        if graded.counts.right_ids or graded.counts.wrong_ids:
            name = re.sub(r"[^\w.-]+", "__", f"{graded.model}__{graded.file.short_task}__{graded.file.time}")
            count += write_private(folder / f"{name}.jsonl", _changed_rows(graded, policy))
    return count


def _changed_rows(graded: GradedFile, policy: GradingPolicy) -> Iterator[dict[str, Any]]:
    scorer = scorer_of(graded.file.short_task, policy)
    assert scorer is not None
    metric = metric_of(graded.file.short_task)
    after = dict.fromkeys(graded.counts.right_ids, True) | dict.fromkeys(graded.counts.wrong_ids, False)
    for row in iterate_details(graded.file.path):
        if row.row_id not in after:
            continue
        grade = scorer.grade(row)
        yield {
            "model": graded.model,
            "task": graded.file.short_task,
            "row_id": row.row_id,
            "before": not after[row.row_id],
            "evaluator": verdict_before(row.metrics, metric),
            "after": grade.correct,
            "method": grade.method,
            "extracted": grade.extracted,
            "gold": list(row.gold),
            "choices": list(row.choices),
            "instruction": row.instruction,
            "question": row.question,
            "prediction": list(row.predictions),
        }


def _names(outcome: Outcome) -> dict[tuple[str, str], str]:
    evaluations = {(one.model, one.file.time) for one in outcome.graded}
    times = Counter(model for model, _ in evaluations)
    return {
        (model, time): model if times[model] == 1 else f"{model} ({time[:8]}-{time[8:14]})"
        for model, time in evaluations
    }
