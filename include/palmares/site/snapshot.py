"""Reads what is public on the Hub, and keeps it; while the Hub is away, the site goes on with what it has."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from palmares.hub import Hub
from palmares.leaderboard.errors import HubError, HubNotFoundError, HubUnavailableError, RefusedError
from palmares.leaderboard.publishing.contents_table import CONTENTS_PATH, QUEUE_PATH
from palmares.leaderboard.submissions.request_file import (
    RequestFile,
    RequestStatus,
    is_request_path,
    parse_request,
)
from palmares.site.board import Row, rows_of
from palmares.site.settings import SiteSettings

log = logging.getLogger(__name__)

KEPT_MODELS = 512
"""Model pages whose results are held in memory."""
LONGEST_SENTENCE = 2000
"""Characters of an ``error_msg`` that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, as its file and the published queue tell."""

    path: str
    model: str
    revision: str
    precision: str
    weight_type: str
    status: str
    """PENDING, RUNNING, FINISHED, FAILED, CANCELLED, RERUN, …"""
    submitted: datetime | None
    chat_template: bool | None
    sender: str | None
    error_code: str | None
    error: str | None
    """The sentence for the submitter."""
    place: int | None = None
    """In the queue, from 1; None: it does not wait, or nobody published the queue."""
    starts: datetime | None = None
    why: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Why it has this place, by language."""
    phase: str | None = None
    """While it runs: ``queued`` or ``running``."""
    rows_done: int | None = None
    rows: int | None = None

    @property
    def slug(self) -> str:
        """Its address below ``/requests/``."""
        return self.path.removesuffix(".json")

    @property
    def state(self) -> str:
        """Heading of the queue's page that it stands under."""
        if self.status in {"PENDING", "RERUN", "PENDING_NEW_EVAL"}:
            return "waiting"
        return {"RUNNING": "running", "FINISHED": "finished", "FAILED": "failed"}.get(self.status, "other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The public data at one moment."""

    rows: tuple[Row, ...]
    requests: tuple[Request, ...]
    contents_commit: str
    requests_commit: str
    queue_at: datetime | None
    """When the queue was published; None: it never was."""
    read_at: datetime
    problem: str | None = None
    """Why this is older than it should be; None: it is fresh."""
    by_name: Mapping[str, tuple[Row, ...]] = field(default_factory=dict, repr=False)
    """Rows by present and former names."""

    @property
    def version(self) -> str:
        """Changes with the data: for ETags."""
        queue = "" if self.queue_at is None else self.queue_at.isoformat()
        return f"{self.contents_commit[:12]}{self.requests_commit[:12]}{queue}"

    def request(self, slug: str) -> Request | None:
        return next((one for one in self.requests if one.slug == slug), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """The public files of one model."""

    results: tuple[tuple[str, Mapping[str, Any]], ...]
    """Path and content of each results JSON, the newest first."""
    provenance: Mapping[str, Any] | None
    """Of the newest result."""
    paths: tuple[str, ...]


class Source:
    """The site's only way to the data. May be shared by threads.

    Args:
        settings: The site's.
        hub: Reads without a token that could see private data.
    """

    def __init__(self, settings: SiteSettings, hub: Hub) -> None:
        self.settings = settings
        self._hub = hub
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._asked = float("-inf")
        self._models: OrderedDict[tuple[str, str], ModelFiles] = OrderedDict()

    def snapshot(self) -> Snapshot:
        """Return the data, read anew if it may be stale.

        While one thread asks the Hub, the others go on with what is there.

        Raises:
            HubError: Nothing was ever read, and the Hub does not answer or lacks a dataset.
        """
        known = self._snapshot
        if known is not None and time.monotonic() - self._asked < self.settings.refresh_s:
            return known
        if not self._lock.acquire(blocking=known is None):
            assert known is not None
            return known
        try:
            if self._snapshot is not None and time.monotonic() - self._asked < self.settings.refresh_s:
                return self._snapshot
            self._asked = time.monotonic()
            self._snapshot = self._read(self._snapshot)
        finally:
            self._lock.release()
        return self._snapshot

    def forget(self) -> None:
        """Read anew at the next call: something was just written."""
        self._asked = float("-inf")

    def model_files(self, name: str) -> ModelFiles:
        """Read the public results and provenance of a model; empty if there are none.

        Raises:
            HubUnavailableError: The Hub does not answer.
        """
        try:
            commit = self._hub.head(self.settings.results_repo)
        except HubNotFoundError:
            return ModelFiles(results=(), provenance=None, paths=())
        key = (commit, name)
        with self._lock:
            if key in self._models:
                self._models.move_to_end(key)
                return self._models[key]
        files = self._read_model(name, commit)
        with self._lock:
            self._models[key] = files
            while len(self._models) > KEPT_MODELS:
                self._models.popitem(last=False)
        return files

    def _read(self, known: Snapshot | None) -> Snapshot:
        try:
            return self._read_anew(known)
        except HubUnavailableError as error:
            if known is None:
                raise
            log.warning("the Hub does not answer, the site goes on with data of %s: %s", known.read_at, error)
            return _with_problem(known, "unavailable")
        except HubError as error:
            if known is None:
                raise
            log.exception("the Hub's data cannot be read any more")
            return _with_problem(known, type(error).__name__)

    def _read_anew(self, known: Snapshot | None) -> Snapshot:
        settings = self.settings
        contents_commit = self._head(settings.contents_repo)
        requests_commit = self._head(settings.requests_repo)
        is_same_board = known is not None and known.contents_commit == contents_commit
        if known is not None and is_same_board and known.requests_commit == requests_commit:
            return _with_problem(known, None)
        rows = known.rows if known is not None and is_same_board else self._rows(contents_commit)
        queue = self._queue(contents_commit)
        return Snapshot(
            rows=rows,
            requests=self._requests(requests_commit, queue),
            contents_commit=contents_commit,
            requests_commit=requests_commit,
            queue_at=_moment(queue.get("generated_at")),
            read_at=datetime.now(UTC),
            by_name=_by_name(rows),
        )

    def _head(self, repo_id: str) -> str:
        """The dataset's commit; empty: it does not exist yet."""
        try:
            return self._hub.head(repo_id)
        except HubNotFoundError:
            return ""

    def _rows(self, commit: str) -> tuple[Row, ...]:
        if not commit:
            return ()
        content = self._hub.read_file(self.settings.contents_repo, CONTENTS_PATH, commit=commit)
        if content is None:
            return ()
        import pyarrow.parquet as pq

        records = pq.read_table(io.BytesIO(content)).to_pylist()
        return rows_of(records, [one.title for one in (*self.settings.benchmarks, *self.settings.members)])

    def _queue(self, commit: str) -> Mapping[str, Any]:
        if not commit:
            return {}
        content = self._hub.read_file(self.settings.contents_repo, QUEUE_PATH, commit=commit)
        if content is None:
            return {}
        try:
            queue = json.loads(content)
        except ValueError:
            log.warning("%s of %s is no JSON: places are unknown", QUEUE_PATH, self.settings.contents_repo)
            return {}
        return queue if isinstance(queue, dict) else {}

    def _requests(self, commit: str, queue: Mapping[str, Any]) -> tuple[Request, ...]:
        if not commit:
            return ()
        entries = {
            entry["path"]: entry
            for entry in queue.get("requests", ())
            if isinstance(entry, dict) and isinstance(entry.get("path"), str)
        }
        found = []
        for file in self._hub.read_json_files(self.settings.requests_repo, commit=commit):
            if not is_request_path(file.path) or file.too_large:
                continue
            try:
                parsed = parse_request(file.path, file.content)
            except RefusedError:
                continue  # nobody can be told anything: the sweep refuses it in its own list
            if not parsed.private:
                found.append(_request(parsed, entries.get(file.path, {})))
        return tuple(sorted(found, key=_order))

    def _read_model(self, name: str, commit: str) -> ModelFiles:
        repo = self.settings.results_repo
        paths = [
            path
            for path in self._hub.list_paths(repo, commit=commit, prefix=f"{name}/")
            if path.endswith(".json")
        ]
        stems = [(path.rpartition("/")[2], path) for path in paths]
        results = sorted((path for stem, path in stems if stem.startswith("results_")), reverse=True)
        provenance = max((path for stem, path in stems if stem.startswith("provenance_")), default=None)
        read = [(path, self._json(repo, path, commit)) for path in results]
        return ModelFiles(
            results=tuple((path, content) for path, content in read if content is not None),
            provenance=None if provenance is None else self._json(repo, provenance, commit),
            paths=tuple(paths),
        )

    def _json(self, repo: str, path: str, commit: str) -> Mapping[str, Any] | None:
        content = self._hub.read_file(repo, path, commit=commit)
        try:
            parsed = None if content is None else json.loads(content)
        except ValueError:
            return None
        return parsed if isinstance(parsed, dict) else None


def _with_problem(known: Snapshot, problem: str | None) -> Snapshot:
    read_at = known.read_at if problem else datetime.now(UTC)
    return replace(known, problem=problem, read_at=read_at)


def _by_name(rows: Sequence[Row]) -> dict[str, tuple[Row, ...]]:
    found: dict[str, tuple[Row, ...]] = {}
    for row in rows:
        for name in (row.name, *row.former_names):
            found[name] = (*found.get(name, ()), row)
    return found


def _request(parsed: RequestFile, entry: Mapping[str, Any]) -> Request:
    error = parsed.raw.get("error_msg")
    code, sentence = _split_error(error if isinstance(error, str) else "")
    place, done, rows = (entry.get(name) for name in ("place", "rows_done", "rows"))
    why = entry.get("why")
    return Request(
        path=parsed.path,
        model=parsed.model_id,
        revision=parsed.requested_revision,
        precision=parsed.precision,
        weight_type=parsed.weight_type,
        status=parsed.status.value if parsed.status is not RequestStatus.UNKNOWN else "UNKNOWN",
        submitted=parsed.submitted_time,
        chat_template=parsed.use_chat_template,
        sender=parsed.sender,
        error_code=code,
        error=sentence,
        place=place if isinstance(place, int) else None,
        starts=_moment(entry.get("starts")),
        why=_reasons(why if isinstance(why, dict) else {}),
        phase=entry.get("phase") if entry.get("phase") in {"queued", "running"} else None,
        rows_done=done if isinstance(done, int) else None,
        rows=rows if isinstance(rows, int) else None,
    )


def _reasons(why: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {
        language: tuple(str(one) for one in sentences)
        for language, sentences in why.items()
        if isinstance(sentences, list)
    }


def _split_error(text: str) -> tuple[str | None, str | None]:
    """Part ``code: sentence``, as write-backs have it."""
    text = text.strip()[:LONGEST_SENTENCE]
    code, colon, sentence = text.partition(": ")
    if colon and code.replace("_", "").isalpha() and code.islower():
        return code, sentence
    return None, text or None


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _order(request: Request) -> tuple[int, int, float, str]:
    """Waiting ones by place, then running ones, then the newest of the others."""
    group = {"running": 0, "waiting": 1}.get(request.state, 2)
    moment = request.submitted.timestamp() if request.submitted else 0.0
    return (group, request.place or 10**9, -moment if group == 2 else moment, request.path)
