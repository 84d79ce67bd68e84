"""Scores as a function of stored outputs: graders, means with their errors, and the gate."""

from __future__ import annotations

from palmares.leaderboard.scoring.score import Score, ScoredResults, average, score_results
from palmares.leaderboard.scoring.scorer import Grade, Scorer
from palmares.leaderboard.scoring.statistics import normalize

__all__ = ["Grade", "Score", "ScoredResults", "Scorer", "average", "normalize", "score_results"]
