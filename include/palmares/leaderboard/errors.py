"""The one tree of errors.

LeaderboardError
├── SettingsError             a configuration file is wrong: say the key and the file
├── RunFormError             a person asked a run for what does not exist: say every wrong field together
├── RefusedError              a submission cannot be evaluated: carries a Refusal for the submitter
├── ModerationError           a person's decision about a model is unusable, or contradicts what holds
├── ResultsError              what the evaluator left behind cannot be used
│   ├── ResultsFormatError        a file is missing, malformed, or its hash differs
│   ├── ResultsIncompleteError    a task or rows are missing
│   └── GateError                 the numbers look wrong (sanity baseline, cross-check): quarantined
├── HubError                  the Hub answered something unexpected
│   ├── HubUnavailableError       outage, time-out, rate limit: try again later, nobody's fault
│   │   └── OutboxWaitError           what is to be written waits in the outbox, and why
│   ├── HubRefusedError           the Hub understood and will not: token, rights, storage, or what was sent
│   ├── HubNotFoundError          no such repository, revision or file
│   ├── HubGatedError             the repository is gated and our token has no access
│   └── StaleCommitError          somebody committed first: read again and re-apply
├── StoreError                our database is unreachable or not migrated
│   ├── ClaimLostError            another run holds the evaluation now: leave it to that one
│   └── LockHeldError             another process holds a lock for longer than we wait
├── ReportError               a report or a private file cannot be written: say where, and what to do
└── StackError                the embedded stack cannot start or has lost a part
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from palmares.texts import Language


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a submission is not evaluated, in words that tell its sender what to do."""

    code: str
    """Stable identifier, e.g. ``not_found``; listed in docs/operate/requests.md."""
    message_en: str
    message_fr: str

    @property
    def error_msg(self) -> str:
        """What is written into the request file: code, then the English sentence."""
        return f"{self.code}: {self.message_en}"

    def message(self, language: Language) -> str:
        """The sentence in a language."""
        return self.message_fr if language == "fr" else self.message_en

    def to_json(self) -> dict[str, str]:
        return asdict(self)


class LeaderboardError(Exception):
    """Base of every error that this project raises on purpose."""


class SettingsError(LeaderboardError):
    """A configuration file is wrong."""


class RunFormError(LeaderboardError):
    """A person asked a run for something that does not exist: no retry changes it."""


class RefusedError(LeaderboardError):
    """A submission cannot be evaluated."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.error_msg)
        self.refusal = refusal


class ModerationError(LeaderboardError):
    """A person's decision about a model is unusable, or contradicts what holds."""


class ResultsError(LeaderboardError):
    """What the evaluator left behind cannot be used."""


class ResultsFormatError(ResultsError):
    """A file is missing or malformed, or its hash is not the manifest's."""


class ResultsIncompleteError(ResultsError):
    """A task, or rows of a task, are missing."""


class GateError(ResultsError):
    """The numbers look wrong; quarantined for a person, never published."""


class HubError(LeaderboardError):
    """The Hub answered something unexpected."""


class HubUnavailableError(HubError):
    """Outage, time-out or rate limit: try again later.

    Attributes:
        retry_after_s: The wait that was asked for; None: none was named.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OutboxWaitError(HubUnavailableError):
    """What is to be written to the Hub waits in the outbox: nothing is lost, and it is written later."""


class HubRefusedError(HubError):
    """The Hub understood, and will not.

    Attributes:
        code: ``token`` (not valid any more), ``forbidden`` (no right to do this), ``quota`` (storage is
            full), ``public`` (private files into a public dataset) or ``content`` (what was sent: another
            file may pass).
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class HubNotFoundError(HubError):
    """No such repository, revision or file.

    Attributes:
        what: ``repository``, ``revision`` or ``file``.
    """

    def __init__(self, message: str, *, what: str) -> None:
        super().__init__(message)
        self.what = what


class HubGatedError(HubError):
    """The repository is gated, and our token has no access."""


class StaleCommitError(HubError):
    """The branch moved since it was read: read again and re-apply."""


class StoreError(LeaderboardError):
    """Our database is unreachable, or its schema is not the one this code needs."""


class ClaimLostError(StoreError):
    """Another run holds the evaluation now, or has replaced it: this one's task has nothing left to do."""


class LockHeldError(StoreError):
    """Another process has held a lock for longer than we were willing to wait."""


class ReportError(LeaderboardError):
    """A report, or a file that must stay private, cannot be written where it was asked for."""


class StackError(LeaderboardError):
    """The embedded stack cannot start, or has lost a part."""
