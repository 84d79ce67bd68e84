"""The evaluator's version: raise it when the same suite would give other outputs.

It is part of the job key: `evaluator_version` in include/config/leaderboard.yaml must say the same.
"""

from __future__ import annotations

EVALUATOR_VERSION = "1"
