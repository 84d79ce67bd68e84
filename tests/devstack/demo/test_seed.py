"""Seeding a Hub, with the real client and the embedded server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devstack.demo.seed import GATED_MODEL, REQUESTS_REPO, seed_hub

PETIT = "palmares-demo/petit_eval_request_False_False_False.json"


@pytest.fixture
def hub(tmp_path: Path) -> Any:
    from tests.fixtures.hub_server import running_hub

    with running_hub(tmp_path / "hub") as server:
        yield server


def test_a_fresh_hub_gets_models_and_requests(hub: Any):
    from huggingface_hub import HfApi

    report = seed_hub(hub.endpoint, hub.token)
    assert len(report.created) == 7
    assert report.gated == (GATED_MODEL,)
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    requests = api.list_repo_files(REQUESTS_REPO, repo_type="dataset")
    assert len([path for path in requests if path.endswith(".json")]) == 12
    petit = api.model_info("palmares-demo/petit")
    assert petit.safetensors is not None
    assert petit.safetensors.total == 131392


def test_our_token_may_not_read_the_gated_model(hub: Any):
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError

    seed_hub(hub.endpoint, hub.token)
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    with pytest.raises(GatedRepoError):
        api.auth_check(GATED_MODEL)


def test_seeding_again_changes_nothing_and_resets_no_status(hub: Any):
    from huggingface_hub import HfApi

    seed_hub(hub.endpoint, hub.token)
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    api.upload_file(
        path_or_fileobj=b'{"status": "FINISHED"}',
        path_in_repo=PETIT,
        repo_id=REQUESTS_REPO,
        repo_type="dataset",
    )
    before = api.dataset_info(REQUESTS_REPO).sha
    assert not seed_hub(hub.endpoint, hub.token).changed
    assert api.dataset_info(REQUESTS_REPO).sha == before


def test_what_is_missing_is_added(hub: Any):
    from huggingface_hub import HfApi

    seed_hub(hub.endpoint, hub.token)
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    api.delete_file(PETIT, repo_id=REQUESTS_REPO, repo_type="dataset")
    api.delete_repo("palmares-demo/grand")
    report = seed_hub(hub.endpoint, hub.token)
    assert report.created == ("palmares-demo/grand",)
    assert f"{REQUESTS_REPO}/{PETIT}" in report.uploaded
