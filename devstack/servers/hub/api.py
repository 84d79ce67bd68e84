"""The API's routes: repositories as wholes (create, list, describe, refs, history), then files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, Literal

from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devstack.servers.hub.commits import MAX_FILE_BYTES, read_commit
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
    writer_of,
)
from devstack.servers.hub.info import info_of, summary_of
from devstack.servers.hub.refusals import (
    Refusal,
    bad_request,
    checked_path,
    entry_not_found,
    revision_not_found,
    too_large,
)
from devstack.servers.hub.repositories import MAIN, Kind, Repository
from devstack.servers.hub.storage import Entry

_COMMITS_A_PAGE = 100
_REPOSITORIES_A_PAGE = 500


class _Named(BaseModel):
    name: str
    organization: str | None = None
    type: str | None = None


class _Creation(_Named):
    private: bool | None = None
    visibility: str | None = None


class _Settings(BaseModel):
    gated: Literal["auto", "manual", False] | None = None
    private: bool | None = None
    visibility: Literal["public", "private", "protected"] | None = None


class _Move(BaseModel):
    fromRepo: str
    toRepo: str
    type: str | None = None


class _Grant(BaseModel):
    user: str


class _Branch(BaseModel):
    startingPoint: str | None = None


class _Tag(BaseModel):
    tag: str
    message: str | None = None


class _Card(BaseModel):
    content: str = ""


def agent_harnesses(_request: Request) -> Response:
    return JSONResponse({"standardEnvVars": [], "harnesses": {}})


def whoami(request: Request) -> Response:
    user = user_of(request)
    if user is None:
        raise Refusal(401, "Invalid username or password.")
    token = {"role": "write", "displayName": "embedded"}
    return JSONResponse(
        {
            "type": "user",
            "id": user,
            "name": user,
            "fullname": user,
            "isPro": False,
            "orgs": [],
            "auth": {"type": "access_token", "accessToken": token},
        }
    )


async def validate_yaml(request: Request) -> Response:
    await read_model(request, _Card)
    return JSONResponse({"errors": [], "warnings": []})


async def create(request: Request) -> Response:
    user = writer_of(request)
    asked = await read_model(request, _Creation)
    kind = Kind.of_repo_type(asked.type)
    namespace = asked.organization or user
    private = asked.visibility == "private" if asked.visibility is not None else bool(asked.private)
    repositories = hub_of(request).repositories
    created = await run_in_threadpool(
        repositories.create, kind, namespace, asked.name, private=private, user=user
    )
    repo_id = f"{namespace}/{asked.name}"
    url = f"{base_url(request)}/{kind.url_prefix}{repo_id}"
    if not created:
        raise Refusal(409, f"You already created this {kind.value[:-1]} repo: {repo_id}", body={"url": url})
    return JSONResponse({"url": url, "name": repo_id, "id": repo_id})


async def delete(request: Request) -> Response:
    user = writer_of(request)
    asked = await read_model(request, _Named)
    repositories = hub_of(request).repositories
    kind, namespace = Kind.of_repo_type(asked.type), asked.organization or user
    repository = repositories.visible(kind, namespace, asked.name, user=user)
    await run_in_threadpool(repositories.delete, repository)
    return JSONResponse({"success": True})


async def move(request: Request) -> Response:
    user = writer_of(request)
    asked = await read_model(request, _Move)
    kind = Kind.of_repo_type(asked.type)
    source, target = asked.fromRepo.split("/"), asked.toRepo.split("/")
    if len(source) != 2 or len(target) != 2:
        raise bad_request("fromRepo and toRepo must be namespace/name")
    repositories = hub_of(request).repositories
    repository = repositories.visible(kind, *source, user=user)
    await run_in_threadpool(repositories.rename, repository, *target)
    return JSONResponse({"success": True})


async def settings(request: Request) -> Response:
    repository, _ = writable_repository_of(request)
    asked = await read_model(request, _Settings)
    repositories = hub_of(request).repositories
    if asked.gated is not None:
        await run_in_threadpool(repositories.set_gated, repository, asked.gated or None)
    private = asked.visibility == "private" if asked.visibility is not None else asked.private
    if private is not None:
        await run_in_threadpool(repositories.set_private, repository, private)
    return JSONResponse(asked.model_dump(exclude_none=True))


async def grant(request: Request) -> Response:
    repository, _ = writable_repository_of(request)
    asked = await read_model(request, _Grant)
    await run_in_threadpool(hub_of(request).repositories.grant, repository, asked.user)
    return JSONResponse({"success": True})


def auth_check(request: Request) -> Response:
    repository = repository_of(request)
    hub_of(request).repositories.check_download(repository, user=user_of(request))
    return JSONResponse({"success": True})


def listed(request: Request) -> Response:
    hub, query = hub_of(request), request.query_params
    limit = number(request, "limit", _REPOSITORIES_A_PAGE, highest=_REPOSITORIES_A_PAGE) or 1
    offset = number(request, "cursor", 0, highest=10**9)
    kind = Kind(request.path_params["kind"])
    found = hub.repositories.listed(
        kind,
        user=user_of(request),
        author=query.get("author"),
        search=query.get("search"),
        limit=limit + 1,
        offset=offset,
    )
    items = [summary_of(repository, sha=_main(request, repository).oid) for repository in found[:limit]]
    return page(request, items, cursor="cursor", following=offset + limit if len(found) > limit else None)


def _main(request: Request, repository: Repository) -> Commit:
    return hub_of(request).history.resolve(repository, MAIN)


def _revision(request: Request, repository: Repository) -> Commit:
    return hub_of(request).history.resolve(repository, part(request, "rev"))


def describe(request: Request) -> Response:
    repository = repository_of(request)
    at_revision = "rev" in request.path_params
    commit = _revision(request, repository) if at_revision else _main(request, repository)
    blobs = request.query_params.get("blobs", "").lower() in {"true", "1"}
    expand = request.query_params.getlist("expand") + request.query_params.getlist("expand[]")
    return JSONResponse(info_of(hub_of(request), repository, commit, blobs=blobs, expand=expand))


def commits(request: Request) -> Response:
    hub, repository = hub_of(request), repository_of(request)
    start = _revision(request, repository)
    limit = number(request, "limit", _COMMITS_A_PAGE, highest=_COMMITS_A_PAGE) or 1
    at = number(request, "p", 0, highest=10**7)
    found = hub.history.log(repository, start, limit=limit + 1, offset=at * limit)
    items = [_commit_json(commit) for commit in found[:limit]]
    return page(request, items, cursor="p", following=at + 1 if len(found) > limit else None)


def _commit_json(commit: Commit) -> dict[str, Any]:
    return {
        "id": commit.oid,
        "title": commit.title,
        "message": commit.description,
        "authors": [{"user": commit.author}],
        "date": commit.date,
    }


def refs(request: Request) -> Response:
    repository = repository_of(request)
    found = hub_of(request).history.refs(repository)

    def listing(*, branches: bool) -> list[dict[str, str]]:
        chosen = [ref for ref in found if ref.is_branch is branches]
        return [{"name": ref.name, "ref": ref.ref, "targetCommit": ref.oid} for ref in chosen]

    return JSONResponse({"branches": listing(branches=True), "tags": listing(branches=False), "converts": []})


async def create_branch(request: Request) -> Response:
    repository, _ = writable_repository_of(request)
    asked = await read_model(request, _Branch)
    history = hub_of(request).history
    start = history.resolve(repository, asked.startingPoint or MAIN)
    await run_in_threadpool(history.create_branch, repository, part(request, "rev"), start)
    return JSONResponse({"success": True})


async def delete_branch(request: Request) -> Response:
    repository, _ = writable_repository_of(request)
    await run_in_threadpool(hub_of(request).history.delete_branch, repository, part(request, "rev"))
    return JSONResponse({"success": True})


async def create_tag(request: Request) -> Response:
    repository, _ = writable_repository_of(request)
    asked = await read_model(request, _Tag)
    target = _revision(request, repository)
    history = hub_of(request).history
    await run_in_threadpool(history.create_tag, repository, asked.tag, target, message=asked.message)
    return JSONResponse({"success": True})


async def delete_tag(request: Request) -> Response:
    repository, _ = writable_repository_of(request)
    await run_in_threadpool(hub_of(request).history.delete_tag, repository, part(request, "rev"))
    return JSONResponse({"success": True})


_ENTRIES_A_PAGE = 1000
_EXPANDED_A_PAGE = 100
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class _UploadFile(BaseModel):
    path: str
    size: int = Field(default=0, ge=0)


class _Preupload(BaseModel):
    files: list[_UploadFile]


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
    try:
        made = await run_in_threadpool(hub_of(request).committer.commit, repository, branch, asked, user=user)
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


PICTURES: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
}
"""Media types by suffix; whatever else is served as text."""


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
    media_type = PICTURES.get(path.rpartition(".")[2].lower(), "text/plain")
    headers = {
        "X-Repo-Commit": commit.oid,
        "ETag": f'"{entry.oid}"',
        "Accept-Ranges": "bytes",
        "Access-Control-Expose-Headers": "X-Repo-Commit, ETag",
        # Uploads are untrusted: a browser shows them as text or as pictures, and runs nothing.
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    bounds = _bounds(request.headers.get("range"), size)
    if request.method == "HEAD":
        return Response(headers={**headers, "Content-Length": str(size)}, media_type=media_type)
    if bounds is not None:
        start, stop = bounds
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        data = hub.objects.read(entry.oid, start=start, length=stop - start)
        return Response(data, status_code=206, headers=headers, media_type=media_type)
    return Response(hub.objects.read(entry.oid), headers=headers, media_type=media_type)


_REPO = "/api/{kind:kind}/{ns}/{name}"

ROUTES = [
    Route("/api/agent-harnesses", agent_harnesses),
    Route("/api/whoami-v2", whoami),
    Route("/api/validate-yaml", validate_yaml, methods=["POST"]),
    Route("/api/repos/create", create, methods=["POST"]),
    Route("/api/repos/delete", delete, methods=["DELETE"]),
    Route("/api/repos/move", move, methods=["POST"]),
    Route("/api/{kind:kind}", listed),
    Route(_REPO, describe),
    Route(_REPO + "/revision/{rev}", describe),
    Route(_REPO + "/settings", settings, methods=["PUT"]),
    Route(_REPO + "/user-access-request/grant", grant, methods=["POST"]),
    Route(_REPO + "/auth-check", auth_check),
    Route(_REPO + "/commits/{rev}", commits),
    Route(_REPO + "/refs", refs),
    Route(_REPO + "/branch/{rev}", create_branch, methods=["POST"]),
    Route(_REPO + "/branch/{rev}", delete_branch, methods=["DELETE"]),
    Route(_REPO + "/tag/{rev}", create_tag, methods=["POST"]),
    Route(_REPO + "/tag/{rev}", delete_tag, methods=["DELETE"]),
    Route(_REPO + "/tree/{rev}", tree),
    Route(_REPO + "/tree/{rev}/{path:path}", tree),
    Route(_REPO + "/paths-info/{rev}", paths_info, methods=["POST"]),
    Route(_REPO + "/preupload/{rev}", preupload, methods=["POST"]),
    Route(_REPO + "/commit/{rev}", commit, methods=["POST"]),
    Route("/datasets/{ns}/{name}/resolve/{rev}/{path:path}", resolve),
    Route("/{ns}/{name}/resolve/{rev}/{path:path}", resolve),
]
