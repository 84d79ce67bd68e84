"""What is stored of a task, and the small habits of ClearML's documents: times, ids, dotted fields."""

from __future__ import annotations

import copy
import json
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from devstack.servers.clearml.protocol import ApiError, new_id

COMPANY = "d1bd92a3b039400cbafc60a7a5b1e52b"
"""The id of the only company of an open-source server, the same everywhere."""
COMPANY_NAME = "clearml"
USER = "palmares"
USER_NAME = "palmares"
DELETED = "__DELETED__"
"""Begins the id of a parent that is no more."""

Document = dict[str, Any]


def now() -> datetime:
    return datetime.now(UTC)


def stamp(moment: datetime | None = None) -> str:
    """A moment as the real server writes it: microseconds and offset always there."""
    return (moment or now()).isoformat(timespec="microseconds")


def moment_of(value: str) -> datetime:
    """The moment that a client or `stamp` wrote; without an offset it is UTC.

    Raises:
        ValueError: *value* is not an ISO date.
    """
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def public(document: Mapping[str, Any]) -> Document:
    """*document* without our private keys."""
    return {key: value for key, value in document.items() if not key.startswith("_")}


def get_dotted(document: Any, path: str) -> Any:
    """The value at ``a.b.c``, or None where the way ends."""
    for part in path.split("."):
        if not isinstance(document, Mapping) or part not in document:
            return None
        document = document[part]
    return document


def default_execution() -> Document:
    return {"test_split": 0, "parameters": {}, "model_desc": {}, "model_labels": {}, "artifacts": []}


def complete_script(script: Mapping[str, Any]) -> Document:
    """*script* with the real server's defaults, stripped of white space."""
    defaults: Document = {"binary": "python", "repository": "", "entry_point": "", "requirements": {}}
    merged = {**defaults, **{key: value for key, value in script.items() if value is not None}}
    return {
        key: value.strip() if isinstance(value, str) and key != "diff" else value
        for key, value in merged.items()
    }


def new_task(fields: Mapping[str, Any], *, moment: datetime) -> Document:
    """A task in status ``created``, with the defaults of the real server under *fields*."""
    at = stamp(moment)
    document: Document = {
        "id": new_id(),
        "company": COMPANY,
        "user": USER,
        "name": "",
        "type": "training",
        "status": "created",
        "report_assets": [],
        "created": at,
        "output": {},
        "execution": default_execution(),
        "tags": [],
        "system_tags": [],
        "last_update": at,
        "last_change": at,
        "last_changed_by": USER,
        "last_iteration": 0,
        "last_metrics": {},
        "unique_metrics": [],
        "metric_stats": {},
        "hyperparams": {},
        "configuration": {},
        "runtime": {},
        "models": {"input": [], "output": []},
        "container": {},
    }
    document |= copy.deepcopy(dict(fields))
    document["execution"] = default_execution() | (document["execution"] or {})
    document["script"] = complete_script(document.get("script") or {})
    return document


def load_task(db: sqlite3.Connection, task_id: str, **shown: Any) -> Document:
    """The task *task_id*.

    Raises:
        ApiError: 400/101, with *shown* as the text's values.
    """
    row = db.execute("SELECT doc FROM tasks WHERE id = ?", (task_id,)).fetchone()
    if row is None:
        raise ApiError(400, 101, **(shown or {"id": task_id, "company": COMPANY}))
    document: Document = json.loads(row[0])
    return document


def heard_of(task: Document, *, moment: datetime | None = None) -> None:
    """Renew ``last_update``; of a task in progress count the seconds since it started."""
    moment = moment or now()
    task["last_update"] = stamp(moment)
    if task["status"] == "in_progress" and task.get("started"):
        task["active_duration"] = max(0, int((moment - moment_of(task["started"])).total_seconds()))


def sort_labels(document: Document) -> None:
    """Tags are kept sorted, repeated ones too."""
    for key in ("tags", "system_tags"):
        if document.get(key):
            document[key] = sorted(document[key])


def save_task(db: sqlite3.Connection, document: Document) -> None:
    """Insert or replace the task and the columns that queries use."""
    sort_labels(document)
    if "_seq" not in document:
        document["_seq"] = db.execute("SELECT coalesce(max(seq), 0) + 1 FROM tasks").fetchone()[0]
    db.execute(
        "INSERT OR REPLACE INTO tasks (id, seq, status, project, last_update, doc) VALUES (?, ?, ?, ?, ?, ?)",
        (
            document["id"],
            document["_seq"],
            document["status"],
            document.get("project"),
            moment_of(document["last_update"]).timestamp(),
            json.dumps(document),
        ),
    )


def check_name(name: str) -> str:
    """A stripped name of at least three characters.

    Raises:
        ApiError: 400/800, as the real server's database answers.
    """
    name = name.strip()
    if len(name) < 3:
        raise ApiError(400, 800, name="String value is too short")
    return name
