"""What each part of the stack has in its environment: no more than it needs, all of it said here."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from urllib.parse import urlsplit

from devstack.supervisor.files import write_atomically
from devstack.supervisor.paths import HOME_VARIABLE, StackPaths
from devstack.supervisor.processes import STACK_VARIABLE
from devstack.supervisor.state import PortName, StackState

ADMIN_USER = "admin"
AGENT_QUEUE = "local-cpu"
NOWHERE = "http://127.0.0.1:9"
"""A proxy that refuses every connection (the port of `discard`)."""

PASSED_ON = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "SSL_CERT_FILE", "TMPDIR", "TZ", "USER")
"""What a part gets from the caller's own environment. PYTHONPATH and PYTHONHOME are deliberately absent."""
SUBMITTER = "visitor"
"""Sender of what is submitted with the stack's token."""
CONFIGURATION = "PALMARES_CONFIG_DIR"
"""Where the settings are that a person chose instead of ours."""


def base_environment(paths: StackPaths, state: StackState) -> dict[str, str]:
    """For every part, and for the jobs that the agents run."""
    services: tuple[PortName, ...] = ("clearml_api", "clearml_files", "hub")
    hosts = {urlsplit(state.url(name)).hostname or "" for name in services if name in state.ports}
    without_proxy = ",".join(["127.0.0.1", "localhost", *sorted(hosts - {"127.0.0.1", "localhost"})])
    return {name: os.environ[name] for name in (*PASSED_ON, CONFIGURATION) if name in os.environ} | {
        STACK_VARIABLE: state.stack_id,
        HOME_VARIABLE: str(paths.home),
        "PYTHONPATH": os.pathsep.join((str(paths.root), str(paths.root / "include"))),
        "PYTHONUNBUFFERED": "1",
        "SPT_NOENV": "1",  # setproctitle would write its title over the stack's id (processes.py)
        # The clients of the Hub and of ClearML would send their requests to a proxy.
        "NO_PROXY": without_proxy,
        "no_proxy": without_proxy,
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def services_environment(paths: StackPaths, state: StackState) -> dict[str, str]:
    """For the embedded services; that they may be made to fail is the caller's wish (tests)."""
    keys = state.keys
    faults = {name: os.environ[name] for name in ("PALMARES_FAULTS_TOKEN",) if os.environ.get(name)}
    return (
        base_environment(paths, state)
        | faults
        | {
            "PALMARES_CLEARML_ACCESS_KEY": keys.clearml_access_key,
            "PALMARES_CLEARML_SECRET_KEY": keys.clearml_secret_key,
            "PALMARES_JWT_SECRET": keys.embedded_jwt_secret,
            "PALMARES_HUB_TOKEN": keys.hub_token,
        }
    )


def site_environment(paths: StackPaths, state: StackState) -> dict[str, str]:
    """For the public site: the token that commits submissions, and whom it takes them from."""
    digest = hashlib.sha256(state.keys.submission_token.encode()).hexdigest()
    return base_environment(paths, state) | {
        "PALMARES_SITE_HUB_TOKEN": state.hub_token,
        "PALMARES_SITE_SECRET": state.keys.site_secret,
        "PALMARES_SITE_SENDER_TOKENS": f"{SUBMITTER}:{digest}",
    }


def airflow_environment(paths: StackPaths, state: StackState) -> dict[str, str]:
    """For Airflow's components; with it, the ``airflow`` command talks about this stack."""
    keys, url = state.keys, state.url("airflow")
    access_key, secret_key = state.clearml_keys
    options: dict[str, dict[str, object]] = {
        "core": {
            "dags_folder": paths.root / "dags",
            "plugins_folder": paths.root / "plugins",
            "load_examples": False,
            "test_connection": "Enabled",  # the form's test button
            "executor": "LocalExecutor",
            "parallelism": 16,
            "fernet_key": keys.fernet_key,
            "execution_api_server_url": f"{url}/execution/",
            "simple_auth_manager_users": f"{ADMIN_USER}:admin",
            "simple_auth_manager_passwords_file": paths.airflow / "passwords.json",
        },
        "database": {
            "sql_alchemy_conn": state.database_url("airflow", scheme="postgresql+psycopg2"),
            "sql_alchemy_conn_async": state.database_url("airflow", scheme="postgresql+asyncpg"),
            "sql_alchemy_pool_size": 20,  # the default, 5+10, fails under load
            "sql_alchemy_max_overflow": 30,
            "load_default_connections": False,
        },
        "api": {
            "host": "127.0.0.1",
            "port": state.ports["airflow"],
            "base_url": url,
            "instance_name": "Palmarès",
            "workers": 1,
            "secret_key": keys.airflow_api_secret,
        },
        "api_auth": {"jwt_secret": keys.airflow_jwt_secret},
        # The default, 5 s, makes short tasks hold their slot for that long.
        "workers": {"min_heartbeat_interval": 1},
        # With the defaults, 300 s, a task that an interrupted stack left running blocks the next for so long.
        "scheduler": {"task_instance_heartbeat_timeout": 60, "orphaned_tasks_check_interval": 20},
        "dag_processor": {"refresh_interval": 10, "min_file_process_interval": 10, "parsing_processes": 1},
        "logging": {"colored_console_log": False},
        "usage_data_collection": {"enabled": False},
    }
    variables = {
        f"AIRFLOW__{section.upper()}__{key.upper()}": str(value)
        for section, settings in options.items()
        for key, value in settings.items()
    }
    connections = {
        "AIRFLOW_CONN_CLEARML_DEFAULT": json.dumps(
            {
                "conn_type": "clearml",
                "host": state.url("clearml_api"),
                "login": access_key,
                "password": secret_key,
                "extra": {"files_host": state.url("clearml_files"), "web_host": state.url("clearml_web")},
            }
        ),
        "AIRFLOW_CONN_HUGGINGFACE_HUB": json.dumps(
            {"conn_type": "generic", "host": state.url("hub"), "password": state.hub_token}
        ),
        "AIRFLOW_CONN_PALMARES_DB": state.store_url,
    }
    return (
        base_environment(paths, state)
        | {
            "AIRFLOW_HOME": str(paths.airflow),
            "PALMARES_STORAGE_URL": storage_url(paths),
            # Airflow's components look `airflow` up for some of their children.
            "PATH": f"{paths.python_bin}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        }
        | variables
        | connections
    )


def agent_environment(paths: StackPaths, state: StackState, number: int) -> dict[str, str]:
    """For one agent and its jobs: the Hub and ClearML, no database and none of Airflow's keys."""
    home = paths.agent(number)
    access_key, secret_key = state.clearml_keys
    datasets = os.environ.get("DATASETS_DIRECTORY") or str(paths.root / "devstack" / "demo" / "datasets")
    return base_environment(paths, state) | {
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "HF_HOME": str(home / "huggingface"),
        "PATH": f"{paths.evaluator_bin}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "CLEARML_WORKER_ID": worker_id(number),
        "CLEARML_WORKER_NAME": "palmares",
        "CLEARML_AGENT_SKIP_PYTHON_ENV_INSTALL": "1",
        "CLEARML_API_HOST": state.url("clearml_api"),
        "CLEARML_WEB_HOST": state.url("clearml_web"),
        "CLEARML_FILES_HOST": state.url("clearml_files"),
        "CLEARML_API_ACCESS_KEY": access_key,
        "CLEARML_API_SECRET_KEY": secret_key,
        "CLEARML_SUPPRESS_UPDATE_MESSAGE": "1",
        # The server is on this machine: ask it every second, not every five.
        "CLEARML_AGENT_QUEUE_POLL_FREQ_SEC": "1",
        "CLEARML_AGENT_STATUS_REPORT_FREQ_SEC": "10",
        # Jobs talk to loopback only; the SDK's look for updates goes nowhere, at once.
        "HTTP_PROXY": NOWHERE,
        "HTTPS_PROXY": NOWHERE,
        "HF_ENDPOINT": state.url("hub"),
        "HF_TOKEN": state.hub_token,
        "DATASETS_DIRECTORY": datasets,
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONWARNINGS": "ignore:pkg_resources is deprecated",
    }


def worker_id(number: int) -> str:
    """The name under which an agent reports to ClearML."""
    return f"palmares:cpu{number}"


def storage_url(paths: StackPaths) -> str:
    return paths.storage.as_uri()


def write_settings(paths: StackPaths, state: StackState) -> None:
    """Write the files that parts read at their start, and ``env``, which a shell may source."""
    password = {ADMIN_USER: state.keys.airflow_admin_password}
    write_atomically(paths.airflow / "passwords.json", json.dumps(password) + "\n")
    # Airflow writes a file of defaults with keys of its own where there is none, and not in one step.
    write_atomically(paths.airflow / "airflow.cfg", f"# Settings are in the environment: {paths.env_file}\n")
    # The agent disables its look for updates on the network by configuration only.
    for number in range(state.agents):
        folder = paths.agent(number)
        (folder / "tmp").mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "clearml.conf", "agent { disable_agent_update_check: true }\n")
    everything = airflow_environment(paths, state) | services_environment(paths, state)
    shared = agent_environment(paths, state, 0)
    everything |= {
        name: value
        for name, value in shared.items()
        if name.startswith(("CLEARML_API_", "CLEARML_WEB_", "CLEARML_FILES_", "HF_ENDPOINT", "HF_TOKEN"))
    }
    lines = ["# All settings of the embedded stack. In a shell: set -a; . this-file; set +a"]
    lines += [
        f"{name}={shlex.quote(value)}"
        for name, value in sorted(everything.items())
        if name not in PASSED_ON or name == "PATH"
    ]
    write_atomically(paths.env_file, "\n".join(lines) + "\n")
