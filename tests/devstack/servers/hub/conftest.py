"""One server for the read-and-write tests of the embedded Hub; each test takes repositories of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.fixtures.hub_server import HubServer, running_hub

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def hub_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    with running_hub(tmp_path_factory.mktemp("hub")) as server:
        yield server


@pytest.fixture
def api(hub_server: HubServer):
    from huggingface_hub import HfApi

    return HfApi(endpoint=hub_server.endpoint, token=hub_server.token)


@pytest.fixture
def stranger(hub_server: HubServer):
    from huggingface_hub import HfApi

    return HfApi(endpoint=hub_server.endpoint, token=False)


@pytest.fixture
def new_repo(api) -> Callable[..., str]:
    """Create a repository with a name of its own."""

    def create(repo_type: str = "dataset", *, namespace: str = "demo", **options) -> str:
        repo_id = f"{namespace}/repo-{next(_numbers)}"
        api.create_repo(repo_id, repo_type=repo_type, **options)
        return repo_id

    return create
