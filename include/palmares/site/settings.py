"""What the site has to know: where the public data is, and how the leaderboard describes itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from palmares.leaderboard.groups import Group
from palmares.leaderboard.settings import Settings
from palmares.leaderboard.suites import Suite, SuiteTask
from palmares.leaderboard.yaml_files import parse_settings, read_yaml
from palmares.texts import Language

HUB_TOKEN_VARIABLE = "PALMARES_SITE_HUB_TOKEN"  # noqa: S105 - the name of a variable
"""Environment variable: the token that commits submissions; without it the form is closed."""
SENDER_TOKENS_VARIABLE = "PALMARES_SITE_SENDER_TOKENS"
"""Environment variable: ``sender:sha256`` of each token that the operator gave out, separated by commas."""
SECRET_VARIABLE = "PALMARES_SITE_SECRET"  # noqa: S105 - its name, not its value
"""Environment variable: signs forms; without it each process draws its own."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BenchmarkText(_Frozen):
    """One column of the board, in words."""

    name: str
    """Short name, e.g. ``bac-fr``."""
    title: str
    """The column's heading in the contents table."""
    metric: str
    """Metric, with its filter where it has one."""
    shots: int
    """Examples in the prompt; of a group the most of any task."""
    baseline: float
    """What guessing scores, a fraction; shown values are rescaled so that it is 0. Of a group: 0."""
    kind: str
    """``generate`` or ``loglikelihood``; ``mixed`` of a group with both."""
    tasks: int = 1
    """Number of tasks whose mean it is."""

    @classmethod
    def of(cls, column: SuiteTask | Group, suite: Suite) -> Self:
        """Describe a column of *suite*, or a member of one of its groups."""
        tasks = suite.tasks_of(column)
        kinds = {task.kind for task in tasks}
        return cls(
            name=column.name,
            title=column.title,
            metric=", ".join(dict.fromkeys(task.metric.name for task in tasks)),
            shots=max(int(task.key.split("|")[2]) for task in tasks),
            baseline=column.metric.baseline if isinstance(column, SuiteTask) else 0.0,
            kind=kinds.pop() if len(kinds) == 1 else "mixed",
            tasks=len(tasks),
        )


class Limits(_Frozen):
    """How much one visitor may ask."""

    requests_per_minute: PositiveInt = 240
    """Requests of the API from one address."""
    submissions_per_hour: PositiveInt = 20
    """Checks and submissions together, of one sender and of one address: each asks the Hub."""


class SiteSettings(_Frozen):
    """Everything that the pages need beside the data; holds no secret and can be published."""

    title: str = "Palmarès"
    languages: tuple[Language, ...] = ("fr", "en")
    """The first is the default."""
    endpoint: str
    """Address of the Hub that is read."""
    hub_url: str
    """Where readers' links lead."""
    contents_repo: str
    results_repo: str
    requests_repo: str
    details_repo: str
    """Private; only its name is shown."""
    suite: str
    benchmarks: tuple[BenchmarkText, ...]
    """The table's columns: tasks and groups of tasks."""
    members: tuple[BenchmarkText, ...] = ()
    """What is in the groups: on the models' pages and in the API."""
    is_weighted: bool = False
    """Some columns count more than others in the average."""
    precisions: tuple[str, ...]
    weight_types: tuple[str, ...]
    contact: str = ""
    """A mail address or a URL; empty: the discussions of the requests dataset."""
    base_url: str = ""
    """Public address of the site, for feeds, the site map and share pictures; empty: the request's own."""
    refresh_s: float = Field(default=30.0, ge=0)
    """The Hub is asked for news no more often than this."""
    limits: Limits = Limits()

    @classmethod
    def of(cls, settings: Settings, *, endpoint: str) -> Self:
        """Derive the site's settings from the leaderboard's.

        Args:
            settings: The leaderboard's.
            endpoint: Address of the Hub that is read.
        """
        suite = settings.suite()
        return cls(
            title=settings.publishing.title,
            endpoint=endpoint,
            hub_url=settings.publishing.hub_url or endpoint,
            contents_repo=settings.contents_repo,
            results_repo=settings.hub.results_repo,
            requests_repo=settings.hub.requests_repo,
            details_repo=settings.hub.details_repo,
            suite=suite.name,
            benchmarks=tuple(BenchmarkText.of(column, suite) for column in suite.columns),
            members=tuple(BenchmarkText.of(member, suite) for member in suite.members),
            is_weighted=suite.is_weighted,
            precisions=settings.policies.precisions,
            weight_types=settings.policies.weight_types,
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file that ``palmares site export`` writes.

        Raises:
            SettingsError: It is missing or wrong; the key is named.
        """
        return parse_settings(cls, read_yaml(path), path)


class Secrets(BaseModel):
    """What only the environment holds."""

    model_config = ConfigDict(frozen=True)

    hub_token: str | None = None
    sender_tokens: Mapping[str, str] = Field(default_factory=dict)
    """Sender by the SHA-256 of the token, 64 hex digits."""
    signing_key: str | None = None
    oauth: bool = False
    """Whether Hugging Face's OAuth is configured (``OAUTH_CLIENT_ID``)."""

    @classmethod
    def from_environment(cls, given: Mapping[str, str] = os.environ) -> Self:
        """Read the variables; a malformed line of tokens is left out."""
        pairs = (part.strip().rpartition(":") for part in given.get(SENDER_TOKENS_VARIABLE, "").split(","))
        return cls(
            hub_token=given.get(HUB_TOKEN_VARIABLE) or None,
            sender_tokens={digest: sender for sender, _, digest in pairs if sender and len(digest) == 64},
            signing_key=given.get(SECRET_VARIABLE) or None,
            oauth=bool(given.get("OAUTH_CLIENT_ID")),
        )

    @property
    def takes_submissions(self) -> bool:
        """Whether the form is open: somebody can be identified, and the result can be committed."""
        return bool(self.hub_token and (self.sender_tokens or self.oauth))
