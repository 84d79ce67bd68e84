"""Retries are counted by class, and what is used up waits for the next night."""

from __future__ import annotations

import pytest
from palmares.leaderboard.outcomes import AttemptOutcome, RetryBudgets, Termination, classify, within_budget
from palmares.leaderboard.settings import Settings
from pydantic import ValidationError

BUDGETS = RetryBudgets()


def outcome(
    status: str = "failed", reason: str = "worker execution exit code -9", reported: str = ""
) -> AttemptOutcome:
    return classify(
        Termination(
            status=status, succeeded=False, status_reason=reason, reported=reported, artifacts=frozenset()
        )
    )


def test_a_class_is_tried_again_as_often_as_its_budget_says():
    bounded = [within_budget(outcome(), earlier=n, budgets=BUDGETS).decision for n in range(5)]

    assert bounded == ["retry", "retry", "retry", "fail", "fail"]


def test_a_used_up_budget_says_so_and_keeps_the_class():
    given_up = within_budget(outcome(), earlier=3, budgets=BUDGETS)

    assert given_up.failure_class == "node_lost"
    assert given_up.reason.endswith("It ended so 4 times; it is tried again next night.")
    assert given_up.reason_fr.endswith("C'est arrivé 4 fois ; nouvel essai la nuit prochaine.")


def test_an_exhausted_fallback_policy_ends_the_night():
    memory = outcome(reported="out_of_memory", reason="worker execution exit code 1")

    given_up = within_budget(memory, earlier=1, budgets=BUDGETS, has_next_plan=False)

    assert (given_up.decision, given_up.failure_class) == ("fail", "out_of_memory")
    assert "nothing larger" in given_up.reason


@pytest.mark.parametrize("reported", ["gated", "bad_model"])
def test_the_model_s_fault_has_no_budget(reported):
    assert within_budget(outcome(reported=reported), earlier=0, budgets=BUDGETS).decision == "skip"
    assert BUDGETS.of(reported) == 0


def test_a_cancellation_is_left_alone():
    assert within_budget(outcome("stopped", "by anna"), earlier=9, budgets=BUDGETS).decision == "cancelled"


def test_the_shipped_budgets_are_the_defaults(settings: Settings):
    assert settings.retries == BUDGETS
    assert BUDGETS.at_most() == 17


@pytest.mark.parametrize("wrong", [{"node_lost": -1}, {"node_lost": 21}, {"gated": 1}])
def test_a_budget_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError):
        RetryBudgets.model_validate(wrong)
