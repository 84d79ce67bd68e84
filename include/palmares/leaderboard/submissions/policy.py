"""What a leaderboard asks of models beside that it can evaluate them, and in which order it does."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator, model_validator


class LicensePolicy(BaseModel):
    """Which licences are admitted, as the Hub names them (``apache-2.0``, ``llama3.1``, ``other``)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["off", "required", "allow-list"] = "off"
    """``off``: any, or none; ``required``: any that is declared; ``allow-list``: one of *allowed*."""
    allowed: tuple[str, ...] = ()

    @field_validator("mode", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: object) -> object:
        return "off" if value is False else value  # YAML 1.1 reads a bare off as false

    @model_validator(mode="after")
    def _a_list_belongs_to_its_mode(self) -> Self:
        if (self.mode == "allow-list") != bool(self.allowed):
            raise ValueError(f"mode {self.mode!r} with {len(self.allowed)} licences in 'allowed'")
        return self


class AdmissionPolicy(BaseModel):
    """What is asked of a model beside that it can be evaluated (`Policies`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    license: LicensePolicy = LicensePolicy()
    require_tokenizer: bool = True
    missing_chat_template: Literal["refuse", "plain-text"] = "refuse"
    """Of a model without one whose request asks for it: refused, or prompted as plain text."""


class Quota(BaseModel):
    """How much one sender may have; None: no limit. Who is over it waits, and is not refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_once: PositiveInt | None = None
    """Evaluations under way."""
    per_day: PositiveInt | None = None
    """Evaluations begun in 24 hours."""

    @property
    def is_set(self) -> bool:
        return self.at_once is not None or self.per_day is not None


RENAMED_QUEUE_KEYS = {
    "turns_per_day": "score_per_day",
    "turns_per_like_doubling": "score_per_like_doubling",
    "turns_per_vote_doubling": "score_per_vote_doubling",
    "most_turns_for_fame": "max_popularity_boost",
}
"""Keys of `queue` in leaderboard.yaml that had another name before; a file with an old one is refused."""


class QueuePolicy(BaseModel):
    """The order of evaluation: weights of the priority score (one model of an organisation: one point)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shares: dict[str, float] = Field(default_factory=dict)
    """Models at a time of an organisation that shall have more, or less, than the others' 1; any case."""
    score_per_day: float = Field(default=0.5, gt=0)
    """Points that a day of waiting takes away: above 0, so that nobody waits for ever."""
    score_per_like_doubling: float = Field(default=0.1, ge=0)
    score_per_vote_doubling: float = Field(default=0.25, ge=0)
    max_popularity_boost: float = Field(default=2.0, ge=0)
    """Likes and votes together are never worth more."""
    quota: Quota = Quota()
    nightly: str = Field(default="03:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    """When the nightly sweep begins; for estimates only, the DAG decides."""
    time_zone: str = "Europe/Paris"

    @model_validator(mode="before")
    @classmethod
    def _old_keys_are_named(cls, data: object) -> object:
        old = [name for name in RENAMED_QUEUE_KEYS if isinstance(data, dict) and name in data]
        if old:
            renamed = ", ".join(f"{name!r} is called {RENAMED_QUEUE_KEYS[name]!r} now" for name in old)
            raise ValueError(f"{renamed}: rename it; its value and meaning stay")
        return data

    @field_validator("shares")
    @classmethod
    def _shares_are_positive(cls, shares: dict[str, float]) -> dict[str, float]:
        for name, share in shares.items():
            if not 0.01 <= share <= 100:
                raise ValueError(f"the share {share} of {name!r} is not between 0.01 and 100")
        return {name.lower(): share for name, share in shares.items()}

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"there is no time zone {name!r}") from error
        return name
