"""Outbox entries and the request file that tests write."""

from __future__ import annotations

from typing import Any

from palmares.store.outbox.queue import OutboxEntry

REPO = "org/requests"
REQUEST = b'{\n  "model": "org/model",\n  "status": "PENDING",\n  "extra": 1\n}\n'


def put(path="new.json", content=b"{}", **other):
    given: dict[str, Any] = {"key": f"put:{path}", "repo_id": REPO, "private": False}
    given |= {"message": f"Write {path}"} | other
    return OutboxEntry(kind="put", path=path, content=content, **given)


def edit(path="a.json", *, key=None, **changes):
    return OutboxEntry(
        key=key or f"edit:{path}:{sorted(changes.items())}",
        repo_id=REPO,
        private=False,
        kind="edit_request",
        path=path,
        changes=changes,
        message=f"Edit {path}",
    )
