"""Every file that is published for a model: which repository, which path, which bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from palmares.leaderboard.errors import ResultsIncompleteError
from palmares.leaderboard.planning.plan import JobPlan
from palmares.leaderboard.publishing.cost import Cost, cost_of
from palmares.leaderboard.publishing.eval_results import eval_results_yaml
from palmares.leaderboard.publishing.every_eval_ever import every_eval_ever_json, every_eval_ever_path
from palmares.leaderboard.publishing.hidden import check_nothing_hidden
from palmares.leaderboard.publishing.lm_eval_json import public_lm_eval_json
from palmares.leaderboard.publishing.provenance import provenance_json
from palmares.leaderboard.publishing.results_json import results_json
from palmares.leaderboard.publishing.settings import PublishingSettings
from palmares.leaderboard.results.manifest import Manifest
from palmares.leaderboard.scoring.score import ScoredResults
from palmares.leaderboard.submissions.submission import Submission
from palmares.leaderboard.suites import Suite


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
    cost: Cost | None = None,
    settings: PublishingSettings | None = None,
    results_repo: str = "",
    task_sha256s: Mapping[str, str] | None = None,
    clearml_task_id: str | None = None,
    stamp: str | None = None,
    rescoring: Mapping[str, Any] | None = None,
) -> list[PublishedFile]:
    """Make a model's files; paths carry the job's time, so that history is kept and a retry changes nothing.

    Args:
        submission: Names the model.
        plan: Where it ran, for the provenance.
        manifest: Of the verified outputs.
        scored: Their scores.
        folder: The verified outputs.
        suite: Whose details are published.
        cost: What the job took; None: GPU-hours by the plan, and no carbon.
        settings: Says which optional targets are written; None: none, and no Hub's address is known.
        results_repo: Where the public files go: optional targets link there.
        task_sha256s: Hashes of the task definitions, by task key; None: not known.
        clearml_task_id: Of the job; None: the manifest says.
        stamp: Time in the names of whatever depends on the scorers; None: the job's.
        rescoring: For the results JSON: what these scores replaced; None: they are the first.

    Raises:
        GateError: A public file would hold a text of the hidden rows.
        ResultsIncompleteError: A task has no score.
        ValueError: The run was limited.
    """
    if missing := sorted(set(suite.task_keys) - {score.key for score in scored.scores.values()}):
        raise ResultsIncompleteError(
            f"{submission.model_id}: no score of {missing}. Nothing was published: evaluate them again."
        )
    timestamp, model = manifest.timestamp, submission.model_id
    stamp = stamp or timestamp
    settings = settings or PublishingSettings()
    lm_eval = (folder / manifest.lm_eval_file).read_bytes()
    results = results_json(submission, plan, manifest, scored, clearml_task_id, rescoring=rescoring)
    public = {
        f"{model}/results_{stamp}.json": results,
        f"{model}/lm_eval_{timestamp}.json": public_lm_eval_json(lm_eval, model_id=model),
    }
    details = [folder / manifest.tasks[key].details for key in suite.task_keys]
    private = {f"{model}/{timestamp}/{PurePosixPath(path.name)}": path.read_bytes() for path in details}
    for task, records in scored.graded.items():
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        private[f"{model}/{timestamp}/graded_{task}_{stamp}.jsonl"] = lines.encode()
    provenance = f"{model}/provenance_{stamp}.json"
    public[provenance] = provenance_json(
        submission,
        plan=plan,
        manifest=manifest,
        scored=scored,
        suite=suite,
        cost=cost or cost_of(plan, duration_s=manifest.duration_s, cluster=None),
        lm_eval=lm_eval,
        task_sha256s=task_sha256s or {},
        published=public | private,
        hub_url=settings.hub_url,
        clearml_task_id=clearml_task_id,
    )
    source_url = f"{settings.hub_url.rstrip('/')}/datasets/{results_repo}/blob/main/{provenance}"
    public |= _optional(
        submission,
        manifest=manifest,
        scored=scored,
        suite=suite,
        settings=settings,
        source_url=source_url,
    )
    check_nothing_hidden(public, details)
    return [
        *(PublishedFile(target="results", path=path, content=content) for path, content in public.items()),
        *(PublishedFile(target="details", path=path, content=content) for path, content in private.items()),
    ]


def _optional(
    submission: Submission,
    *,
    manifest: Manifest,
    scored: ScoredResults,
    suite: Suite,
    settings: PublishingSettings,
    source_url: str,
) -> dict[str, bytes]:
    """Files of the targets that are switched on."""
    files: dict[str, bytes] = {}
    if settings.eval_results.enabled:
        content = eval_results_yaml(
            submission,
            manifest=manifest,
            scored=scored,
            settings=settings.eval_results,
            title=settings.title,
            source_url=source_url,
        )
        if content is not None:
            files[f"{submission.model_id}/.eval_results/palmares_{submission.precision}.yaml"] = content
    if settings.every_eval_ever.enabled:
        files[every_eval_ever_path(submission, suite)] = every_eval_ever_json(
            submission,
            manifest=manifest,
            scored=scored,
            suite=suite,
            settings=settings.every_eval_ever,
            title=settings.title,
            hub_url=settings.hub_url,
        )
    return files
