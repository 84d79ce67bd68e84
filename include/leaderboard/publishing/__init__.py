"""What leaves the project: results for all, details in private, the words in request files."""

from __future__ import annotations

from include.leaderboard.publishing.files import PublishedFile, published_files
from include.leaderboard.publishing.ranking import rank
from include.leaderboard.publishing.results_json import results_json

__all__ = ["PublishedFile", "published_files", "rank", "results_json"]
