"""Limits of sanity baselines and response statistics, each with its reason; a suite's task may set them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

Kind = Literal["generate", "loglikelihood"]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
"""Of the rows on which a baseline's verdict is certain."""


class ScorerLimits(BaseModel):
    """What a scorer may do on predictors that are known to be right or wrong, one field a predictor.

    None: the predictor is not run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Ceilings: how often a wrong predictor may be called right. The few that are let through are golds which
    # our check cannot tell from the wrong answer (another notation of the same value); a broken scorer is
    # far above them.
    empty: Share | None = 0.0
    """An empty text. No row has it for an answer."""
    no_answer: Share | None = 0.0
    """A sentence that says nothing."""
    constant_0: Share | None = 0.01
    constant_a: Share | None = 0.01
    constant_vrai: Share | None = 0.01
    constant_common: Share | None = 0.01
    """The most frequent expected answer, on the rows that expect another."""
    shuffled: Share | None = 0.01
    """Another row's expected answer."""
    digit_changed: Share | None = 0.02
    """Higher: one digit of an exponent or an index may leave a value as it was."""
    digit_appended: Share | None = 0.01
    digit_prepended: Share | None = 0.01
    sign_changed: Share | None = 0.02
    """Higher: a distance or a loss may rightly be read without its sign."""
    negated: Share | None = 0.02
    hedged: Share | None = 0.02
    """The expected answer or another one: two answers are none."""
    every_choice: Share | None = 0.02
    unfinished_trace: Share | None = 0.0
    """A reasoning trace that names the answer and never ends: nothing was concluded."""
    wrong_after_trace: Share | None = 0.02
    """The expected answer in the trace, another one as the conclusion."""

    # Floors: how often a right predictor has to be called right. What is below 1 leaves room for rows whose
    # expected answer is itself badly written, not for the scorer.
    gold: Share | None = 0.95
    gold_in_sentence: Share | None = 0.9
    gold_with_unit: Share | None = 0.9
    """Numbers with a unit that was not asked for. Where a policy calls that wrong, write null."""
    gold_after_trace: Share | None = 0.9


class ResponseLimits(BaseModel):
    """How a model's own answers may look: the highest share of rows. None: counted and shown, never stops."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    empty: Share | None = 0.5
    """Nothing but white space. Good and bad models answer something; half and more empty is a broken chat
    template, a stop word that always comes first, or lost outputs."""
    no_answer: Share | None = 0.6
    """The scorer finds no final answer. Weak models ramble, hence above a half."""
    unsure: Share | None = 0.03
    """The scorer cannot tell: two rival answers, a doubt, an answer that breaks off. These rows count as
    wrong, so more of them than a few hundredths would move the score: a person looks first."""
    unfinished_trace: Share | None = 0.5
    """A reasoning trace that never ends. Half and more: the token limit is too low for this model."""
    at_token_limit: Share | None = 0.6
    """Cut off at the task's longest generation. Base models without a stop word may run on after the answer,
    hence above a half."""
    disagreement: Share | None = 0.5
    """Of the rows on which the scorer's way to the final answer or a second, plain one finds the right one,
    those where the other does not. Some is normal (sets, corrections): at most 0.37 on models made of the
    labelled cases, most of which are traps. More is a form of answer that the scorer does not know."""
    constant: Share | None = 0.95
    """The same answer on the rows that expect another: a broken template or lost prompts."""
    other_language: Share | None = None
    """Not French, by common words. A model may think in English and still be right, so it only is shown."""


class SanitySettings(BaseModel):
    """Limits of one task."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample: PositiveInt = 500
    """Rows for each predictor, chosen by the hash of their id: bounds the time, and is always the same."""
    min_rows: PositiveInt = 20
    """Fewer rows of a model say nothing about a model: its rates are shown, and stop nothing."""
    scorer: ScorerLimits = ScorerLimits()
    answers: ResponseLimits = ResponseLimits()


def limits_for(kind: Kind, given: SanitySettings | None = None) -> SanitySettings:
    """The limits of a task: what leaderboard.yaml gives, over what is right for its kind.

    A choice by log-likelihood is always made, so that no answer of it can be empty or cut off; and small
    models do prefer one letter on every row, so that a constant choice is shown and stops nothing, unless
    its limit is given.
    """
    settings = given or SanitySettings()
    if kind == "loglikelihood" and "constant" not in settings.answers.model_fields_set:
        answers = settings.answers.model_copy(update={"constant": None})
        return settings.model_copy(update={"answers": answers})
    return settings
