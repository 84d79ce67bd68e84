"""What changed between two versions of a scorer: row by row, model by model, and in the ranking."""

from __future__ import annotations

from palmares.rescoring.comparison.as_json import to_json
from palmares.rescoring.comparison.as_markdown import markdown
from palmares.rescoring.comparison.changes import VerdictChanges, compare
from palmares.rescoring.comparison.drawing import chart
from palmares.rescoring.comparison.paired import holm, mcnemar
from palmares.rescoring.comparison.private_texts import write_texts
from palmares.rescoring.comparison.ranks import Move
from palmares.rescoring.comparison.report import ComparisonReport, ScoreAt, overall

__all__ = [
    "ComparisonReport",
    "Move",
    "ScoreAt",
    "VerdictChanges",
    "chart",
    "compare",
    "holm",
    "markdown",
    "mcnemar",
    "overall",
    "to_json",
    "write_texts",
]
