"""What a job's ending means, how often it is tried again, and what of its console may be shown."""

from __future__ import annotations

from include.leaderboard.endings.budgets import RetryBudgets, within_budget
from include.leaderboard.endings.classes import MODELS_FAULT, SENTENCES, FailureClass, Outcome
from include.leaderboard.endings.console import safe_line
from include.leaderboard.endings.verdict import Child, JobEnding, Verdict, classify_job_ending

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
