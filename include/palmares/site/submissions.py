"""Takes submissions of strangers: reads the form, runs the admission checks, and commits the request."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from palmares.hub import Hub
from palmares.leaderboard.errors import HubUnavailableError, RefusedError, StaleCommitError
from palmares.leaderboard.planning import JobPlan
from palmares.leaderboard.settings import Settings
from palmares.leaderboard.submissions.admission import Case, examine
from palmares.leaderboard.submissions.names import validate_model_id
from palmares.leaderboard.submissions.refusals import duplicate_refusal, evaluated_refusal
from palmares.leaderboard.submissions.request_file import parse_request
from palmares.leaderboard.submissions.submission import Submission
from palmares.site.settings import SiteSettings
from palmares.site.snapshot import Request, Snapshot, Source
from palmares.texts import marked

TRIES = 5
"""Of a commit, while others commit first."""
MODEL_TYPES = ("pretrained", "continuously pretrained", "fine-tuned", "chat", "merge")
LONGEST = {"model": 193, "revision": 255, "base_model": 193}
"""Characters of what is typed by hand."""
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")


class FormError(Exception):
    """Fields that cannot be read.

    Attributes:
        problems: A sentence for each field, in English (a key of the catalogues).
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(problems.values()))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionForm:
    """What a person asks for."""

    model: str
    revision: str
    precision: str
    weight_type: str
    base_model: str
    use_chat_template: bool
    model_type: str

    @property
    def path(self) -> str:
        """The request file's, as front ends name it."""
        return f"{self.model}_eval_request_False_{self.precision}_{self.weight_type}.json"

    def request(self, *, revision: str, sender: str, moment: datetime, facts: Submission | None) -> bytes:
        """Write the request file; *revision* is the commit that the checks saw."""
        about = None if facts is None else facts.about
        parameters = None if about is None else about.parameters
        fields: dict[str, Any] = {
            "model": self.model,
            "base_model": self.base_model,
            "revision": revision,
            "private": False,
            "precision": self.precision,
            "params": round(parameters / 1e9, 3) if parameters else 0,
            "architectures": None if about is None else about.architecture,
            "weight_type": self.weight_type,
            "status": "PENDING",
            "submitted_time": moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "model_type": self.model_type,
            "job_id": "-1",
            "job_start_time": None,
            "use_chat_template": self.use_chat_template,
            "sender": sender,
            "license": None if about is None else about.license,
        }
        return (json.dumps(fields, indent=2, ensure_ascii=False) + "\n").encode()


