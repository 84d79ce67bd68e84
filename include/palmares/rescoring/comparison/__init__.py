"""What changed between two versions of a scorer: row by row, model by model, and in the ranking."""

from __future__ import annotations

from palmares.rescoring.comparison.changes import (
    ComparisonReport,
    Move,
    ScoreAt,
    VerdictChanges,
    compare,
    overall,
)
from palmares.rescoring.comparison.drawing import chart
from palmares.rescoring.comparison.output import markdown, to_json
from palmares.rescoring.comparison.private_texts import write_texts

__all__ = [
    "ComparisonReport",
    "Move",
    "ScoreAt",
    "VerdictChanges",
    "chart",
    "compare",
    "markdown",
    "overall",
    "to_json",
    "write_texts",
]
