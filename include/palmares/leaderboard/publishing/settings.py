"""What is published beside results and details, and how the leaderboard looks: section ``publishing:``."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from palmares.texts import Language


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Benchmark(_Section):
    """A dataset on the Hub that is registered as a benchmark (its ``eval.yaml`` names the tasks)."""

    id: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    task_id: str = Field(min_length=1)
    revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    """Commit; None: not said."""


class EvalResultsSettings(_Section):
    """``.eval_results/*.yaml``, the Hub's results on a model's page."""

    enabled: bool = False
    benchmarks: dict[str, Benchmark] = Field(default_factory=dict)
    """By short task name; a task without one is left out: the Hub takes registered benchmarks only."""


class EveryEvalEverSettings(_Section):
    """Every Eval Ever, schema 0.3.0."""

    enabled: bool = False
    organisation: str = Field(default="", max_length=200)
    """Who evaluates; empty: the leaderboard's title."""
    relationship: Literal["first_party", "third_party", "collaborative", "other"] = "third_party"
    """Of the evaluator to the models' authors."""


class PublishingSettings(_Section):
    """Section ``publishing:`` of leaderboard.yaml."""

    contents_repo: str | None = Field(default=None, pattern=r"^[\w.-]+/[\w.-]+$")
    """Public dataset of table, card and charts; None: ``contents`` in the namespace of the results."""
    title: str = Field(default="Palmarès", min_length=1, max_length=120)
    """Of the leaderboard, on its card."""
    hub_url: str = Field(default="", pattern=r"^(https?://[^\s<>\"'`()]+)?$")
    """Where readers' links lead, and the reproducing command downloads from; empty: the Hub's connection."""
    leaderboard_url: str | None = Field(default=None, pattern=r"^https?://[^\s<>\"'`()]+$")
    """Of the page that shows the whole leaderboard; None: the dataset's own viewer."""
    languages: tuple[Language, ...] = Field(default=("fr", "en"), min_length=1)
    """Of the card, the leaderboard's own first."""
    card_rows: PositiveInt = 20
    """Models in the card's table and charts."""
    linger_s: float = Field(default=30, ge=0)
    """A rebuild waits until no result came for so long …"""
    patience_s: float = Field(default=300, ge=0)
    """… but no longer than this."""
    eval_results: EvalResultsSettings = EvalResultsSettings()
    every_eval_ever: EveryEvalEverSettings = EveryEvalEverSettings()

    def at(self, endpoint: str) -> PublishingSettings:
        """The same, with the Hub's own address where no other is set."""
        return self if self.hub_url else self.model_copy(update={"hub_url": endpoint})
