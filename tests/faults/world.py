"""Everything real around the scenarios: PostgreSQL, the embedded services, the evaluator's machine."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from palmares.leaderboard.settings import DEFAULT_CONFIG_DIR
from palmares.steps.services import Services
from palmares.store.outbox.pacing import OutboxLimits

from devstack.demo.seed import MODELS_DIRECTORY, REQUESTS_REPO
from tests.faults.jobs import JobHost
from tests.faults.observe import Place
from tests.faults.servers import Servers

if TYPE_CHECKING:
    import pytest
    from huggingface_hub import HfApi

ORGANISATION = "palmares-fautes"
QUEUE = "local-cpu"
MODEL = MODELS_DIRECTORY / "petit"


@dataclass(slots=True)
class World:
    """Open handles that all scenarios share; each has a model and a request of its own."""

    servers: Servers
    host: JobHost
    services: Services
    api: HfApi
    store_url: str
    environment: pytest.MonkeyPatch

    @property
    def place(self) -> Place:
        return Place(services=self.services, api=self.api, call=self.servers.call)

    def connect(self, *, timeout_s: float) -> None:
        """Set Airflow's connection to ClearML."""
        connection = self.servers.airflow_connection(timeout_s=timeout_s)
        self.environment.setenv("AIRFLOW_CONN_CLEARML_DEFAULT", json.dumps(connection))

    def submit(self, name: str) -> tuple[str, str]:
        """A model and a request for it on the Hub; returns the model's id and the request's path."""
        from huggingface_hub import CommitOperationAdd

        model_id = f"{ORGANISATION}/{name}"
        self.api.create_repo(model_id)
        self.api.create_commit(
            model_id,
            [
                CommitOperationAdd(path_in_repo=path.name, path_or_fileobj=path)
                for path in sorted(MODEL.iterdir())
            ],
            commit_message="The model",
        )
        path = f"{model_id}_eval_request_False_bfloat16_Original.json"
        request = {
            "model": model_id,
            "base_model": "",
            "revision": "main",
            "precision": "bfloat16",
            "weight_type": "Original",
            "status": "PENDING",
            "submitted_time": "2026-01-06T17:03:55Z",
        }
        self.api.create_commit(
            REQUESTS_REPO,
            [CommitOperationAdd(path_in_repo=path, path_or_fileobj=json.dumps(request, indent=2).encode())],
            commit_message=f"Submit {model_id}",
            repo_type="dataset",
        )
        return model_id, path


def unhurried_configuration(folder: Path) -> Path:
    """Ours, but an hour has commits for every scenario, and a publication waits for no other."""
    shutil.copytree(DEFAULT_CONFIG_DIR, folder)
    path = folder / "leaderboard.yaml"
    text, changed = re.subn(r"commits_per_hour: \d+", "commits_per_hour: 100000", path.read_text("utf-8"))
    text, quiet = re.subn(r"(?m)^  linger_s: \d+", "  linger_s: 0", text, count=1)  # the Hub's comes first
    assert (changed, quiet) == (1, 1), "leaderboard.yaml no longer says how long a commit lingers"
    path.write_text(text, "utf-8")
    return folder


@contextmanager
def running_world(folder: Path, postgres_url: str, environment: pytest.MonkeyPatch) -> Iterator[World]:
    """Start everything; *environment* gets the connections that Airflow's tasks read."""
    from huggingface_hub import HfApi

    environment.setenv("NO_PROXY", "127.0.0.1,localhost")
    environment.setenv("no_proxy", "127.0.0.1,localhost")
    servers = Servers(folder / "servers")
    host: JobHost | None = None
    try:
        (folder / "jobs").mkdir()
        host = JobHost(folder / "jobs", servers, results=folder / "results")
        store_url = postgres_url
        environment.setenv("PALMARES_STORAGE_URL", str(folder / "storage"))
        # Tries follow each other without Airflow's delays, so what a person mends is looked at again as soon.
        environment.setattr("palmares.steps.outbox.OutboxLimits", partial(OutboxLimits, mend_s=0.5))
        environment.setenv("PALMARES_CONFIG_DIR", str(unhurried_configuration(folder / "config")))
        environment.setenv("AIRFLOW_CONN_PALMARES_DB", store_url)
        hub: dict[str, Any] = {
            "conn_type": "generic",
            "host": servers.url("hub"),
            "password": servers.hub_token,
        }
        environment.setenv("AIRFLOW_CONN_HUGGINGFACE_HUB", json.dumps(hub))
        servers.call("queues.create", name=QUEUE)
        api = HfApi(endpoint=servers.url("hub"), token=servers.hub_token)
        api.create_repo(REQUESTS_REPO, repo_type="dataset")
        with Services.at(
            hub_endpoint=servers.url("hub"), hub_token=servers.hub_token, store_url=store_url
        ) as services:
            _prepare_results(folder / "results", services)
            host.wait_until_ready()
            yield World(servers, host, services, api, store_url, environment)
    finally:
        if host is not None:
            host.close()
        servers.close()


def _prepare_results(folder: Path, services: Services) -> None:
    """What a job would have computed; each job stamps its copy."""
    from palmares.benchmarks.registry import suite_hash
    from palmares.leaderboard.submissions.submission import Submission

    from tests.palmares.leaderboard.results_folder import write_results

    suite = services.settings.suite(None)
    submission = Submission(
        request_path="",
        blob_oid="",
        model_id="nobody/nothing",
        revision="0" * 40,
        requested_revision="main",
        precision="bfloat16",
        weight_type="Original",
        use_chat_template=True,
        suite=suite.name,
        suite_hash=suite_hash(suite.task_keys),
        seed=suite.seed,
        evaluator_version=services.settings.evaluator_version,
    )
    write_results(folder, submission, suite)


@contextmanager
def row_locked(store_url: str, job_key: str) -> Iterator[None]:
    """Hold the evaluation's row, so that whoever writes it waits."""
    with psycopg.connect(store_url) as connection:
        connection.execute("SELECT 1 FROM evaluations WHERE job_key = %s FOR UPDATE", [job_key])
        yield


def waiting_backends(store_url: str) -> list[int]:
    """PostgreSQL's processes that wait for a lock."""
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with psycopg.connect(store_url, autocommit=True) as connection:
        return [pid for (pid,) in connection.execute(query).fetchall()]


def terminate_backend(store_url: str, pid: int) -> None:
    with psycopg.connect(store_url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", [pid])
