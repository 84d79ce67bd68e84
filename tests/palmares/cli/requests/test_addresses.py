"""Where the commands find their services: options, the environment, the embedded stack, in this order."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
from palmares.cli.requests.addresses import Addresses, UnusableInputError, find_addresses
from palmares.leaderboard.errors import StackError

from devstack.supervisor.paths import StackPaths
from devstack.supervisor.state import StackState, Supervisor, prepare_home

CONNECTION = '{"conn_type": "generic", "host": "http://hub.example", "password": "hf_secret"}'


def find(home: Path | None = None, **given: str | None) -> Addresses:
    environment = {name: value for name, value in given.items() if name.isupper() and value is not None}
    return find_addresses(hub=given.get("hub"), store=given.get("store"), home=home, environment=environment)


@pytest.fixture
def stack(tmp_path: Path) -> StackState:
    paths = StackPaths.locate(tmp_path / "state")
    prepare_home(paths)
    alive = Supervisor(pid=os.getpid(), create_time=psutil.Process().create_time())
    state = StackState(ports={"hub": 8190, "postgres": 5499, "clearml_api": 8108}, supervisor=alive)
    state.save(paths)
    return state


def test_the_embedded_stack_is_found_in_its_home(stack: StackState, tmp_path: Path) -> None:
    found = find(tmp_path / "state", AIRFLOW_CONN_PALMARES_DB="postgresql://elsewhere/db")

    assert found == Addresses(
        hub_endpoint="http://127.0.0.1:8190",
        hub_token=stack.keys.hub_token,
        store_url=stack.database_url("palmares"),
        storage_url=(tmp_path / "state" / "storage").as_uri(),
        clearml_api=stack.url("clearml_api"),
        clearml_keys=stack.clearml_keys,
    )


def test_a_stack_that_is_down_is_named_with_what_to_do(stack: StackState, tmp_path: Path) -> None:
    stack.model_copy(update={"supervisor": None}).save(StackPaths.locate(tmp_path / "state"))

    with pytest.raises(StackError, match=r"is down\. Start it: palmares up"):
        find(tmp_path / "state")


def test_a_deployment_is_found_in_the_environment() -> None:
    found = find(AIRFLOW_CONN_PALMARES_DB="postgresql://db/p", AIRFLOW_CONN_HUGGINGFACE_HUB=CONNECTION)

    assert (found.hub_endpoint, found.hub_token) == ("http://hub.example", "hf_secret")
    assert (found.store_url, found.storage_url) == ("postgresql://db/p", None)


def test_options_go_before_the_environment_and_a_token_only_to_its_own_hub() -> None:
    found = find(
        hub="http://other.example",
        store="postgresql://other/p",
        AIRFLOW_CONN_PALMARES_DB="postgresql://db/p",
        AIRFLOW_CONN_HUGGINGFACE_HUB=CONNECTION,
    )

    assert (found.hub_endpoint, found.hub_token) == ("http://other.example", None)
    assert found.store_url == "postgresql://other/p"


def test_without_a_word_about_the_hub_it_is_the_public_one() -> None:
    assert find(store="postgresql://db/p").hub_endpoint == "https://huggingface.co"
    assert find(store="postgresql://db/p", HF_ENDPOINT="http://h", HF_TOKEN="t").hub_token == "t"


def test_addresses_do_not_show_their_secrets() -> None:
    found = find(store="postgresql://u:hush@db/p", AIRFLOW_CONN_HUGGINGFACE_HUB=CONNECTION)

    assert "hush" not in repr(found)
    assert "hf_secret" not in repr(found)


def test_a_stack_without_ports_is_none(tmp_path: Path) -> None:
    paths = StackPaths.locate(tmp_path)
    prepare_home(paths)
    StackState().save(paths)

    with pytest.raises(UnusableInputError, match="There is no stack"):
        find(tmp_path)
