"""How an attempt ended, how often it is tried again, and what of its console may be shown."""

from __future__ import annotations

from palmares.leaderboard.outcomes.budgets import RetryBudgets, within_budget
from palmares.leaderboard.outcomes.classes import SENTENCES, Decision, fault_of
from palmares.leaderboard.outcomes.classification import AttemptOutcome, Child, Termination, classify
from palmares.leaderboard.outcomes.console import safe_line

__all__ = [
    "SENTENCES",
    "AttemptOutcome",
    "Child",
    "Decision",
    "RetryBudgets",
    "Termination",
    "classify",
    "fault_of",
    "safe_line",
    "within_budget",
]
