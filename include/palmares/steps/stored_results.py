"""What is kept of an evaluation: its accepted outputs, its graded records and its scores."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from palmares.leaderboard.errors import ResultsFormatError, StoreError
from palmares.leaderboard.results import Manifest
from palmares.leaderboard.scoring import IDENTITY, ScoredResults
from palmares.leaderboard.suites import Suite
from palmares.steps.services import Services
from palmares.store.results import AcceptedResults

Records = list[dict[str, Any]]
"""Graded records of one task: row ids and verdicts, no text."""


def accepted_results(services: Services, job_key: str) -> AcceptedResults:
    """Find what `fetch_results` verified and accepted.

    Raises:
        StoreError: Nothing was accepted for this key.
    """
    accepted = services.store.results.accepted(job_key)
    if accepted is None:
        raise StoreError(f"No results of {job_key} were accepted. Clear fetch_results of this model.")
    return accepted


@contextmanager
def accepted_outputs(services: Services, accepted: AcceptedResults) -> Iterator[tuple[Path, Manifest]]:
    """Copy accepted outputs into a folder that lasts as long as the block.

    They were verified when they were accepted; here each byte is compared with the hashes kept then.

    Yields:
        The folder, and the manifest that was verified with it.

    Raises:
        ResultsFormatError: The copy in storage is missing or was altered, or this version cannot read the
            manifest.
    """
    try:
        manifest = Manifest.model_validate(accepted.manifest)
    except ValidationError as error:
        raise ResultsFormatError(
            f"The manifest kept for {accepted.job_key} cannot be read: {error.error_count()} problems, the "
            f"first at {error.errors()[0]['loc']}. Evaluate again with force."
        ) from error
    with tempfile.TemporaryDirectory() as scratch:
        yield services.raw.fetch(accepted.raw_url, Path(scratch) / "raw"), manifest


def keep_graded(services: Services, raw_url: str, scored: ScoredResults) -> None:
    """Keep graded records beside the raw outputs, under their scorer's name, version and hash."""
    for task, score in scored.scores_json().items():
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in scored.graded[task])
        services.raw.put_derived(raw_url, _name(task, score), lines.encode())


def read_graded(services: Services, raw_url: str, task: str, score: Mapping[str, Any]) -> Records | None:
    """Read the graded records that a stored score is the mean of; None if none are kept."""
    if not all(score.get(name) for name in IDENTITY):
        return None
    # Evaluations of an older version kept theirs without the hash.
    of_an_older_version = f"{score['scorer']}-{score['scorer_version']}/{task}.jsonl"
    for name in (_name(task, score), of_an_older_version):
        content = services.raw.read_derived(raw_url, name)
        if content is not None:
            return [json.loads(line) for line in content.splitlines()]
    return None


def stored_results(
    services: Services, raw_url: str, scores: Mapping[str, Mapping[str, Any]], suite: Suite
) -> ScoredResults:
    """Read back what was graded and kept: a scorer that changes in between changes nothing.

    Raises:
        GateError: The records contradict a score.
        ResultsFormatError: This version cannot read a score.
        ResultsIncompleteError: A task has no score or no graded records.
    """
    graded = {task: read_graded(services, raw_url, task, score) for task, score in scores.items()}
    kept = {task: records for task, records in graded.items() if records is not None}
    return ScoredResults.from_stored(scores, kept, suite=suite)


def _name(task: str, score: Mapping[str, Any]) -> str:
    version = f"{score['scorer']}-{score['scorer_version']}-{score['scorer_hash'][:12]}"
    return f"{version}/{task}.jsonl"
