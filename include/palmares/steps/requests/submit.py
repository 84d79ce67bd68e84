"""Submit a model as the form would: one request file in one commit, unless a sweep would refuse it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from palmares.benchmarks.registry import suite_hash
from palmares.leaderboard.errors import HubUnavailableError, Refusal, RefusedError, StaleCommitError
from palmares.leaderboard.submissions.admission import (
    Case,
    duplicate_refusal,
    evaluated_refusal,
    examine,
    find_duplicates,
)
from palmares.leaderboard.submissions.moderation import Moderation, all_names, current_name
from palmares.leaderboard.submissions.names import validate_model_id
from palmares.leaderboard.submissions.refusals import refused
from palmares.leaderboard.submissions.request_file import (
    RequestStatus,
    edit_request,
    parse_precision,
    parse_request,
)
from palmares.leaderboard.submissions.status_machine import Actor, may_become
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.requests.moderation import requests_of
from palmares.steps.services import Services
from palmares.steps.sweep.queue import known_elsewhere

log = logging.getLogger(__name__)

TRIES = 5
"""Of a commit, while others commit first."""
LONGEST_WORDS = 100
"""Characters of a sender's name, or of a type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionRequest:
    """What a person asks for."""

    model_id: str
    revision: str = "main"
    precision: str = "bfloat16"
    weight_type: str = "Original"
    base_model: str | None = None
    use_chat_template: bool | None = None
    """None: left to ``policies.use_chat_template_by_default``."""
    sender: str | None = None
    model_type: str | None = None

    @property
    def path(self) -> str:
        """The request file's, as front ends name it."""
        return f"{self.model_id}_eval_request_False_{self.precision}_{self.weight_type}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """What came of it."""

    path: str
    status: RequestStatus
    """``PENDING``, or ``RERUN`` for a new result of what has one."""
    is_new: bool
    """False: the file was there, and its status was changed."""
    commit: str
    revision: str
    """The commit that the model's revision names now."""


