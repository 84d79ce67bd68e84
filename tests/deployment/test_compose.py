"""docker-compose.yaml is accepted by Docker Compose, and keeps the promises of docs/operate/deployment.md."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "tests" / "data" / "compose-spec.json"
AGENTS = {"clearml-agent", "clearml-agent-gpu"}
WITHOUT_PORT = {"clearml-async-delete"}  # a loop over a queue in the database; nothing to ask it

Services = dict[str, dict[str, Any]]
ComposeWith = Callable[[Mapping[str, str]], dict[str, Any]]


def compose_command() -> list[str] | None:
    """Docker Compose 2 or later, if this machine has it: the plugin, or the stand-alone binary."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if not shutil.which(command[0]):
            continue
        found = subprocess.run([*command, "version", "--short"], capture_output=True, text=True, check=False)
        if found.returncode == 0 and not found.stdout.startswith("1."):
            return command
    return None


def schema_errors(document: dict[str, Any]) -> list[str]:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def test_it_obeys_the_compose_specification_without_an_env_file(compose: dict[str, Any]):
    assert schema_errors(compose) == []


def test_it_obeys_the_compose_specification_with_the_example_env_file(
    compose_with: ComposeWith, env_example: dict[str, str]
):
    assert schema_errors(compose_with(env_example)) == []


def test_the_specification_would_find_a_mistake(compose: dict[str, Any]):
    document = {**compose, "services": {"postgres": {"image": "postgres:17", "helthcheck": {}}}}
    assert any("helthcheck" in error for error in schema_errors(document))


@pytest.mark.parametrize("env_file", [None, ".env.example"])
@pytest.mark.parametrize("profiles", [[], ["clearml", "gpu"]])
def test_docker_compose_itself_accepts_it(tmp_path: Path, env_file: str | None, profiles: list[str]):
    command = compose_command()
    if not command:
        pytest.skip("Docker Compose 2 is not installed; the schema tests above stand in for it")
    shutil.copy(ROOT / "docker-compose.yaml", tmp_path)
    if env_file:
        shutil.copy(ROOT / env_file, tmp_path / ".env")
    options = [part for profile in profiles for part in ("--profile", profile)]
    found = subprocess.run(
        [*command, *options, "config"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    started = yaml.safe_load(found.stdout)["services"]
    assert {"airflow-worker", "postgres", "redis"} <= started.keys()
    assert ("clearml-agent-gpu" in started) is bool(profiles)


def test_the_example_env_file_names_every_variable_and_no_other(
    compose_text: str, env_example: dict[str, str]
):
    assert set(re.findall(r"\$\{([A-Za-z_]\w*)", compose_text.replace("$$", ""))) == env_example.keys()


def test_the_defaults_in_both_files_agree(compose_with: ComposeWith, env_example: dict[str, str]):
    assert compose_with({}) == compose_with(env_example)


def test_no_secret_has_a_default(compose_text: str, env_example: dict[str, str]):
    is_secret = re.compile(r"(KEY|SECRET|PASSWORD|TOKEN)$")
    assert {name for name in env_example if is_secret.search(name) and env_example[name]} == set()
    defaults = re.findall(r"\$\{([A-Za-z_]\w*):-([^}]*)", compose_text.replace("$$", ""))
    assert {name for name, default in defaults if is_secret.search(name) and default} == set()


def test_ports_are_published_on_loopback_only(services: Services):
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_what_stays_up_is_restarted_watched_and_keeps_its_log_small(services: Services):
    for name, service in services.items():
        if name == "airflow-init":
            assert service["restart"] == "no"
            continue
        assert service["restart"] == "unless-stopped", name
        assert service["logging"]["options"]["max-size"], name
        assert ("healthcheck" in service) is (name not in AGENTS | WITHOUT_PORT), name


def test_components_wait_for_what_they_need(services: Services):
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            other = services[needed]
            once = needed == "airflow-init"
            expected = "service_completed_successfully" if once else "service_healthy"
            if (name, needed) == ("airflow-worker", "airflow-api-server"):
                # On a slow host `up` gives up waiting for its health, and would never make the worker.
                expected = "service_started"
            assert how["condition"] == expected, name
            assert once or "healthcheck" in other, (
                f"{name} waits for the health of {needed}, which has no check"
            )
            profiles = set(other.get("profiles", []))
            assert not profiles or profiles == set(service["profiles"]), f"{name} needs another profile"


def test_databases_are_reached_from_inside_only(compose: dict[str, Any], services: Services):
    for name in ("postgres", "redis", "clearml-mongo", "clearml-elasticsearch", "clearml-redis"):
        assert "ports" not in services[name], name
        assert all(compose["networks"][network]["internal"] for network in services[name]["networks"]), name


def test_every_image_of_others_is_pinned_to_a_version(services: Services):
    for name, service in services.items():
        image = service["image"]
        assert re.search(r":v?\d+\.\d+", image), f"{name}: {image}"


def test_volumes_are_declared_and_mounted_files_exist(compose: dict[str, Any], services: Services):
    used = set()
    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume["source"] if isinstance(volume, dict) else volume.split(":")[0]
            if not source.startswith("."):
                used.add(source)
            elif isinstance(volume, str):
                assert (ROOT / source).is_file(), source
    assert used == compose["volumes"].keys()


def test_gpus_are_reserved_for_the_vllm_agent_only(services: Services):
    with_gpu = {name: service["deploy"] for name, service in services.items() if "deploy" in service}
    (device,) = with_gpu["clearml-agent-gpu"]["resources"]["reservations"]["devices"]
    assert with_gpu.keys() == {"clearml-agent-gpu"}
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])


def test_airflow_components_are_those_of_airflow_3(services: Services):
    commands = {" ".join(service["command"]) for name, service in services.items() if "airflow" in name}
    assert {
        "airflow scheduler",
        "airflow dag-processor",
        "airflow triggerer",
        "airflow celery worker",
    } < commands
    assert any(command.startswith("airflow api-server") for command in commands)
    environments = [
        service["environment"] for name, service in services.items() if name.startswith("airflow")
    ]
    assert len(environments) == 6
    assert {environment["AIRFLOW__CORE__EXECUTOR"] for environment in environments} == {"CeleryExecutor"}


def test_agents_serve_queues_of_the_shipped_clusters(services: Services):
    clusters = yaml.safe_load((ROOT / "include/config/clusters.yaml").read_text())["clusters"]
    queues = {queue for cluster in clusters.values() for queue in cluster["queues"].values()}
    assert {services[agent]["command"][0] for agent in AGENTS} <= queues
