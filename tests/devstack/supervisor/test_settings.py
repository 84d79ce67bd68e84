"""What the parts have in their environment."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from devstack.supervisor.ports import USUAL_PORTS
from devstack.supervisor.settings import (
    agent_environment,
    airflow_environment,
    services_environment,
    write_settings,
)
from devstack.supervisor.state import StackState, prepare_home


@pytest.fixture
def state() -> StackState:
    return StackState(ports=dict(USUAL_PORTS))


def test_an_agent_gets_no_key_of_airflow_and_no_database(paths, state):
    agent = agent_environment(paths, state, 0)
    keys = state.keys
    secrets = {keys.fernet_key, keys.airflow_jwt_secret, keys.airflow_api_secret, keys.airflow_admin_password}
    secrets |= {keys.airflow_db_password, keys.palmares_db_password, keys.postgres_password}
    assert not [name for name, value in agent.items() if any(secret in value for secret in secrets)]
    assert not [name for name in agent if name.startswith("AIRFLOW")]


def test_two_agents_share_neither_home_nor_name(paths, state):
    first, second = (agent_environment(paths, state, number) for number in (0, 1))
    for name in ("HOME", "TMPDIR", "CLEARML_WORKER_ID"):
        assert first[name] != second[name]


def test_everything_listens_and_talks_on_loopback_only(paths, state):
    airflow = airflow_environment(paths, state)
    assert airflow["AIRFLOW__API__HOST"] == "127.0.0.1"
    for name in ("AIRFLOW_CONN_CLEARML_DEFAULT", "AIRFLOW_CONN_HUGGINGFACE_HUB"):
        assert json.loads(airflow[name])["host"].startswith("http://127.0.0.1:")
    assert "@127.0.0.1:" in airflow["AIRFLOW_CONN_PALMARES_DB"]


def test_a_variable_of_the_callers_shell_does_not_reach_the_parts(paths, state, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    for environment in (airflow_environment(paths, state), services_environment(paths, state)):
        assert "HTTP_PROXY" not in environment
    assert airflow_environment(paths, state)["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"


def test_settings_of_the_callers_own_reach_every_part(paths, state, monkeypatch):
    monkeypatch.setenv("PALMARES_CONFIG_DIR", "/elsewhere")
    for environment in (airflow_environment(paths, state), agent_environment(paths, state, 0)):
        assert environment["PALMARES_CONFIG_DIR"] == "/elsewhere"


def test_the_env_file_gives_a_shell_the_same_settings_and_is_private(paths, state):
    prepare_home(paths)
    write_settings(paths, state)
    assert paths.env_file.stat().st_mode & 0o777 == 0o600
    script = f"set -a; . '{paths.env_file}'; env -0"
    output = subprocess.run(["sh", "-c", script], env={"PATH": os.defpath}, capture_output=True, check=True)
    shell = dict(line.split("=", 1) for line in output.stdout.decode().split("\0") if line)
    airflow = airflow_environment(paths, state)
    assert {name: shell[name] for name in airflow if name.startswith("AIRFLOW")} == {
        name: value for name, value in airflow.items() if name.startswith("AIRFLOW")
    }
    assert shell["HF_ENDPOINT"] == state.url("hub")


def test_the_services_can_be_made_to_fail_only_if_the_callers_shell_says_so(paths, state, monkeypatch):
    monkeypatch.delenv("PALMARES_FAULTS_TOKEN", raising=False)
    assert "PALMARES_FAULTS_TOKEN" not in services_environment(paths, state)
    monkeypatch.setenv("PALMARES_FAULTS_TOKEN", "secret")
    assert services_environment(paths, state)["PALMARES_FAULTS_TOKEN"] == "secret"
    for environment in (airflow_environment(paths, state), agent_environment(paths, state, 0)):
        assert "PALMARES_FAULTS_TOKEN" not in environment
