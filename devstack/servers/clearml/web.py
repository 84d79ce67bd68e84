"""The read-only pages: projects and tasks, one task with its values and artifacts, its console."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from devstack.servers.clearml.database import Database, database_path
from devstack.servers.clearml.documents import Document, load_task
from devstack.servers.clearml.events import SINGLE_VALUE_ITERATION, single_values
from devstack.servers.clearml.protocol import ApiError

_TEMPLATES = Path(__file__).with_name("templates")
_MAX_TASKS = 1000
_MAX_LOG_EVENTS = 2000
_TAIL_EVENTS = 20
"""Of the console, on a task's own page."""
_MAX_POINTS = 300
_LISTED = ("id", "name", "project", "status", "status_reason", "last_worker", "last_update")
_LIVE = ("created", "queued", "in_progress")
_HEADERS = {
    # Names and console lines come from strangers: even if one were not escaped, no script would run.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One scalar's curve, drawn 240 by 40."""

    metric: str
    variant: str
    last: float
    low: float
    high: float
    count: int
    points: str
    """SVG coordinates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    at: str
    worker: str
    text: str


def _time(value: str | None) -> str:
    return "" if not value else f"{datetime.fromisoformat(value).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _size(value: Any) -> str:
    """Bytes in words, e.g. ``1.5 MB``."""
    if not isinstance(value, (int, float)):
        return ""
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.3g} {unit}" if unit != "B" else f"{value:.0f} B"
        value /= 1000
    return ""


def _series(db: sqlite3.Connection, task_id: str) -> list[Series]:
    rows = db.execute(
        "SELECT metric, variant, json_extract(doc, '$.value') FROM events"
        " WHERE task = ? AND type = 'training_stats_scalar' AND iter != ? ORDER BY metric, variant, iter",
        (task_id, SINGLE_VALUE_ITERATION),
    )
    values: dict[tuple[str, str], list[float]] = {}
    for metric, variant, value in rows:
        values.setdefault((metric, variant), []).append(float(value))
    return [_drawn(metric, variant, ys) for (metric, variant), ys in values.items()]


def _drawn(metric: str, variant: str, ys: Sequence[float]) -> Series:
    low, high = min(ys), max(ys)
    step = -(-len(ys) // _MAX_POINTS)
    chosen = list(ys[::step])
    width = 240 / max(1, len(chosen) - 1)
    height = 36 / ((high - low) or 1)
    points = " ".join(f"{i * width:.1f},{38 - (y - low) * height:.1f}" for i, y in enumerate(chosen))
    return Series(
        metric=metric, variant=variant, last=ys[-1], low=low, high=high, count=len(ys), points=points
    )


def _log(db: sqlite3.Connection, task_id: str, *, most: int) -> tuple[list[LogLine], int]:
    """The end of the console, oldest first, and how many events it has in all."""
    total = db.execute("SELECT count(*) FROM events WHERE task = ? AND type = 'log'", (task_id,)).fetchone()[
        0
    ]
    rows = db.execute(
        "SELECT timestamp, doc FROM events WHERE task = ? AND type = 'log'"
        " ORDER BY timestamp DESC, seq DESC LIMIT ?",
        (task_id, most),
    ).fetchall()
    lines = []
    for timestamp, doc in reversed(rows):
        event = json.loads(doc)
        # Beyond the year 9999 datetime gives up; a client may send such a stamp.
        at = datetime.fromtimestamp(min(timestamp, 253_402_300_799_000) / 1000, UTC).strftime("%H:%M:%S")
        text = str(event.get("msg", "")).rstrip("\n")
        lines.append(LogLine(at=at, worker=str(event.get("worker", "")), text=text))
    return lines, total


class _Pages:
    """The page handlers on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._templates = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
        )
        self._templates.filters["moment"] = _time
        self._templates.filters["size"] = _size

    def _render(self, name: str, *, status: int = 200, refresh_s: int = 0, **values: Any) -> Response:
        html = self._templates.get_template(name).render(refresh_s=refresh_s, **values)
        # A lone surrogate in a name has no UTF-8.
        return HTMLResponse(html.encode(errors="replace"), status_code=status, headers=_HEADERS)

    def index(self, request: Request) -> Response:
        """All projects, or the one in the address, each with its tasks, newest first."""
        project_id = request.path_params.get("project", "*")
        chosen, values = ("", []) if project_id == "*" else ("WHERE project = ?", [project_id])
        # Only what the list shows: whole documents are large.
        paths = ", ".join(f"'$.{field}'" for field in _LISTED)
        sql = f"SELECT json_extract(doc, {paths}) FROM tasks {chosen} ORDER BY seq DESC LIMIT ?"
        with self._database.transaction(write=False) as db:
            projects = {row[0]: row[1] for row in db.execute("SELECT id, name FROM projects ORDER BY name")}
            tasks = [
                dict(zip(_LISTED, json.loads(row[0]), strict=True))
                for row in db.execute(sql, (*values, _MAX_TASKS))
            ]
            queues = db.execute(
                "SELECT name, (SELECT count(*) FROM entries WHERE queue = queues.id)"
                " FROM queues ORDER BY name"
            ).fetchall()
        groups: dict[str | None, list[Document]] = {key: [] for key in projects if project_id in ("*", key)}
        for task in tasks:
            groups.setdefault(task.get("project"), []).append(task)
        return self._render(
            "index.html",
            refresh_s=10,
            groups=[
                (key, projects.get(key or "", ""), found)
                for key, found in groups.items()
                if found or project_id != "*"
            ],
            queues=queues,
            cut=len(tasks) == _MAX_TASKS,
            max_tasks=_MAX_TASKS,
        )

    def task(self, request: Request) -> Response:
        """One task; every tab of the real page leads here, ``output/log`` to the console alone."""
        task_id = request.path_params["task"]
        only_log = request.path_params.get("rest", "").strip("/") == "output/log"
        with self._database.transaction(write=False) as db:
            try:
                task = load_task(db, task_id)
            except ApiError:
                message = f"The task {task_id} does not exist, or was deleted."
                return self._render("missing.html", status=404, message=message)
            row = db.execute("SELECT name FROM projects WHERE id = ?", (task.get("project"),)).fetchone()
            lines, total = _log(db, task_id, most=_MAX_LOG_EVENTS if only_log else _TAIL_EVENTS)
            values, series = single_values(db, task_id), _series(db, task_id)
        return self._render(
            "log.html" if only_log else "task.html",
            refresh_s=5 if task["status"] in _LIVE else 0,
            task=task,
            project_name=row[0] if row else "",
            values=values,
            series=series,
            lines=lines,
            cut=total - len(lines),
        )

    def missing(self, _: Request, __: Exception) -> Response:
        """An address that no page has."""
        return self._render("missing.html", status=404, message="There is no such page.")


