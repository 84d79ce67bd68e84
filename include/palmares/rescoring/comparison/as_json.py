"""The flip report for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from palmares.rescoring.comparison.report import FlipReport, Line


def to_json(report: FlipReport) -> dict[str, Any]:
    """Every figure and every changed row's id, as plain JSON."""
    return {
        "schema": 1,
        "test": "McNemar, exact binomial, two-sided; p_holm is corrected for the number of lines",
        "changed": report.changed,
        "lines": [_line(line) for line in report.lines],
        "tasks": [
            asdict(task) | {"most_flipped": list(map(asdict, task.most_flipped))} for task in report.tasks
        ],
        "ranks": [asdict(move) | {"up": move.up} for move in report.moves],
        "rank_agreement_kendall_tau_b": report.rank_agreement,
    }


def _line(line: Line) -> dict[str, Any]:
    flips = line.flips
    return {
        "model": flips.model,
        "task": flips.task,
        "rows": flips.rows,
        "unknown_before": flips.unknown_before,
        "right_before": flips.right_before,
        "right_after": flips.right_after,
        "to_right": list(flips.to_right),
        "to_wrong": list(flips.to_wrong),
        "shift": flips.shift,
        "shift_stderr": flips.shift_stderr,
        "score_before": None if line.before is None else asdict(line.before),
        "score_after": None if line.after is None else asdict(line.after),
        "p_value": line.p_value,
        "p_holm": line.p_holm,
    }
