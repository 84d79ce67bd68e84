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


class QueuePolicy(BaseModel):
    """The order of evaluation. Everything is counted in turns: one turn is one model of one organisation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shares: dict[str, float] = Field(default_factory=dict)
    """Turns at a time of an organisation that shall have more, or less, than the others' 1; any case."""
    turns_per_day: float = Field(default=0.5, gt=0)
    """Turns that a day of waiting is worth: above 0, so that everybody's turn comes."""
    turns_per_like_doubling: float = Field(default=0.1, ge=0)
    turns_per_vote_doubling: float = Field(default=0.25, ge=0)
    most_turns_for_fame: float = Field(default=2.0, ge=0)
    """Likes and votes together are never worth more."""
    quota: Quota = Quota()
    nightly: str = Field(default="03:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    """When the nightly sweep begins; for estimates only, the DAG decides."""
    time_zone: str = "Europe/Paris"

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
