"""A stack that uses services of a deployment instead of its own."""

from __future__ import annotations

import json

import pytest
from palmares.leaderboard.errors import StackError

from devstack.supervisor.elsewhere import find_elsewhere
from devstack.supervisor.ports import USUAL_PORTS
from devstack.supervisor.settings import agent_environment, airflow_environment
from devstack.supervisor.state import StackState

KEYS = {"CLEARML_API_ACCESS_KEY": "AK", "CLEARML_API_SECRET_KEY": "SK", "HF_TOKEN": "hf_theirs"}
CLEARML = ("https://api.example.org/", "https://files.example.org", "https://app.example.org")


def test_every_part_gets_the_addresses_and_keys_that_were_given(paths):
    elsewhere = find_elsewhere(
        clearml=CLEARML, hub="https://hub.example.org", store="postgresql://u:p@db/palmares", environment=KEYS
    )
    assert elsewhere is not None
    state = StackState(ports=dict(USUAL_PORTS), elsewhere=elsewhere)
    airflow, agent = airflow_environment(paths, state), agent_environment(paths, state, 0)

    clearml = json.loads(airflow["AIRFLOW_CONN_CLEARML_DEFAULT"])
    assert (clearml["host"], clearml["login"], clearml["password"]) == ("https://api.example.org", "AK", "SK")
    assert clearml["extra"] == {
        "files_host": "https://files.example.org",
        "web_host": "https://app.example.org",
    }
    hub = json.loads(airflow["AIRFLOW_CONN_HUGGINGFACE_HUB"])
    assert (hub["host"], hub["password"]) == ("https://hub.example.org", "hf_theirs")
    assert airflow["AIRFLOW_CONN_PALMARES_DB"] == "postgresql://u:p@db/palmares"
    assert agent["CLEARML_API_HOST"] == "https://api.example.org"
    assert (agent["CLEARML_API_ACCESS_KEY"], agent["CLEARML_API_SECRET_KEY"]) == ("AK", "SK")
    assert (agent["HF_ENDPOINT"], agent["HF_TOKEN"]) == ("https://hub.example.org", "hf_theirs")
    # An agent sends what is not named here to a proxy that refuses it.
    assert set(agent["NO_PROXY"].split(",")) >= {"api.example.org", "files.example.org", "hub.example.org"}


def test_a_stack_of_its_own_services_has_its_own_addresses_and_keys(paths):
    assert find_elsewhere(clearml=(None, None, None), hub=None, store=None, environment=KEYS) is None
    state = StackState(ports=dict(USUAL_PORTS))
    assert agent_environment(paths, state, 0)["CLEARML_API_ACCESS_KEY"] == state.keys.clearml_access_key
    assert state.url("clearml_api") == "http://127.0.0.1:8008"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"clearml": ("https://a", None, None)}, "--clearml-files, --clearml-web"),
        ({"clearml": ("a:8008", *CLEARML[1:])}, "--clearml-api"),
        ({"clearml": ("https://user:pw@a", *CLEARML[1:])}, "--clearml-api"),
        ({"hub": "ftp://hub"}, "--hub"),
        ({"store": "sqlite://x"}, "--store"),
        ({"clearml": CLEARML, "environment": {"CLEARML_API_ACCESS_KEY": "AK"}}, "CLEARML_API_SECRET_KEY"),
        ({"hub": "https://hub", "environment": {}}, "HF_TOKEN"),
    ],
)
def test_what_is_missing_or_unusable_is_named(given, message):
    nothing = {"clearml": (None, None, None), "hub": None, "store": None, "environment": KEYS}
    with pytest.raises(StackError, match=message):
        find_elsewhere(**(nothing | given))
