"""What the server refuses, in the headers by which the Hub's client recognises it."""

from __future__ import annotations


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
