"""The adapter against the embedded Hub, and against a server that misbehaves on demand."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from palmares.hub import Hub

from tests.fixtures.hub_server import FailingServer, HubServer, failing_server, running_hub
from tests.palmares.store.conftest import postgres_url, store, store_url

__all__ = ["postgres_url", "store", "store_url"]

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def hub_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    with running_hub(tmp_path_factory.mktemp("hub")) as server:
        yield server


@pytest.fixture
def hub(hub_server: HubServer) -> Hub:
    return Hub(endpoint=hub_server.endpoint, token=hub_server.token)


@pytest.fixture
def api(hub_server: HubServer):
    from huggingface_hub import HfApi

    return HfApi(endpoint=hub_server.endpoint, token=hub_server.token)


@pytest.fixture
def failing() -> Iterator[FailingServer]:
    with failing_server() as server:
        yield server


@pytest.fixture
def new_dataset(hub: Hub) -> Callable[[], str]:
    """Create a dataset with a name of its own."""

    def create() -> str:
        repo_id = f"demo/data-{next(_numbers)}"
        hub.ensure_dataset(repo_id, private=False)
        return repo_id

    return create


@pytest.fixture
def new_model(api) -> Callable[..., str]:
    """Create a model with some files."""

    def create(files: dict[str, bytes], *, namespace: str = "lab") -> str:
        from huggingface_hub import CommitOperationAdd

        repo_id = f"{namespace}/model-{next(_numbers)}"
        api.create_repo(repo_id)
        operations = [CommitOperationAdd(path, content) for path, content in files.items()]
        api.create_commit(repo_id, operations, commit_message="Write")
        return repo_id

    return create
