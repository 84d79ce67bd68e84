"""Checks names that strangers wrote, before they touch a path, a shell or a query."""

from __future__ import annotations

import re

from palmares.leaderboard.submissions.refusals import refused

_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
MAX_NAME = 96
"""The Hub's own limit, for the organisation and for the name."""
MAX_REVISION = 200


def validate_model_id(model_id: str) -> str:
    """Accept what the Hub accepts: ``name`` or ``organisation/name``.

    Letters, digits, ``-``, ``_`` and ``.``; no ``--`` or ``..``; no ``-`` or ``.`` at an end; no ``.git``
    at the end; at most 96 characters each (huggingface_hub's ``validate_repo_id``).

    Returns:
        The name.

    Raises:
        RefusedError: ``invalid_name``.
    """
    detail = _problem(model_id)
    if detail:
        raise refused("invalid_name", name=repr(model_id[:MAX_NAME]), detail=detail)
    return model_id


def validate_revision(revision: str) -> str:
    """Accept a branch, tag, pull-request ref or commit that is safe in a path and a command line.

    Raises:
        RefusedError: ``invalid_revision``.
    """
    if len(revision) > MAX_REVISION:
        detail = f"{len(revision)} characters, at most {MAX_REVISION}"
    elif not _REVISION.fullmatch(revision) or ".." in revision or "//" in revision or revision.endswith("/"):
        detail = "only letters, digits and - _ . / are allowed"
    else:
        return revision
    raise refused("invalid_revision", name=repr(revision[:MAX_NAME]), detail=detail)


def _problem(model_id: str) -> str | None:
    parts = model_id.split("/")
    longest = max(len(part) for part in parts)
    if longest > MAX_NAME:
        return f"{longest} characters, at most {MAX_NAME}"
    if len(parts) > 2:
        return f"{len(parts) - 1} slashes, at most one"
    if ".." in model_id or "--" in model_id:
        return "'..' and '--' are not allowed"
    if model_id.endswith(".git"):
        return "it ends with '.git'"
    if not all(_PART.fullmatch(part) for part in parts):
        return "only letters, digits and - _ . are allowed, the last two not at an end"
    return None
