"""The provenance of a published result: what ran, where, from which content, and how to do it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from palmares.leaderboard.planning.plan import JobPlan
from palmares.leaderboard.publishing.cost import Cost
from palmares.leaderboard.publishing.reproduction import reproduction
from palmares.leaderboard.results.manifest import Manifest
from palmares.leaderboard.scoring.score import ScoredResults
from palmares.leaderboard.submissions.submission import Submission
from palmares.leaderboard.suites import Suite

SCHEMA: Final = "palmares/provenance/1"
SEEDS = ("random_seed", "numpy_seed", "torch_seed", "fewshot_seed")
"""As lm-eval names them in its results."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)


class ProvenanceModel(_Part):
    """The model, frozen at a commit."""

    id: str
    commit: str
    requested_revision: str
    base_model: str | None
    """Of an adapter or a delta, whose weights enter the result; None: the weights are whole."""
    base_commit: str | None
    precision: str
    weight_type: str
    parameters: int | None


class ProvenanceEvaluator(_Part):
    """The software that generated."""

    version: str
    """Part of the job key."""
    image: str | None
    """Container image, as its environment names it; None: not run from one of ours."""
    backend: str
    versions: dict[str, str | None]
    """Of Python and its libraries, as the job reported them."""


class ProvenanceTask(_Part):
    """One task of the suite."""

    lm_eval_task: str
    rows: int
    dataset_sha256: str
    task_sha256: str | None
    """Of its definition; None: the publishing checkout has another suite than the job had."""
    scorer: str
    scorer_version: str
    scorer_sha256: str
    """Of the scorer's code."""


class ProvenanceSuite(_Part):
    """What was asked."""

    name: str
    sha256: str
    """Of all task definitions."""
    tasks: dict[str, ProvenanceTask]
    """By task key."""


class ProvenanceTemplate(_Part):
    """How prompts were wrapped."""

    used: bool
    sha256: str | None


class ProvenanceCost(_Part):
    """Of the accepted attempt, measured."""

    duration_s: float
    gpu_hours: float
    carbon_kg: float | None
    """kg of CO2 equivalent; None: no constants are configured."""
    gpu_power_kw: float | None
    carbon_kg_per_kwh: float | None


class ProvenanceHashes(_Part):
    """SHA-256 of contents, by path."""

    raw_files: dict[str, str]
    """What the job left behind, unchanged; private."""
    published_files: dict[str, str]
    """What was published beside this manifest, public and private."""


class Provenance(_Part):
    """``provenance_<time>.json``, beside each result."""

    schema_: Literal["palmares/provenance/1"] = Field(alias="schema")
    job_key: str
    run_number: int
    attempt: int
    clearml_task_id: str | None
    model: ProvenanceModel
    evaluator: ProvenanceEvaluator
    suite: ProvenanceSuite
    chat_template: ProvenanceTemplate
    seeds: dict[str, int | None]
    """``seed`` as configured, and lm-eval's own four; None: its results do not say."""
    plan: dict[str, Any]
    """The job's plan, with its reasons."""
    started_at: datetime
    ended_at: datetime
    cost: ProvenanceCost
    hashes: ProvenanceHashes
    reproduce: tuple[str, ...]
    """Commands for a shell at the root of a checkout."""


def provenance_json(
    submission: Submission,
    *,
    plan: JobPlan,
    manifest: Manifest,
    scored: ScoredResults,
    suite: Suite,
    cost: Cost,
    lm_eval: bytes,
    task_sha256s: Mapping[str, str],
    published: Mapping[str, bytes],
    hub_url: str,
    clearml_task_id: str | None = None,
) -> bytes:
    """Write a result's provenance; the same arguments give the same bytes.

    Args:
        submission: What was evaluated.
        plan: Of the accepted attempt.
        manifest: Of the verified outputs.
        scored: Their scores.
        suite: What was asked.
        cost: What the attempt took.
        lm_eval: The job's lm-eval JSON, for its seeds.
        task_sha256s: By task key, of the checkout that publishes; empty if its suite is another.
        published: Contents of the other files, by path.
        hub_url: Where the model can be downloaded.
        clearml_task_id: Of the job; None: the manifest says.
    """
    tasks = {
        score.key: ProvenanceTask(
            lm_eval_task=manifest.tasks[score.key].lm_eval_task,
            rows=manifest.tasks[score.key].rows,
            dataset_sha256=manifest.tasks[score.key].dataset_sha256,
            task_sha256=task_sha256s.get(score.key),
            scorer=score.scorer,
            scorer_version=score.scorer_version,
            scorer_sha256=score.scorer_hash,
        )
        for score in scored.scores.values()
    }
    document = Provenance(
        schema=SCHEMA,
        job_key=submission.job_key,
        run_number=submission.run_number,
        attempt=manifest.attempt,
        clearml_task_id=clearml_task_id or manifest.clearml_task_id or None,
        model=ProvenanceModel(
            id=submission.model_id,
            commit=submission.revision,
            requested_revision=submission.requested_revision,
            base_model=submission.base_model,
            base_commit=submission.base_revision,
            precision=submission.precision,
            weight_type=submission.weight_type,
            parameters=manifest.model.parameters,
        ),
        evaluator=ProvenanceEvaluator(
            version=submission.evaluator_version,
            image=manifest.versions.get("image") or None,
            backend=manifest.backend,
            versions={name: value for name, value in manifest.versions.items() if name != "image"},
        ),
        suite=ProvenanceSuite(name=manifest.suite.name, sha256=manifest.suite.hash, tasks=tasks),
        chat_template=ProvenanceTemplate(
            used=manifest.use_chat_template, sha256=manifest.chat_template_sha256
        ),
        seeds={"seed": manifest.seed, **_seeds(lm_eval)},
        plan=plan.to_json(),
        started_at=manifest.started_at,
        ended_at=manifest.ended_at,
        cost=ProvenanceCost(
            duration_s=manifest.duration_s,
            gpu_hours=cost.gpu_hours,
            carbon_kg=cost.carbon_kg,
            gpu_power_kw=cost.gpu_power_kw,
            carbon_kg_per_kwh=cost.carbon_kg_per_kwh,
        ),
        hashes=ProvenanceHashes(
            raw_files={path: file.sha256 for path, file in sorted(manifest.files.items())},
            published_files={
                path: hashlib.sha256(content).hexdigest() for path, content in sorted(published.items())
            },
        ),
        reproduce=reproduction(submission, plan, suite, hub_url=hub_url),
    )
    return (document.model_dump_json(indent=2) + "\n").encode()


def _seeds(lm_eval: bytes) -> dict[str, int | None]:
    config = json.loads(lm_eval).get("config")
    found = config if isinstance(config, dict) else {}
    return {
        name: value if isinstance(value := found.get(name), int) and not isinstance(value, bool) else None
        for name in SEEDS
    }
