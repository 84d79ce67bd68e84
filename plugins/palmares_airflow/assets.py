"""What DAGs tell each other: assets."""

from __future__ import annotations

from airflow.sdk import Asset

RESULTS = Asset(name="palmares_results", uri="x-palmares://results", group="palmares")
"""The published results, all of them: whoever hears of a change reads the store."""
