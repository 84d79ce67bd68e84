"""Tell a submission's sender why it is not evaluated, and remember it."""

from __future__ import annotations

import logging
from typing import Any

from palmares.hub import HubFile
from palmares.leaderboard.errors import Refusal, RefusedError
from palmares.leaderboard.publishing.status import failed_changes
from palmares.leaderboard.submissions.request_file import (
    RequestFile,
    RequestStatus,
    parse_status,
    read_object,
)
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.outbox import request_edit
from palmares.steps.services import Services

log = logging.getLogger(__name__)


def refuse(
    services: Services,
    refusal: Refusal,
    *,
    dag_run_id: str,
    dry_run: bool = False,
    file: HubFile | None = None,
    request: RequestFile | None = None,
    submission: Submission | None = None,
) -> None:
    """Store the refusal with its write-back, together; name the request by *file* or by *submission*.

    An unreadable request (no *request*, no *submission*) is remembered only: there is no JSON to write into.
    """
    if submission is not None:
        path, oid = submission.request_path, submission.blob_oid
        model_id: str | None = submission.model_id
    elif file is not None:
        path, oid = file.path, file.oid
        model_id = request.model_id if request else None
    else:
        raise TypeError("refuse() needs a file or a submission")
    log.warning("refused %s: %s", path, refusal.error_msg)
    if dry_run or (submission is not None and submission.limit_samples is not None):
        return
    writable = submission is not None or request is not None or is_writable(file)
    changes = told(refusal)
    entries = [request_edit(services, path, changes, dag_run_id=dag_run_id)] if writable else []
    is_new = services.store.request_files.refuse(
        request_path=path,
        blob_oid=oid,
        model_id=model_id,
        refusal=refusal,
        dag_run_id=dag_run_id,
        entries=entries,
    )
    if not is_new:  # the very same content waits again: its sender has to be told again
        services.store.outbox.add(entries)


def told(refusal: Refusal) -> dict[str, Any]:
    """What the request file says of a refusal: FAILED, or CANCELLED where a person withdrew the model."""
    changes = failed_changes(refusal)
    if refusal.code == "withdrawn":
        changes["status"] = RequestStatus.CANCELLED.value
    return changes


def is_writable(file: HubFile | None) -> bool:
    """Whether the file is a JSON object that still waits: a settled one keeps what it says."""
    if file is None:
        return False
    try:
        return parse_status(read_object(file.content).get("status")).waits
    except RefusedError:
        return False
