"""What the evaluator leaves behind: its manifest, verified."""

from __future__ import annotations

from palmares.leaderboard.results.manifest import Manifest
from palmares.leaderboard.results.verify import verify_results

__all__ = ["Manifest", "verify_results"]
