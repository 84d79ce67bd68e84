"""Grades capitals."""

from __future__ import annotations

from pathlib import Path

from palmares.benchmarks.scorer import DetailsRow, Grade, hash_sources


class CapitalesScorer:
    """Right where the capital's name is in the answer, whatever its case."""

    name = "capitales-fr"
    version = "1"
    code_hash = hash_sources(Path(__file__))

    def grade(self, row: DetailsRow) -> Grade:
        said = row.predictions[0] if row.predictions else ""
        correct = row.gold[0].lower() in said.lower()
        return Grade(
            correct=correct, extracted=said.strip() or None, method="contains", reason="Looked for the name."
        )
