"""What a job's ending means, how often it is tried again, and what of its console may be shown."""

from __future__ import annotations

from palmares.leaderboard.outcomes.budgets import RetryBudgets, within_budget
from palmares.leaderboard.outcomes.classes import MODELS_FAULT, SENTENCES, FailureClass, Outcome
from palmares.leaderboard.outcomes.console import safe_line
from palmares.leaderboard.outcomes.verdict import Child, JobEnding, Verdict, classify_job_ending

__all__ = [
    "MODELS_FAULT",
    "SENTENCES",
    "Child",
    "FailureClass",
    "JobEnding",
    "Outcome",
    "RetryBudgets",
    "Verdict",
    "classify_job_ending",
    "safe_line",
    "within_budget",
]
