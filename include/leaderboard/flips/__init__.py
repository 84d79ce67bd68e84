"""What changed between two versions of a scorer: row by row, model by model, and in the ranking."""

from __future__ import annotations

from include.leaderboard.flips.as_json import to_json
from include.leaderboard.flips.as_markdown import markdown
from include.leaderboard.flips.changes import ModelFlips, compare
from include.leaderboard.flips.drawing import chart
from include.leaderboard.flips.paired import holm, mcnemar
from include.leaderboard.flips.private_texts import write_texts
from include.leaderboard.flips.ranks import Move
from include.leaderboard.flips.report import FlipReport, ScoreAt, overall

__all__ = [
    "FlipReport",
    "ModelFlips",
    "Move",
    "ScoreAt",
    "chart",
    "compare",
    "holm",
    "markdown",
    "mcnemar",
    "overall",
    "to_json",
    "write_texts",
]
