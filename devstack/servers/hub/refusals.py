"""What the server refuses, and the checks of names, paths and revisions that strangers send."""

from __future__ import annotations

import re
from urllib.parse import unquote


class Refusal(Exception):
    """An HTTP answer other than success.

    Attributes:
        status: HTTP status code.
        message: Shown to the person; also sent as ``X-Error-Message``.
        code: ``X-Error-Code``; the client maps it to an exception, whatever the status.
        headers: Further headers.
        body: Further keys of the JSON body.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        headers: dict[str, str] | None = None,
        body: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = headers or {}
        self.body = body or {}


def bad_request(message: str) -> Refusal:
    return Refusal(400, message)


def too_large(message: str) -> Refusal:
    return Refusal(413, message)


def repo_not_found() -> Refusal:
    # The same words whether it is missing or private: a stranger must not learn which.
    return Refusal(404, "Repository not found", code="RepoNotFound")


def revision_not_found(revision: str) -> Refusal:
    return Refusal(404, f"Invalid rev id: {revision}", code="RevisionNotFound")


def entry_not_found(path: str, *, commit: str | None = None) -> Refusal:
    # The client caches "no such file" under this commit.
    headers = {"X-Repo-Commit": commit} if commit else {}
    return Refusal(404, f"Entry not found: {path}", code="EntryNotFound", headers=headers)


def gated_repo(repo_id: str) -> Refusal:
    return Refusal(
        403,
        f"Access to {repo_id} is restricted, and you are not in its list: ask its owner for access.",
        code="GatedRepo",
    )


_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_-])?")
# A subset of git's rules (git-check-ref-format): what people use, and nothing that needs quoting.
_REF_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,99}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")

_MAX_PATH_BYTES = 1024
_MAX_PART_BYTES = 255


def decoded(raw: str) -> str:
    """Undo the percent-encoding of one part of a raw path."""
    try:
        return unquote(raw, errors="strict")
    except UnicodeDecodeError as error:
        raise bad_request(f"The path is not UTF-8: {raw[:200]!r}") from error


def checked_name(name: str, *, what: str) -> str:
    """Return *name* if it may be a namespace's or a repository's, by the Hub's rules."""
    if not _NAME.fullmatch(name) or ".." in name or "--" in name or name.endswith(".git"):
        raise bad_request(
            f"Invalid {what} {name[:120]!r}: letters, digits, '-', '_' and '.', at most 96, "
            "no '--' and no '..', and it cannot start or end with '-' or '.'"
        )
    return name


def checked_path(path: str) -> str:
    """Return *path* if it names a file inside a repository.

    Raises:
        Refusal: 400: empty, absolute, too long, or with a part that is ``.``, ``..``, ``.git`` or has a NUL.
    """
    if not path or len(path.encode("utf-8", "surrogatepass")) > _MAX_PATH_BYTES:
        raise bad_request(f"Invalid path of {len(path)} characters: 1 to {_MAX_PATH_BYTES} bytes")
    if _CONTROL.search(path) or any("\ud800" <= character <= "\udfff" for character in path):
        raise bad_request(f"Invalid path {path[:200]!r}: control characters and '\\' are not allowed")
    for part in path.split("/"):
        if part in {"", ".", ".."} or part.lower() == ".git" or len(part.encode()) > _MAX_PART_BYTES:
            raise bad_request(f"Invalid path {path[:200]!r}: {part[:80]!r} is not allowed in it")
    return path


def checked_ref_name(name: str) -> str:
    """Return *name* if it may be a branch's or a tag's."""
    parts = name.split("/")
    if len(name) > 200 or not all(
        _REF_PART.fullmatch(part) and ".." not in part and not part.endswith((".", ".lock")) for part in parts
    ):
        raise bad_request(f"Invalid branch or tag name {name[:120]!r}")
    if re.fullmatch(r"[0-9a-f]{40}", name) or parts[0] == "refs":
        raise bad_request(f"Invalid branch or tag name {name[:120]!r}: it looks like a commit or a full ref")
    return name
