"""Every file that is published for a model: which repository, which path, which bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from include.leaderboard.errors import GateError
from include.leaderboard.planning.plan import JobPlan
from include.leaderboard.publishing.lm_eval_json import public_lm_eval_json
from include.leaderboard.publishing.results_json import results_json
from include.leaderboard.results.manifest import Manifest
from include.leaderboard.scoring.score import ScoredResults
from include.leaderboard.submissions.submission import Submission
from include.leaderboard.suites import Suite

HIDDEN_COLUMNS = ("example", "full_prompt", "instruction", "predictions")
SHORTEST_HIDDEN_TEXT = 24
"""Characters of a line that is searched for; shorter ones are found in any text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFile:
    """One file for the Hub."""

    target: Literal["results", "details"]
    """``results`` is public, ``details`` is private."""
    path: str
    content: bytes


def published_files(
    submission: Submission,
    *,
    plan: JobPlan,
    manifest: Manifest,
    scored: ScoredResults,
    folder: Path,
    suite: Suite,
    clearml_task_id: str | None = None,
) -> list[PublishedFile]:
    """Make a model's files; paths carry the job's time, so that history is kept and a retry changes nothing.

    Args:
        submission: Names the model.
        plan: Where it ran, for the provenance.
        manifest: Of the verified outputs.
        scored: Their scores.
        folder: The verified outputs.
        suite: Whose details are published.
        clearml_task_id: Of the job; None: the manifest says.

    Raises:
        GateError: A public file would hold a text of the hidden rows.
        ValueError: The run was limited.
    """
    timestamp = manifest.timestamp
    model = submission.model_id
    public = [
        PublishedFile(
            target="results",
            path=f"{model}/results_{timestamp}.json",
            content=results_json(submission, plan, manifest, scored, clearml_task_id),
        ),
        PublishedFile(
            target="results",
            path=f"{model}/lm_eval_{timestamp}.json",
            content=public_lm_eval_json((folder / manifest.lm_eval_file).read_bytes(), model_id=model),
        ),
    ]
    details = [folder / manifest.tasks[key].details for key in suite.task_keys]
    _check_nothing_hidden(public, details)
    private = [
        PublishedFile(
            target="details",
            path=f"{model}/{timestamp}/{PurePosixPath(path.name)}",
            content=path.read_bytes(),
        )
        for path in details
    ]
    for task, records in scored.graded.items():
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        private.append(
            PublishedFile(
                target="details",
                path=f"{model}/{timestamp}/graded_{task}_{timestamp}.jsonl",
                content=lines.encode(),
            )
        )
    return public + private


def _check_nothing_hidden(public: Iterable[PublishedFile], details: Iterable[Path]) -> None:
    """Search the public files for the texts of the rows; the message names files, never the text."""
    texts = [(file.path, _normalized(file.content.decode())) for file in public]
    for path in details:
        for line in _hidden_lines(path):
            for name, text in texts:
                if line in text:
                    raise GateError(
                        f"{name} would hold a text of the hidden rows in {path.name}. Nothing was published: "
                        "find out which field quotes it, and add it to include/leaderboard/publishing."
                    )


def _hidden_lines(path: Path) -> Iterator[str]:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    columns = [name for name in HIDDEN_COLUMNS if name in file.schema_arrow.names]
    for batch in file.iter_batches(columns=columns):
        for record in batch.to_pylist():
            for text in _texts(list(record.values())):
                for line in text.splitlines():
                    if len(line.strip()) >= SHORTEST_HIDDEN_TEXT:
                        yield _normalized(line)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _normalized(text: str) -> str:
    """One spacing, and no JSON escapes, so that a quoted line is still found."""
    return " ".join(text.replace('\\"', '"').replace("\\n", " ").split())
