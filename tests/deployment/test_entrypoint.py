"""No container starts without its secrets, and docker/make_env.py makes them."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.deployment.conftest import read_env

ROOT = Path(__file__).resolve().parents[2]
ENTRYPOINT = ROOT / "docker" / "entrypoint.py"


def load(name: str) -> ModuleType:
    """Import a script of docker/, which is no package: in the image its files stand alone."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docker" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_env(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run make_env.py as a user does, in a copy of what it needs."""
    (folder / "docker").mkdir(exist_ok=True)
    shutil.copy(ROOT / "docker" / "make_env.py", folder / "docker")
    shutil.copy(ROOT / ".env.example", folder)
    script = folder / "docker" / "make_env.py"
    return subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)


@pytest.fixture
def made(tmp_path: Path) -> dict[str, str]:
    make_env(tmp_path)
    return read_env(tmp_path / ".env")


def api_server(compose_with: Any, variables: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = compose_with(variables)["services"]["airflow-api-server"]["environment"]
    return found


def run_entrypoint(
    environment: dict[str, str], home: Path, *command: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ENTRYPOINT), *command],
        env={**environment, "AIRFLOW_HOME": str(home), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_made_env_file_has_fresh_secrets_only_the_owner_reads(tmp_path: Path, made: dict[str, str]):
    example = read_env(ROOT / ".env.example")
    filled = {name for name in made if made[name] != example[name]}
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert made.keys() == example.keys()
    assert len({made[name] for name in filled}) == len(filled)
    assert {name for name in made if not made[name]} == {"HF_TOKEN", "PALMARES_DB"}
    assert len(base64.urlsafe_b64decode(made["AIRFLOW_FERNET_KEY"])) == 32


def test_an_env_file_is_never_overwritten(tmp_path: Path, made: dict[str, str]):
    again = make_env(tmp_path)
    assert again.returncode == 1
    assert "exists" in again.stderr
    assert read_env(tmp_path / ".env") == made


def test_a_made_env_file_has_no_problem(compose_with: Any, made: dict[str, str]):
    assert list(load("entrypoint").problems(api_server(compose_with, made), ["airflow", "api-server"])) == []


def test_without_an_env_file_every_missing_secret_is_named(compose_with: Any, tmp_path: Path):
    found = run_entrypoint(api_server(compose_with, {}), tmp_path, "airflow", "api-server")
    assert found.returncode == 1
    for name in (
        "AIRFLOW_ADMIN_PASSWORD",
        "AIRFLOW_API_SECRET_KEY",
        "AIRFLOW_FERNET_KEY",
        "AIRFLOW_JWT_SECRET",
        "CLEARML_API_ACCESS_KEY",
        "CLEARML_API_SECRET_KEY",
        "PALMARES_DB_PASSWORD",
        "POSTGRES_PASSWORD",
        "REDIS_PASSWORD",
    ):
        assert name in found.stderr, name
    assert "make_env.py" in found.stderr


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("POSTGRES_PASSWORD", "pass/word", "POSTGRES_PASSWORD has a character"),
        ("POSTGRES_PASSWORD", "pass#word", "POSTGRES_PASSWORD has a character"),
        ("REDIS_PASSWORD", "pass/word", "REDIS_PASSWORD has a character"),
        ("CLEARML_API_SECRET_KEY", 'a"b', "a CLEARML_… value has a quotation mark"),
        ("AIRFLOW_FERNET_KEY", "abc", "AIRFLOW_FERNET_KEY is not"),
        ("AIRFLOW_JWT_SECRET", "hunter2", "AIRFLOW_JWT_SECRET is shorter than 64"),
        ("PALMARES_DB", "postgresql://palmares@db.example/palmares", "PALMARES_DB_PASSWORD, or the password"),
    ],
)
def test_a_malformed_secret_is_named_without_being_shown(
    compose_with: Any, made: dict[str, str], name: str, value: str, complaint: str
):
    environment = api_server(compose_with, {**made, name: value})
    (problem,) = load("entrypoint").problems(environment, ["airflow", "scheduler"])
    assert problem.startswith(complaint)
    assert value not in problem


def test_with_its_secrets_it_becomes_the_command(compose_with: Any, made: dict[str, str], tmp_path: Path):
    environment = api_server(compose_with, made)
    show = "import os; print(sorted(n for n in os.environ if n.startswith('PALMARES_')))"
    found = run_entrypoint(environment, tmp_path, sys.executable, "-c", show)
    password_file = tmp_path / "simple_auth_manager_passwords.json.generated"
    assert (found.returncode, found.stdout.strip()) == (0, "['PALMARES_CONFIG_DIR', 'PALMARES_STORAGE_URL']")
    assert json.loads(password_file.read_text()) == {"admin": made["AIRFLOW_ADMIN_PASSWORD"]}
    assert stat.S_IMODE(password_file.stat().st_mode) == 0o600


def test_airflow_accepts_the_password_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    load("entrypoint").write_admin_password(tmp_path, "opensesame")
    password_file = tmp_path / "simple_auth_manager_passwords.json.generated"
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(password_file))
    assert SimpleAuthManager.get_passwords() == {"admin": "opensesame"}


@pytest.mark.parametrize(
    ("script", "environment", "complaint"),
    [
        ("agent.sh", {}, "Name the queue"),
        ("postgres-init.sh", {}, "PALMARES_DB_PASSWORD: is empty"),
    ],
)
def test_scripts_stop_before_doing_anything_without_what_they_need(
    script: str, environment: dict[str, str], complaint: str
):
    found = subprocess.run(
        ["sh", str(ROOT / "docker" / script)],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode != 0
    assert complaint in found.stderr


@pytest.mark.parametrize(
    ("service", "key", "name"),
    [
        ("redis", "command", "REDIS_PASSWORD"),
        ("clearml-apiserver", "entrypoint", "CLEARML_API_ACCESS_KEY"),
        ("clearml-apiserver", "entrypoint", "CLEARML_API_SECRET_KEY"),
        ("clearml-apiserver", "entrypoint", "CLEARML_SERVER_SECRET"),
    ],
)
def test_servers_of_others_stop_at_an_empty_secret_too(
    compose_with: Any, made: dict[str, str], service: str, key: str, name: str
):
    found = compose_with({**made, name: ""})["services"][service]
    ended = subprocess.run(
        found[key],
        env={**found["environment"], "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert name in ended.stderr
    assert "is empty in .env" in ended.stderr