def read_form(fields: Mapping[str, str]) -> SubmissionForm:
    """Read a form's fields; all problems are told together.

    Raises:
        FormError: A field is missing, too long or not one of the choices.
    """
    problems: dict[str, str] = {}
    texts = {name: fields.get(name, "").strip() for name in ("model", "revision", "base_model")}
    for name, text in texts.items():
        if len(text) > LONGEST[name] or not text.isprintable():
            problems[name] = marked("This is too long, or holds characters that cannot be printed.")
    if not texts["model"]:
        problems["model"] = marked("Name the model, as organisation/model.")
    if texts["revision"] and not _REVISION.fullmatch(texts["revision"]):
        problems["revision"] = marked("This is no name of a branch, a tag or a commit.")
    model_type = fields.get("model_type", "")
    if model_type not in MODEL_TYPES:
        problems["model_type"] = marked("Choose one of the types.")
    for name in ("model", "base_model"):
        if texts[name] and name not in problems:
            try:
                validate_model_id(texts[name])
            except RefusedError:
                problems[name] = marked("This is not the name of a Hub repository: write organisation/model.")
    if problems:
        raise FormError(problems)
    return SubmissionForm(
        model=texts["model"],
        revision=texts["revision"] or "main",
        precision=fields.get("precision", ""),
        weight_type=fields.get("weight_type", "Original"),
        base_model=texts["base_model"],
        use_chat_template=fields.get("use_chat_template", "") in {"on", "true", "1"},
        model_type=model_type,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the checks found: the submission would be taken."""

    revision: str
    """Commit that the revision names now, 40 hex digits."""
    plan: JobPlan
    parameters: int | None
    waiting: int
    """Requests that wait now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A request that was committed."""

    path: str
    commit: str
    checked: Checked
    """What the checks found when it was committed."""

    @property
    def slug(self) -> str:
        return self.path.removesuffix(".json")


class SubmissionDesk:
    """Checks and commits submissions; reads public data only.

    Args:
        site: The site's settings.
        settings: The leaderboard's; None: closed.
        source: The public data.
        writer: Commits requests; None: closed.
    """

    def __init__(
        self, site: SiteSettings, settings: Settings | None, source: Source, writer: Hub | None
    ) -> None:
        self._site, self._settings, self._source, self._writer = site, settings, source, writer

    @property
    def is_open(self) -> bool:
        return self._settings is not None and self._writer is not None

    def check(self, form: SubmissionForm) -> Checked:
        """Run every admission check now.

        Raises:
            FormError: A choice is not the leaderboard's.
            RefusedError: The sweep would refuse it, with the reason.
            HubUnavailableError: The Hub is out of reach.
        """
        case = self._examined(form)
        snapshot = self._source.snapshot()
        self._refuse_known(form, case.pinned, snapshot)
        return _checked(case, snapshot)

    def submit(self, form: SubmissionForm, *, sender: str, now: datetime | None = None) -> Accepted:
        """Check once more, and commit the request, pinned to the commit that was checked.

        Raises:
            FormError, RefusedError, HubUnavailableError: As `check`.
        """
        assert self._writer is not None, "closed"
        case = self._examined(form)
        submission = case.pinned
        content = form.request(
            revision=submission.revision, sender=sender, moment=now or datetime.now(UTC), facts=submission
        )
        repo = self._site.requests_repo
        for _ in range(TRIES):
            self._source.forget()
            snapshot = self._source.snapshot()
            self._refuse_known(form, submission, snapshot)
            head = self._writer.head(repo)
            present = self._writer.read_file(repo, form.path, commit=head)
            if present is not None and parse_request(form.path, present).status.value not in {
                "FAILED",
                "CANCELLED",
            }:
                raise RefusedError(duplicate_refusal(form.path))
            try:
                commit = self._writer.commit_files(
                    repo, {form.path: content}, message=f"Submit {form.model}", parent_commit=head
                )
            except StaleCommitError:
                continue
            self._source.forget()
            return Accepted(path=form.path, commit=commit, checked=_checked(case, snapshot))
        raise HubUnavailableError(f"{repo}: somebody committed first {TRIES} times. Try again.")

    def existing(self, form: SubmissionForm) -> Request | None:
        """The request that a duplicate leads to."""
        found = [one for one in self._source.snapshot().requests if _asks_the_same(one, form)]
        return found[0] if found else None

    def _examined(self, form: SubmissionForm) -> Case:
        settings = self._settings
        assert settings is not None, "closed"
        problems = {}
        if form.precision not in self._site.precisions:
            problems["precision"] = marked("Choose one of the precisions.")
        if form.weight_type not in self._site.weight_types:
            problems["weight_type"] = marked("Choose one of the weight types.")
        if problems:
            raise FormError(problems)
        reader = Hub(endpoint=self._site.endpoint, token=None)
        content = form.request(revision=form.revision, sender="", moment=datetime.now(UTC), facts=None)
        suite = settings.suite()
        return examine(
            Case(
                request=parse_request(form.path, content),
                blob_oid="",
                facts=reader.model_facts,
                settings=settings,
                suite_name=suite.name,
                suite_hash="0" * 64,  # of no job: only a plan is made
            )
        )

    def _refuse_known(self, form: SubmissionForm, submission: Submission, snapshot: Snapshot) -> None:
        """Refuse what waits, runs, or has its result at this commit.

        Raises:
            RefusedError: ``duplicate`` or ``already_evaluated``.
        """
        for one in snapshot.requests:
            if _asks_the_same(one, form) and one.state in {"waiting", "running"}:
                raise RefusedError(duplicate_refusal(one.path))
        for row in snapshot.by_name.get(form.model, ()):
            is_same = (row.precision, row.weight_type) == (form.precision, form.weight_type)
            is_same = is_same and row.chat_template == submission.use_chat_template
            if is_same and row.revision == submission.revision:
                raise RefusedError(evaluated_refusal(form.path))


def _checked(case: Case, snapshot: Snapshot) -> Checked:
    return Checked(
        revision=case.pinned.revision,
        plan=case.placed,
        parameters=case.pinned.about.parameters,
        waiting=sum(1 for one in snapshot.requests if one.state == "waiting"),
    )


def _asks_the_same(request: Request, form: SubmissionForm) -> bool:
    mine = (form.model.lower(), form.precision, form.weight_type)
    return (request.model.lower(), request.precision, request.weight_type) == mine
