"""A read-only view of repositories for a person with a browser: files, text, history."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from devstack.servers.hub.history import Commit
from devstack.servers.hub.http import Hub, hub_of, number, part, repository_of, user_of
from devstack.servers.hub.refusals import checked_path, entry_not_found
from devstack.servers.hub.repositories import Kind, Repository

_SHOWN_BYTES = 200_000
_FILES_SHOWN = 1000
_COMMITS_SHOWN = 10
_COMMITS_A_PAGE = 100

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)
_templates.filters["quoted"] = lambda text: quote(text, safe="/")
_templates.filters["part"] = lambda text: quote(text, safe="")

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def _render(template: str, **values: Any) -> Response:
    return HTMLResponse(_templates.get_template(template).render(**values), headers=_HEADERS)


def _repository(request: Request) -> Repository:
    kind = Kind.DATASETS if request.scope["path"].startswith("/datasets/") else Kind.MODELS
    return repository_of(request, kind=kind)


def _commit(request: Request, repository: Repository) -> tuple[str, Commit]:
    revision = part(request, "rev") if "rev" in request.path_params else "main"
    return revision, hub_of(request).history.resolve(repository, revision)


def _text(hub: Hub, repository: Repository, commit: Commit, path: str, *, user: str | None) -> str | None:
    """Return the beginning of a file as text; None: it is not text, or is behind a gate."""
    if repository.gated is not None and user != repository.namespace:
        return None
    entry = hub.objects.lookup(commit.tree, path)
    if entry is None or entry.is_directory:
        return None
    data = hub.objects.read(entry.oid, length=_SHOWN_BYTES)
    return None if b"\0" in data else data.decode("utf-8", "replace")


def index(request: Request) -> Response:
    hub, user = hub_of(request), user_of(request)
    lists = {
        kind: hub.repositories.listed(kind, user=user, author=None, search=None, limit=200, offset=0)
        for kind in Kind
    }
    return _render("index.html", lists=lists)


def tree(request: Request) -> Response:
    hub, repository = hub_of(request), _repository(request)
    revision, commit = _commit(request, repository)
    path = part(request, "path").strip("/") if "path" in request.path_params else ""
    directory = hub.objects.lookup(commit.tree, checked_path(path) if path else "")
    if directory is None or not directory.is_directory:
        raise entry_not_found(path, commit=commit.oid)
    entries = list(hub.objects.walk(directory.oid, prefix=path, recursive=False))
    entries.sort(key=lambda item: (not item[1].is_directory, item[0]))
    shown = entries[:_FILES_SHOWN]
    sizes = hub.objects.sizes(entry.oid for _, entry in shown if not entry.is_directory)
    return _render(
        "tree.html",
        repository=repository,
        revision=revision,
        commit=commit,
        path=path,
        entries=shown,
        left_out=len(entries) - len(shown),
        sizes=sizes,
        commits=[] if path else hub.history.log(repository, commit, limit=_COMMITS_SHOWN),
        readme=None if path else _readme(hub, repository, commit, user=user_of(request)),
    )


def _readme(hub: Hub, repository: Repository, commit: Commit, *, user: str | None) -> str | None:
    text = _text(hub, repository, commit, "README.md", user=user)
    # The front matter is for machines.
    return re.sub(r"\A---\n.*?\n---\n", "", text, count=1, flags=re.DOTALL) if text else None


def blob(request: Request) -> Response:
    hub, repository = hub_of(request), _repository(request)
    revision, commit = _commit(request, repository)
    path = checked_path(part(request, "path"))
    entry = hub.objects.lookup(commit.tree, path)
    if entry is None or entry.is_directory:
        raise entry_not_found(path, commit=commit.oid)
    return _render(
        "blob.html",
        repository=repository,
        revision=revision,
        commit=commit,
        path=path,
        size=hub.objects.sizes([entry.oid])[entry.oid],
        shown_bytes=_SHOWN_BYTES,
        text=_text(hub, repository, commit, path, user=user_of(request)),
    )


def commits(request: Request) -> Response:
    hub, repository = hub_of(request), _repository(request)
    revision, commit = _commit(request, repository)
    at = number(request, "p", 0, highest=10**7)
    found = hub.history.log(repository, commit, limit=_COMMITS_A_PAGE + 1, offset=at * _COMMITS_A_PAGE)
    return _render(
        "commits.html",
        repository=repository,
        revision=revision,
        commits=found[:_COMMITS_A_PAGE],
        following=at + 1 if len(found) > _COMMITS_A_PAGE else None,
    )


def commit(request: Request) -> Response:
    hub, repository = hub_of(request), _repository(request)
    _, shown = _commit(request, repository)
    parent = hub.history.commit(repository, shown.parent) if shown.parent else None
    changes = hub.history.changed_paths(parent.tree, shown.tree) if parent else []
    return _render("commit.html", repository=repository, commit=shown, changes=changes[:_FILES_SHOWN])


def _pages(prefix: str) -> list[Route]:
    repo = prefix + "/{ns}/{name}"
    return [
        Route(repo, tree),
        Route(repo + "/tree/{rev}", tree),
        Route(repo + "/tree/{rev}/{path:path}", tree),
        Route(repo + "/blob/{rev}/{path:path}", blob),
        Route(repo + "/commits/{rev}", commits),
        Route(repo + "/commit/{rev}", commit),
    ]


ROUTES = [Route("/", index), *_pages("/datasets"), *_pages("")]