def _to_index(_: Request) -> Response:
    return RedirectResponse("/")


def _style(_: Request) -> Response:
    return FileResponse(_TEMPLATES / "style.css", headers={"Cache-Control": "max-age=60"})


def create_web_app(
    state_dir: Path, *, allowed_hosts: Sequence[str] = ("127.0.0.1", "localhost", "[::1]")
) -> Starlette:
    """The pages over the state in *state_dir*, without log-in: for loopback only.

    Args:
        allowed_hosts: Names under which a browser may ask; others would let a foreign page rebind
            its own name to 127.0.0.1 and read along.

    Raises:
        StackError: The state cannot be used.
    """
    pages = _Pages(Database(database_path(state_dir), read_only=True))
    # Clients of API 2.34 write "tasks", older ones and bookmarks "experiments".
    lists = [Route(f"/projects/{{project}}{kind}", pages.index) for kind in ("", "/experiments", "/tasks")]
    tasks = [
        Route(f"/{section}/{{project}}/{kind}/{{task}}{rest}", pages.task)
        for section in ("projects", "pipelines")
        for kind in ("experiments", "tasks")
        for rest in ("", "/{rest:path}")
    ]
    return Starlette(
        routes=[
            Route("/", pages.index),
            Route("/style.css", _style),
            Route("/projects", pages.index),
            Route("/dashboard", _to_index),
            *lists,
            *tasks,
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(allowed_hosts))],
        exception_handlers={404: pages.missing},
    )
