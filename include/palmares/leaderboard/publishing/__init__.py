"""What leaves the project: results for all, details in private, the words in request files."""

from __future__ import annotations

from palmares.leaderboard.publishing.contents import Contents, contents_of
from palmares.leaderboard.publishing.contents_table import CONTENTS_PATH, contents_parquet
from palmares.leaderboard.publishing.cost import Cost, cost_of
from palmares.leaderboard.publishing.entry import PublishedResult
from palmares.leaderboard.publishing.files import PublishedFile, published_files
from palmares.leaderboard.publishing.provenance import Provenance
from palmares.leaderboard.publishing.ranking import rank
from palmares.leaderboard.publishing.results_json import results_json

__all__ = [
    "CONTENTS_PATH",
    "Contents",
    "Cost",
    "Provenance",
    "PublishedFile",
    "PublishedResult",
    "contents_of",
    "contents_parquet",
    "cost_of",
    "published_files",
    "rank",
    "results_json",
]
