"""An Airflow with many deferred task instances and no scheduler, for a triggerer to be measured on."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TASKS_A_RUN = 50

DAG_FILE = """
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
with DAG("waiting", schedule=None):
    for number in range({tasks}):
        EmptyOperator(task_id=f"wait_{{number:02}}")
"""


def configure_airflow(home: Path, postgres: str, connection: dict[str, Any], capacity: int) -> None:
    """Set the environment of this process and of the triggerer, and create the tables."""
    (home / "dags").mkdir(parents=True)
    (home / "dags" / "waiting.py").write_text(DAG_FILE.format(tasks=TASKS_A_RUN))
    url = postgres.partition("://")[2]
    os.environ |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{url}",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+asyncpg://{url}",
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__TRIGGERER__CAPACITY": str(capacity + 1),  # a full triggerer says so in its log every second
        "AIRFLOW__TRIGGERER__MAX_TRIGGER_TO_SELECT_PER_LOOP": "500",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",  # here; the triggerer's triggers say that they start
        "AIRFLOW_CONN_CLEARML_DEFAULT": json.dumps(connection),
        "PYTHONPATH": f"{ROOT / 'plugins'}",
    }
    for command in (("db", "migrate"), ("dags", "reserialize")):
        subprocess.run([sys.executable, "-m", "airflow", *command], check=True, capture_output=True)


def create_runs(count: int) -> None:
    """DAG runs with *count* task instances; no scheduler is there to touch them."""
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    with create_session() as session:
        dag = SerializedDagModel.get_dag("waiting", session=session)
        assert dag is not None, "the DAG file was not read"
        for number in range(count // TASKS_A_RUN):
            dag.create_dagrun(
                run_id=f"run_{number:02}",
                run_after=datetime.now(UTC),
                run_type=DagRunType.MANUAL,
                triggered_by=DagRunTriggeredByType.TEST,
                state=DagRunState.RUNNING,
                session=session,
            )


def defer_all(make_trigger: Callable[[int], Any]) -> None:
    """Let every task instance wait for a trigger of its own, as if it had deferred."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.trigger import Trigger
    from airflow.utils.session import create_session
    from airflow.utils.state import TaskInstanceState
    from sqlalchemy import delete, select, update

    with create_session() as session:
        session.execute(
            update(TaskInstance).values(trigger_id=None)
        )  # deleting one deletes its task instance
        session.execute(delete(Trigger))
        instances = session.scalars(
            select(TaskInstance).order_by(TaskInstance.run_id, TaskInstance.task_id)
        ).all()
        for number, instance in enumerate(instances):
            row = Trigger.from_object(make_trigger(number))
            session.add(row)
            session.flush()
            instance.trigger_id = row.id
            instance.state = TaskInstanceState.DEFERRED
            instance.start_date = datetime.now(UTC)
            instance.try_number = 1
            instance.next_method = "execute_complete"


def resumed_at() -> dict[str, datetime]:
    """When the triggerer resumed each ended task, by ClearML task."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from airflow.utils.state import TaskInstanceState
    from sqlalchemy import select

    with create_session() as session:
        rows = session.execute(
            select(TaskInstance.scheduled_dttm, TaskInstance.next_kwargs).where(
                TaskInstance.state == TaskInstanceState.SCHEDULED
            )
        ).all()
    return {re.findall(r"[0-9a-f]{32}", json.dumps(kwargs, default=str))[0]: at for at, kwargs in rows}


def fired_at(home: Path) -> dict[str, datetime]:
    """When each trigger fired, from its log."""
    moments = {}
    for path in (home / "logs").rglob("*.trigger.*.log"):
        for line in path.read_text().splitlines():
            if "Trigger fired event" in line:
                moment = datetime.fromisoformat(json.loads(line)["timestamp"])
                moments[re.findall(r"[0-9a-f]{32}", line)[0]] = moment
    return moments
