"""From a model's own files, a suite and a cluster to the job that runs it."""

from __future__ import annotations

from include.leaderboard.planning.hyperparameters import hyperparameters
from include.leaderboard.planning.plan import JobPlan
from include.leaderboard.planning.planner import plan_job

__all__ = ["JobPlan", "hyperparameters", "plan_job"]
