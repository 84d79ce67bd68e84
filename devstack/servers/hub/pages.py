"""A read-only view of repositories for a person with a browser: cards, files, tables, history."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from devstack.servers.hub.api import PICTURES
from devstack.servers.hub.history import Commit
from devstack.servers.hub.http import Hub, hub_of, number, part, repository_of, user_of
from devstack.servers.hub.refusals import Refusal, checked_path, entry_not_found, gated_repo
from devstack.servers.hub.repositories import Kind, Repository

_SHOWN_BYTES = 200_000
_FILES_SHOWN = 1000
_COMMITS_SHOWN = 10
_COMMITS_A_PAGE = 100
_ROWS_A_PAGE = 100
_LONGEST_CELL = 300
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)
_templates.filters["quoted"] = lambda text: quote(text, safe="/")
_templates.filters["part"] = lambda text: quote(text, safe="")

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def _render(template: str, *, status: int = 200, **values: Any) -> Response:
    html = _templates.get_template(template).render(**values)
    return HTMLResponse(html, status_code=status, headers=_HEADERS)


def _moment(text: str) -> str:
    """``2026-01-02 03:04 UTC``."""
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


_templates.filters["moment"] = _moment


def missing(status: int, message: str) -> Response:
    """The page for what is not there, or may not be seen."""
    return _render("missing.html", status=status, message=message)


def _as_page(handler: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Answer a refusal of *handler* as a page."""

    @wraps(handler)
    def answered(request: Request) -> Response:
        try:
            return handler(request)
        except Refusal as refusal:
            return missing(refusal.status, refusal.message)

    return answered


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
        has_table=not path and repository.kind is Kind.DATASETS and _table_path(hub, commit) is not None,
    )


def _readme(hub: Hub, repository: Repository, commit: Commit, *, user: str | None) -> Markup | None:
    text = _text(hub, repository, commit, "README.md", user=user)
    if not text:
        return None
    # The front matter is for machines.
    body = _FRONT_MATTER.sub("", text, count=1)
    return _markdown(body, root=f"/{repository.kind.url_prefix}{repository.repo_id}", commit=commit)


def _markdown(text: str, *, root: str, commit: Commit) -> Markup:
    """Render Markdown; HTML in it is shown as text, and comments are left out.

    Args:
        text: Of a stranger.
        root: The repository's address, for links to its own files.
        commit: That the files are taken from.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    tokens = parser.parse(re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL))
    for token in tokens:
        for child in token.children or ():
            if child.type == "image":
                child.attrs["src"] = _own(str(child.attrs["src"]), f"{root}/resolve/{commit.oid}/")
            elif child.type == "link_open":
                child.attrs["href"] = _own(str(child.attrs["href"]), f"{root}/blob/{commit.oid}/")
                child.attrs["rel"] = "nofollow noopener"
    return Markup(parser.renderer.render(tokens, parser.options, {}))  # noqa: S704 - the renderer escapes every character of the text


def _own(address: str, folder: str) -> str:
    """The address of a link of a card; relative ones are of the repository's own files."""
    is_whole = bool(urlsplit(address).scheme) or address.startswith(("/", "#"))
    return address if is_whole else urljoin(folder, address)


def viewer(request: Request) -> Response:
    """The rows of a dataset's table: the Parquet file that its card names first, or that comes first."""
    hub, repository = hub_of(request), _repository(request)
    _, commit = _commit(request, repository)
    if repository.gated is not None and user_of(request) != repository.namespace:
        raise gated_repo(repository.repo_id)
    path = _table_path(hub, commit)
    if path is None:
        raise entry_not_found("a Parquet file that could be shown as a table", commit=commit.oid)
    entry = hub.objects.lookup(commit.tree, path)
    assert entry is not None
    at = number(request, "p", 0, highest=10**7)
    try:
        names, rows, total = _rows(hub.objects.read(entry.oid), at=at)
    except (ValueError, OSError):
        raise entry_not_found(f"{path} as a table: it is no Parquet file", commit=commit.oid) from None
    return _render(
        "viewer.html",
        repository=repository,
        path=path,
        names=names,
        rows=rows,
        total=total,
        first=at * _ROWS_A_PAGE,
        following=at + 1 if (at + 1) * _ROWS_A_PAGE < total else None,
    )


def _table_path(hub: Hub, commit: Commit) -> str | None:
    """The first Parquet file, those first that the card's header mentions."""
    entry = hub.objects.lookup(commit.tree, "README.md")
    data = b"" if entry is None or entry.is_directory else hub.objects.read(entry.oid, length=_SHOWN_BYTES)
    found = _FRONT_MATTER.match(data.decode("utf-8", "replace"))
    header = found[0] if found else ""
    paths = sorted(
        path
        for path, one in hub.objects.walk(commit.tree, prefix="", recursive=True)
        if not one.is_directory and path.endswith(".parquet")
    )
    return min(paths, key=lambda path: path not in header, default=None)


def _rows(content: bytes, *, at: int) -> tuple[list[str], list[list[str]], int]:
    """Column names, the cells of one page as text, and how many rows there are."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(pa.BufferReader(content))
    page = table.slice(at * _ROWS_A_PAGE, _ROWS_A_PAGE).to_pylist()
    cells = [["" if value is None else _short(value) for value in row.values()] for row in page]
    return list(table.column_names), cells, table.num_rows


def _short(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"


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
        is_picture=path.rpartition(".")[2].lower() in PICTURES,
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
        Route(repo, _as_page(tree)),
        Route(repo + "/tree/{rev}", _as_page(tree)),
        Route(repo + "/tree/{rev}/{path:path}", _as_page(tree)),
        Route(repo + "/blob/{rev}/{path:path}", _as_page(blob)),
        Route(repo + "/commits/{rev}", _as_page(commits)),
        Route(repo + "/commit/{rev}", _as_page(commit)),
    ]


ROUTES = [
    Route("/", index),
    Route("/datasets/{ns}/{name}/viewer", _as_page(viewer)),
    *_pages("/datasets"),
    *_pages(""),
]
