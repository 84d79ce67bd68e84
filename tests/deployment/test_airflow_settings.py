"""What docker-compose.yaml tells Airflow is understood by the Airflow that is locked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from celery.app.backends import by_url  # type: ignore[import-untyped]
from celery.backends.database import DatabaseBackend  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]
CONNECTIONS = {"clearml_default", "huggingface_hub", "palmares_db"}

SHOW_CONNECTIONS = """
import json, sys
from airflow.sdk import Connection
found = {}
for name in sys.argv[1:]:
    connection = Connection.get(name)
    found[name] = {k: getattr(connection, k) for k in ("conn_type", "host", "login", "password", "schema")}
    found[name]["extra"] = connection.extra_dejson
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def environment(compose_with: Any) -> dict[str, str]:
    """The worker's environment, with every secret set."""
    secrets = (
        "AIRFLOW_JWT_SECRET",
        "POSTGRES_PASSWORD",
        "REDIS_PASSWORD",
        "PALMARES_DB_PASSWORD",
        "HF_TOKEN",
    )
    keys = ("CLEARML_API_ACCESS_KEY", "CLEARML_API_SECRET_KEY")
    document = compose_with({name: f"secret{name[:3]}" for name in (*secrets, *keys)})
    found: dict[str, str] = document["services"]["airflow-worker"]["environment"]
    return found


def known_options() -> set[str]:
    """Every option of the installed Airflow and of its Celery provider, as an environment variable."""
    import airflow
    from airflow.providers.celery.get_provider_info import get_provider_info

    core = Path(airflow.__file__).parent / "config_templates" / "config.yml"
    sections = yaml.load(core.read_text(), Loader=yaml.CSafeLoader) | get_provider_info()["config"]
    return {
        f"AIRFLOW__{section}__{option}".upper()
        for section, content in sections.items()
        for option in content["options"]
    }


def test_every_airflow_option_exists(environment: dict[str, str]):
    used = {name for name in environment if name.startswith("AIRFLOW__")}
    assert len(used) > 10
    assert used - known_options() == set()


def test_the_three_connections_are_read_by_airflow(environment: dict[str, str], tmp_path: Path):
    found = subprocess.run(
        [sys.executable, "-c", SHOW_CONNECTIONS, *sorted(CONNECTIONS)],
        env={name: value for name, value in environment.items() if name.startswith("AIRFLOW_CONN_")}
        | {"AIRFLOW_HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    connections = json.loads(found.stdout.splitlines()[-1])
    assert connections["clearml_default"] == {
        "conn_type": "clearml",
        "host": "http://clearml-apiserver:8008",
        "login": "secretCLE",
        "password": "secretCLE",
        "schema": None,
        "extra": {"files_host": "http://clearml-fileserver:8081", "web_host": "http://localhost:8082"},
    }
    assert connections["huggingface_hub"]["host"] == "https://huggingface.co"
    assert connections["huggingface_hub"]["password"] == "secretHF_"
    assert connections["palmares_db"]["host"] == "postgres"
    assert connections["palmares_db"]["schema"] == "palmares"
    assert connections["palmares_db"]["password"] == "secretPAL"


def test_celery_keeps_results_in_the_database_and_queues_in_redis(environment: dict[str, str]):
    backend, url = by_url(environment["AIRFLOW__CELERY__RESULT_BACKEND"])
    assert backend is DatabaseBackend
    assert url == environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    broker = urlsplit(environment["AIRFLOW__CELERY__BROKER_URL"])
    assert (broker.scheme, broker.hostname, broker.password) == ("redis", "redis", "secretRED")


def test_pools_of_the_dags_are_those_that_init_creates():
    dags = "".join(path.read_text() for path in (ROOT / "dags").glob("*.py"))
    init = (ROOT / "docker" / "init.sh").read_text()
    named = {part.split('"', 1)[0] for part in dags.split('pool="')[1:]}
    created = {line.split()[3] for line in init.splitlines() if line.startswith("airflow pools set")}
    assert named <= created | {"default_pool"}
