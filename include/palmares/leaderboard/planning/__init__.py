"""From a model's own files, a suite and a cluster to the job that runs it."""

from __future__ import annotations

from palmares.leaderboard.planning.plan import JobPlan, hyperparameters
from palmares.leaderboard.planning.planner import plan_job

__all__ = ["JobPlan", "hyperparameters", "plan_job"]