def submit(
    services: Services, asked: SubmissionRequest, *, again: bool = False, now: datetime | None = None
) -> Submitted:
    """Write the request, if the next sweep would take it.

    A file that is there is edited, not replaced: one that failed or was cancelled waits again; one that is
    finished asks for a new result if *again* is set.

    Args:
        services: Open handles.
        asked: What to evaluate.
        again: Ask for a new result though there is one.
        now: Aware; None: this moment.

    Raises:
        RefusedError: It would be refused, with the reason that the sender would read.
        HubUnavailableError: The Hub is out of reach, or others committed first every time.
    """
    validate_model_id(asked.model_id)  # before its name is part of a path
    moderation = services.store.moderation.current()
    asked = _normalised(asked, moderation)
    moment = (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    repo = services.settings.hub.requests_repo
    submission = _examined(services, _content(asked, moment), asked.path, moderation)
    for _ in range(TRIES):
        commit = services.hub.head(repo)
        present = services.hub.read_file(repo, asked.path, commit=commit)
        has_result = _has_result_elsewhere(services, submission, moderation)
        content, status = _next_content(
            asked, submission, present, moment, again=again, has_result=has_result is not None
        )
        if has_result is not None and not again:
            raise RefusedError(has_result)
        _check_waiting(services, submission, asked.path, moderation)
        try:
            made = services.hub.commit_files(
                repo, {asked.path: content}, message=f"{status.value} {asked.path}", parent_commit=commit
            )
        except StaleCommitError:
            log.info("%s moved on meanwhile: read again", repo)
            continue
        log.info("%s is %s in commit %s", asked.path, status.value, made)
        return Submitted(
            path=asked.path,
            status=status,
            is_new=present is None,
            commit=made,
            revision=submission.revision,
        )
    raise HubUnavailableError(f"{repo}: somebody committed first {TRIES} times. Try again.")


def _normalised(asked: SubmissionRequest, moderation: Mapping[str, Moderation]) -> SubmissionRequest:
    """One spelling of everything, and the name that the model has now.

    Raises:
        RefusedError: ``invalid_request``: words that no front end could show.
    """
    for name, value in (("sender", asked.sender), ("model_type", asked.model_type)):
        if value is not None and (not value.isprintable() or len(value) > LONGEST_WORDS):
            detail = f"{name} has {len(value)} characters, at most {LONGEST_WORDS}, or some cannot be printed"
            raise refused("invalid_request", detail=detail)
    return replace(
        asked,
        model_id=current_name(asked.model_id, moderation),
        precision=parse_precision(asked.precision),
        weight_type=asked.weight_type.strip().capitalize(),
    )


def _content(
    asked: SubmissionRequest,
    moment: str,
    submission: Submission | None = None,
    status: RequestStatus = RequestStatus.PENDING,
) -> bytes:
    """The request as the original front end writes it; what the Hub says once it was asked."""
    about = submission.about if submission else None
    parameters = about.parameters if about else None
    fields: dict[str, Any] = {
        "model": asked.model_id,
        "base_model": asked.base_model or "",
        "revision": asked.revision,
        "private": False,
        "precision": asked.precision,
        "params": round(parameters / 1e9, 3) if parameters else 0,
        "architectures": about.architecture if about else None,
        "weight_type": asked.weight_type,
        "status": status.value,
        "submitted_time": moment,
        "model_type": asked.model_type,
        "job_id": "-1",  # a string as a ClearML task's id: one type, so that `datasets` reads the requests
        "job_start_time": None,
        "use_chat_template": asked.use_chat_template,
        "sender": asked.sender,
        "license": about.license if about else None,
    }
    nullable = {"job_start_time"}
    kept = {name: value for name, value in fields.items() if value is not None or name in nullable}
    return (json.dumps(kept, indent=2, ensure_ascii=False) + "\n").encode()


def _examined(
    services: Services, content: bytes, path: str, moderation: Mapping[str, Moderation]
) -> Submission:
    settings = services.settings
    suite = settings.suite(None)
    case = Case(
        request=parse_request(path, content),
        blob_oid="",
        facts=services.hub.model_facts,
        settings=settings,
        suite_name=suite.name,
        suite_hash=suite_hash(suite.task_keys),
        moderation=moderation,
    )
    return examine(case).pinned


def _next_content(
    asked: SubmissionRequest,
    submission: Submission,
    present: bytes | None,
    moment: str,
    *,
    again: bool,
    has_result: bool,
) -> tuple[bytes, RequestStatus]:
    """The file to write over what is there.

    Raises:
        RefusedError: It waits already, has its result, or is a fork's own.
    """
    # Only RERUN evaluates anew what has a result, whichever file it came from.
    status = RequestStatus.RERUN if again and has_result else RequestStatus.PENDING
    if present is None:
        return _content(asked, moment, submission, status), status
    there = parse_request(asked.path, present)
    if there.status.waits or there.status is RequestStatus.RUNNING:
        raise RefusedError(duplicate_refusal(asked.path))
    is_finished = there.status is RequestStatus.FINISHED
    if is_finished and not again:
        raise RefusedError(evaluated_refusal(asked.path))
    if is_finished:
        status = RequestStatus.RERUN
    if not may_become(there.status, status, by=Actor.OPERATOR):
        detail = f"{asked.path} says {there.raw.get('status')!r}, which is not ours to change"
        raise refused("invalid_request", detail=detail)
    changes: dict[str, Any] = {
        "status": status.value,
        "revision": asked.revision,
        "submitted_time": moment,
        "error_msg": None,
    }
    said = {"sender": asked.sender, "use_chat_template": asked.use_chat_template}
    changes |= {name: value for name, value in said.items() if value is not None}
    return edit_request(present, changes), status


def _has_result_elsewhere(
    services: Services, submission: Submission, moderation: Mapping[str, Moderation]
) -> Refusal | None:
    """``already_evaluated`` where another request has the result; None: nobody has.

    Raises:
        RefusedError: ``duplicate``: another request is under way for it.
    """
    elsewhere = known_elsewhere(services, submission, moderation, is_again=False)
    if elsewhere is not None and elsewhere.code == "duplicate":
        raise RefusedError(elsewhere)
    return elsewhere


def _check_waiting(
    services: Services, submission: Submission, path: str, moderation: Mapping[str, Moderation]
) -> None:
    """Look for the same in other request files that wait.

    Raises:
        RefusedError: ``duplicate``.
    """
    for request in requests_of(services, all_names(submission.model_id, moderation)):
        if request.path == path or not request.status.waits:
            continue
        try:
            other = _examined(services, json.dumps(request.raw).encode(), request.path, moderation)
        except RefusedError:
            continue
        if find_duplicates([other, submission]):
            raise RefusedError(duplicate_refusal(request.path))
