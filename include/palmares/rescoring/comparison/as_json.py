"""The comparison report for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from palmares.rescoring.comparison.report import ComparisonReport, Line, TaskSummary


def to_json(report: ComparisonReport) -> dict[str, Any]:
    """Every figure and every changed row's id, as plain JSON."""
    return {
        "schema": 1,
        "test": "McNemar, exact binomial, two-sided; p_holm is corrected for the number of lines",
        "changed": report.changed,
        "lines": [_line(line) for line in report.lines],
        "tasks": [_task(task) for task in report.tasks],
        "ranks": [asdict(move) | {"up": move.up} for move in report.moves],
        "rank_agreement_kendall_tau_b": report.rank_agreement,
    }


def _line(line: Line) -> dict[str, Any]:
    changes = line.changes
    return {
        "model": changes.model,
        "task": changes.task,
        "rows": changes.rows,
        "unknown_before": changes.unknown_before,
        "right_before": changes.right_before,
        "right_after": changes.right_after,
        "to_right": list(changes.to_right),
        "to_wrong": list(changes.to_wrong),
        "shift": changes.shift,
        "shift_stderr": changes.shift_stderr,
        "score_before": None if line.before is None else asdict(line.before),
        "score_after": None if line.after is None else asdict(line.after),
        "p_value": line.p_value,
        "p_holm": line.p_holm,
    }


def _task(task: TaskSummary) -> dict[str, Any]:
    summary = asdict(task)
    summary["most_flipped"] = list(summary.pop("most_changed"))  # the name that files in use have
    return summary
