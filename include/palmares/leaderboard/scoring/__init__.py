"""Scores as a function of stored outputs: graders, means with their errors, and the gate."""

from __future__ import annotations

from palmares.leaderboard.scoring.score import IDENTITY, Score, ScoredResults, average, score_results

__all__ = ["IDENTITY", "Score", "ScoredResults", "average", "score_results"]
