"""The API's routes on files: list, download, upload."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devstack.servers.hub.history import Commit
from devstack.servers.hub.http import (
    base_url,
    hub_of,
    number,
    page,
    part,
    read_form,
    read_model,
    repository_of,
    user_of,
    writable_repository_of,
)
from devstack.servers.hub.objects import Entry
from devstack.servers.hub.operations import MAX_FILE_BYTES, read_commit
from devstack.servers.hub.refusals import Refusal, bad_request, entry_not_found, revision_not_found, too_large
from devstack.servers.hub.repositories import Kind, Repository
from devstack.servers.hub.validation import checked_path

_ENTRIES_A_PAGE = 1000
_EXPANDED_A_PAGE = 100
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class _UploadFile(BaseModel):
    path: str
    size: int = Field(default=0, ge=0)


class _Preupload(BaseModel):
    files: list[_UploadFile]


def _revision(request: Request, repository: Repository) -> Commit:
    return hub_of(request).history.resolve(repository, part(request, "rev"))


def _entries_json(
    request: Request,
    repository: Repository,
    commit: Commit,
    entries: Iterable[tuple[str, Entry]],
    *,
    expand: bool,
) -> list[dict[str, Any]]:
    hub = hub_of(request)
    listed = list(entries)
    sizes = hub.objects.sizes(entry.oid for _, entry in listed if not entry.is_directory)
    changes = hub.history.last_changes(repository, commit, [path for path, _ in listed]) if expand else {}
    result: list[dict[str, Any]] = []
    for path, entry in listed:
        item: dict[str, Any] = {
            "type": "directory" if entry.is_directory else "file",
            "oid": entry.oid,
            "size": 0 if entry.is_directory else sizes[entry.oid],
            "path": path,
        }
        if change := changes.get(path):
            item["lastCommit"] = {"id": change.oid, "title": change.title, "date": change.date}
        result.append(item)
    return result


def _flag(text: str | None) -> bool:
    return (text or "").lower() in {"true", "1"}


def tree(request: Request) -> Response:
    hub, repository = hub_of(request), repository_of(request)
    commit = _revision(request, repository)
    path = part(request, "path").strip("/") if "path" in request.path_params else ""
    directory = hub.objects.lookup(commit.tree, checked_path(path) if path else "")
    if directory is None or not directory.is_directory:
        raise entry_not_found(path, commit=commit.oid)
    expand = _flag(request.query_params.get("expand"))
    highest = _EXPANDED_A_PAGE if expand else _ENTRIES_A_PAGE
    limit = number(request, "limit", highest, highest=highest) or 1
    offset = number(request, "cursor", 0, highest=10**9)
    recursive = _flag(request.query_params.get("recursive"))
    listed = list(hub.objects.walk(directory.oid, prefix=path, recursive=recursive))
    some = listed[offset : offset + limit]
    items = _entries_json(request, repository, commit, some, expand=expand)
    following = offset + limit if len(listed) > offset + limit else None
    return page(request, items, cursor="cursor", following=following)


async def paths_info(request: Request) -> Response:
    repository = repository_of(request)
    commit = _revision(request, repository)
    pairs = await read_form(request)
    paths = [checked_path(value.strip("/")) for key, value in pairs if key == "paths"]
    expand = any(_flag(value) for key, value in pairs if key == "expand")
    objects = hub_of(request).objects

    def items() -> list[dict[str, Any]]:
        found = ((path, objects.lookup(commit.tree, path)) for path in paths)
        entries = [(path, entry) for path, entry in found if entry is not None]
        return _entries_json(request, repository, commit, entries, expand=expand)

    return JSONResponse(await run_in_threadpool(items))


def _branch(request: Request) -> str:
    """Return the full name of the branch that the path names, which must be one."""
    revision = part(request, "rev").removeprefix("refs/heads/")
    if request.query_params.get("create_pr"):
        raise bad_request("Pull requests are not kept here: commit to a branch")
    return f"refs/heads/{revision}"


async def preupload(request: Request) -> Response:
    repository, _ = writable_repository_of(request)
    asked = await read_model(request, _Preupload)
    # The branch must be there; what it holds is not told. From the oid of an unchanged file the client
    # would leave it out, and a commit without files is never sent: its parent would not be checked, and of
    # two writers of the same content both would hear of success.
    hub_of(request).history.resolve(repository, _branch(request))
    answer = []
    for file in asked.files:
        if file.size > MAX_FILE_BYTES:
            raise too_large(f"{file.path[:200]!r} has {file.size} bytes: at most {MAX_FILE_BYTES}")
        path = checked_path(file.path)
        answer.append({"path": path, "uploadMode": "regular", "shouldIgnore": False, "oid": None})
    return JSONResponse({"files": answer})


async def commit(request: Request) -> Response:
    repository, user = writable_repository_of(request)
    branch = _branch(request)
    asked = await read_commit(request.stream())
    connection = (request.client.host, request.client.port) if request.client else None
    try:
        made = await run_in_threadpool(
            hub_of(request).committer.commit, repository, branch, asked, user=user, connection=connection
        )
    except Refusal as refusal:
        if refusal.code == "RevisionNotFound":
            raise revision_not_found(branch.removeprefix("refs/heads/")) from refusal
        raise
    url = f"{base_url(request)}/{repository.kind.url_prefix}{repository.repo_id}/commit/{made.oid}"
    return JSONResponse({"success": True, "commitOid": made.oid, "commitUrl": url, "hookOutput": ""})


def _bounds(header: str | None, size: int) -> tuple[int, int] | None:
    """Read a Range header into first and past-the-last byte; None: none that is understood.

    Raises:
        Refusal: 416: the range begins past the end.
    """
    match = _RANGE.fullmatch(header.replace(" ", "")) if header else None
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match[1], match[2]
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1 if last else size)
    if first and last and int(last) < int(first):
        return None
    if start >= size:
        raise Refusal(416, f"The file has {size} bytes", headers={"Content-Range": f"bytes */{size}"})
    return start, stop


def resolve(request: Request) -> Response:
    """Answer a file's content at a revision. HEAD describes it; the client caches it under its ETag."""
    hub = hub_of(request)
    kind = Kind.DATASETS if request.scope["path"].startswith("/datasets/") else Kind.MODELS
    repository = repository_of(request, kind=kind)
    hub.repositories.check_download(repository, user=user_of(request))
    commit = _revision(request, repository)
    path = checked_path(part(request, "path"))
    entry = hub.objects.lookup(commit.tree, path)
    if entry is None or entry.is_directory:
        raise entry_not_found(path, commit=commit.oid)
    size = hub.objects.sizes([entry.oid])[entry.oid]
    headers = {
        "X-Repo-Commit": commit.oid,
        "ETag": f'"{entry.oid}"',
        "Accept-Ranges": "bytes",
        "Access-Control-Expose-Headers": "X-Repo-Commit, ETag",
        # Uploads are untrusted: a browser shows them as text and runs nothing.
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    bounds = _bounds(request.headers.get("range"), size)
    if request.method == "HEAD":
        return Response(headers={**headers, "Content-Length": str(size)}, media_type="text/plain")
    if bounds is not None:
        start, stop = bounds
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        data = hub.objects.read(entry.oid, start=start, length=stop - start)
        return Response(data, status_code=206, headers=headers, media_type="text/plain")
    return Response(hub.objects.read(entry.oid), headers=headers, media_type="text/plain")


_REPO = "/api/{kind:kind}/{ns}/{name}"

ROUTES = [
    Route(_REPO + "/tree/{rev}", tree),
    Route(_REPO + "/tree/{rev}/{path:path}", tree),
    Route(_REPO + "/paths-info/{rev}", paths_info, methods=["POST"]),
    Route(_REPO + "/preupload/{rev}", preupload, methods=["POST"]),
    Route(_REPO + "/commit/{rev}", commit, methods=["POST"]),
    Route("/datasets/{ns}/{name}/resolve/{rev}/{path:path}", resolve),
    Route("/{ns}/{name}/resolve/{rev}/{path:path}", resolve),
]
