"""Models and requests on the stack's Hub: as many as there are jobs, new ones for every round."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

from performance.overhead.workplace import MODEL, Workplace

ORGANISATION = "palmares-demo"
REQUESTS_REPO = f"{ORGANISATION}/requests"


def ensure_requests_repo(place: Workplace) -> None:
    """Make the requests dataset, empty but for a card: the sweep's first look must find something."""
    _api(place).create_repo(REQUESTS_REPO, repo_type="dataset", exist_ok=True)
    _commit(place, REQUESTS_REPO, {"README.md": b"# Requests\n"}, repo_type="dataset")


def submit(place: Workplace, *, round_number: int, jobs: int) -> list[str]:
    """Upload *jobs* copies of one model under names of their own, and a request for each, all pending.

    Returns:
        The models' names.
    """
    names = [f"{ORGANISATION}/round-{round_number}-model-{number:02d}" for number in range(jobs)]
    files = {path.name: path.read_bytes() for path in sorted(MODEL.iterdir()) if path.is_file()}

    def upload(name: str) -> None:
        _api(place).create_repo(name, exist_ok=True)
        _commit(place, name, files, repo_type="model")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upload, names))
    requests = {
        f"{name}_eval_request_False_bfloat16_Original.json": json.dumps(_request(name, number)).encode()
        for number, name in enumerate(names)
    }
    _commit(place, REQUESTS_REPO, requests, repo_type="dataset")
    return names


def _request(name: str, number: int) -> dict[str, object]:
    return {
        "model": name,
        "base_model": "",
        "revision": "main",
        "private": False,
        "precision": "bfloat16",
        "weight_type": "Original",
        "status": "PENDING",
        "submitted_time": f"2026-01-01T00:{number // 60:02d}:{number % 60:02d}Z",
        "model_type": "pretrained",
        "params": 0.0001,
        "likes": 0,
    }


def _api(place: Workplace):  # type: ignore[no-untyped-def]  # HfApi: imported where it is needed
    from huggingface_hub import HfApi

    return HfApi(endpoint=place.state.url("hub"), token=place.state.keys.hub_token)


def _commit(place: Workplace, repo_id: str, files: dict[str, bytes], *, repo_type: str) -> None:
    from huggingface_hub import CommitOperationAdd

    _api(place).create_commit(
        repo_id,
        [CommitOperationAdd(path_in_repo=path, path_or_fileobj=content) for path, content in files.items()],
        commit_message="Benchmark",
        repo_type=repo_type,
    )
