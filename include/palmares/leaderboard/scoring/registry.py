"""Who grades which task: scorers by the task's short name."""

from __future__ import annotations

from collections.abc import Mapping

from french_answers import DEFAULT, GradingPolicy

from palmares.leaderboard.scoring.bac_fr import BacFrScorer
from palmares.leaderboard.scoring.gpqa_fr import GpqaFrScorer
from palmares.leaderboard.scoring.ifeval_fr import IfevalFrScorer
from palmares.leaderboard.scoring.scorer import Scorer


def scorers_for(policy: GradingPolicy) -> dict[str, Scorer]:
    """Scorers of generated answers, under a leaderboard's own policy."""
    return {"bac-fr": BacFrScorer(policy), "gpqa-fr": GpqaFrScorer(policy)}


SCORERS: Mapping[str, Scorer] = scorers_for(DEFAULT)
"""For tasks whose score is the share of right rows; they read what the model wrote."""

AVERAGERS: Mapping[str, IfevalFrScorer] = {"ifeval-fr": IfevalFrScorer()}
"""For tasks whose rows hold their verdicts already: these are averaged, no text is read again."""


def known_scorers(policy: GradingPolicy = DEFAULT) -> dict[str, Scorer]:
    """Every scorer, by short task name, under a leaderboard's own policy."""
    return {**scorers_for(policy), **AVERAGERS}
