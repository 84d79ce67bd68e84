"""What the evaluator leaves behind: its manifest, verified."""

from __future__ import annotations

from include.leaderboard.results.manifest import Manifest
from include.leaderboard.results.verify import verify_results

__all__ = ["Manifest", "verify_results"]
