"""`palmares models`: decisions from a terminal, kept in the store and told in the requests."""

from __future__ import annotations

import getpass

import pytest
from palmares.leaderboard.submissions.moderation import ModerationAction
from palmares.steps.services import Services

from tests.palmares.cli.requests.calling import Palmares, answer, complaint
from tests.palmares.steps.sweeping import admit, request

PETIT = "palmares-demo/petit"
PATH = "palmares-demo/petit_eval_request_False_False_False.json"
WHY = ("--reason", "Trained on the test set.", "--link", "https://example.org/d/1")


def test_a_flag_is_kept_with_who_and_why_and_taken_back(palmares: Palmares, services: Services) -> None:
    said = answer(palmares("models", "flag", PETIT, *WHY, "--json"))

    assert (said["action"], said["is_new"], said["requests"]) == ("flagged", True, [])
    held = services.store.moderation.current()[PETIT]
    assert (held.action, held.reason, held.link, held.by) == (
        ModerationAction.FLAGGED,
        "Trained on the test set.",
        "https://example.org/d/1",
        getpass.getuser(),
    )
    assert PETIT in palmares("models", "list").stdout
    assert palmares("models", "unflag", PETIT, "--reason", "An error of ours.").exit_code == 0
    assert services.store.moderation.current() == {}
    assert len(services.store.moderation.history(PETIT)) == 2


def test_a_withdrawal_cancels_and_says_so(palmares: Palmares, services: Services) -> None:
    admit(services, models=[PETIT])

    said = palmares("models", "withdraw", PETIT, *WHY)

    assert said.exit_code == 0
    assert f"request {PATH}" in said.stdout
    assert "is closed" in said.stdout
    assert request(services, PATH)["status"] == "CANCELLED"
    assert complaint(palmares("requests", "add", PETIT, "--precision", "float16")).startswith(
        "Error: withdrawn: "
    )


def test_a_reinstated_model_may_be_submitted_again(palmares: Palmares, services: Services) -> None:
    palmares("models", "withdraw", PETIT, *WHY)
    assert "is not flagged: it is withdrawn" in complaint(
        palmares("models", "unflag", PETIT, "--reason", "x")
    )

    assert palmares("models", "reinstate", PETIT, "--reason", "It was another one.").exit_code == 0

    assert palmares("requests", "add", PETIT, "--precision", "float16").exit_code == 0


def test_a_renamed_model_is_listed_with_both_names(palmares: Palmares, services: Services) -> None:
    said = answer(palmares("models", "rename", PETIT, "palmares-demo/grand", "--reason", "Moved.", "--json"))

    assert (said["action"], said["requests"]) == ("renamed", [PATH])
    (row,) = answer(palmares("models", "list", "--json"))["models"]
    assert (row["model_id"], row["new_model_id"]) == (PETIT, "palmares-demo/grand")
    assert request(services, PATH)["model"] == "palmares-demo/grand"


def test_saying_it_again_is_told_and_adds_nothing(palmares: Palmares, services: Services) -> None:
    palmares("models", "flag", PETIT, *WHY)

    assert "It was so already" in palmares("models", "flag", PETIT, *WHY).stdout
    assert len(services.store.moderation.history(PETIT)) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["flag", "../../x", "--reason", "r"], "not the name of a Hub repository"),
        (["flag", PETIT, "--reason", " "], "0 characters"),
        (["flag", PETIT, "--reason", "r", "--link", "javascript:alert(1)"], "no plain web address"),
        (["rename", PETIT, "a b", "--reason", "r"], "not the name of a Hub repository"),
        (["rename", PETIT, PETIT, "--reason", "r"], "has this name already"),
        (["unflag", PETIT, "--reason", "r"], "nothing holds"),
        (["withdraw", PETIT, "--reason", "r", "--by", "a\x07"], "--by is"),
    ],
)
def test_unusable_input_is_one_clear_line(
    palmares: Palmares, services: Services, arguments: list[str], message: str
) -> None:
    assert message in complaint(palmares("models", *arguments))
    assert services.store.moderation.current() == {}


def test_a_decision_without_a_reason_is_not_taken(palmares: Palmares) -> None:
    assert palmares("models", "flag", PETIT).exit_code == 2
