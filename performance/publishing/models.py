"""What is published for one model: as many files as in production, about as large, without an evaluation."""

from __future__ import annotations

import json
import random

from palmares.leaderboard.settings import HubSettings
from palmares.store.outbox.queue import OutboxEntry

PUBLIC_FILES = tuple(f"{kind}_2026-01-01.json" for kind in ("results", "lm_eval", "provenance"))
PRIVATE_FILES = tuple(
    f"2026-01-01/{name}"
    for task in ("bac-fr", "ifeval-fr", "gpqa-fr")
    for name in (f"details_{task}.parquet", f"graded_{task}.jsonl")
)
FILES_A_MODEL = len(PUBLIC_FILES) + len(PRIVATE_FILES)
"""As `steps.sweep.publishing` queues for a suite of three tasks; the request's status comes on top."""


def request_path(number: int) -> str:
    """The request file of a model; fifty organisations share them."""
    return f"org-{number % 50}/model-{number}_eval_request_False_bfloat16_Original.json"


def request_file(number: int) -> bytes:
    """The request as its sender wrote it, with a field that nobody here knows."""
    request = {"model": model_id(number), "status": "RUNNING", "sender": f"user-{number}", "note": "à garder"}
    return json.dumps(request, ensure_ascii=False, indent=2).encode() + b"\n"


def model_id(number: int) -> str:
    """The model's name."""
    return f"org-{number % 50}/model-{number}"


def files_of(number: int, hub: HubSettings) -> dict[tuple[str, str], bytes]:
    """Repository and path to content: 10 kB public, 120 kB private, the same for the same number."""
    noise = random.Random(number)
    files = {
        (hub.results_repo, f"{model_id(number)}/{name}"): _json(number, name, noise) for name in PUBLIC_FILES
    }
    return files | {
        (hub.details_repo, f"{model_id(number)}/{name}"): noise.randbytes(20_000) for name in PRIVATE_FILES
    }


def _json(number: int, name: str, noise: random.Random) -> bytes:
    scores = {f"task-{task}": noise.random() for task in range(100)}
    return json.dumps({"model": model_id(number), "file": name, "scores": scores}).encode()


def entries_of(number: int, hub: HubSettings) -> list[OutboxEntry]:
    """Everything that publishing a model queues, in its order."""
    job_key = f"{number:032}"
    entries = [
        OutboxEntry(
            key=f"{repo_id}:{path}",
            repo_id=repo_id,
            private=repo_id == hub.details_repo,
            kind="put",
            path=path,
            content=content,
            job_key=job_key,
            message=f"Results of {model_id(number)}",
        )
        for (repo_id, path), content in files_of(number, hub).items()
    ]
    entries.append(
        OutboxEntry(
            key=f"finished:{number}",
            repo_id=hub.requests_repo,
            private=False,
            kind="edit_request",
            path=request_path(number),
            changes={"status": "FINISHED", "result_metrics_average": number / 1000},
            job_key=job_key,
            message=f"FINISHED {request_path(number)}",
        )
    )
    return entries
