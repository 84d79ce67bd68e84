"""What status, causes, the evaluator's word, the console and the artifacts mean together."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from palmares.leaderboard.outcomes import SENTENCES, Child, Termination, classify
from palmares.leaderboard.outcomes.classification import AttemptOutcome

HEX = "0123456789abcdef0123456789abcdef"
START = f"Executing task id [{HEX}]:"
MEMORY = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has …"
TIME_LIMIT = "slurmstepd: error: *** JOB 494583 ON n1 CANCELLED AT 2024-04-20T09:09:37 DUE TO TIME LIMIT ***"
RESULTS = {"artifacts": frozenset({"results"}), "results_attempt": "1"}


def judge(status: str, reason: str = "", **facts: Any) -> AttemptOutcome:
    return classify(
        Termination(status=status, succeeded=status == "completed", status_reason=reason, **facts)
    )


def brief(outcome: AttemptOutcome) -> tuple[str, str]:
    return outcome.decision, outcome.failure_class


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (1, ("retry", "evaluator_error")),
        (3, ("retry", "evaluator_error")),
        (-9, ("retry", "node_lost")),
        (137, ("retry", "node_lost")),
        (-15, ("retry", "preempted")),
        (143, ("retry", "preempted")),
        (-11, ("retry", "evaluator_error")),
    ],
)
def test_a_process_that_said_nothing_is_told_by_its_exit_code(code, expected):
    assert brief(judge("failed", f"worker execution exit code {code}")) == expected


@pytest.mark.parametrize("reported", ["gated", "not_found", "incompatible", "bad_model"])
def test_the_model_s_fault_is_what_the_evaluator_says_and_is_never_tried_again(reported):
    outcome = judge("failed", "worker execution exit code 1", reported=reported)

    assert brief(outcome) == ("skip", reported)
    assert (outcome.reason, outcome.reason_fr) == (SENTENCES[reported].en, SENTENCES[reported].fr)


def test_a_defective_machine_is_never_charged_to_the_model():
    outcome = judge(
        "failed",
        "worker execution exit code 1",
        reported="bad_model",
        console=["OSError: [Errno 28] No space left on device"],
    )

    assert brief(outcome) == ("retry", "node_lost")
    assert outcome.found is not None


def test_a_vague_word_of_the_evaluator_gives_way_to_the_cause_above_it():
    outcome = judge("failed", "worker execution exit code 1", reported="evaluator_error", console=[MEMORY])

    assert brief(outcome) == ("retry", "out_of_memory")


@pytest.mark.parametrize("reported", ["<b>", "succeeded", "cancelled", "wall_time"])
def test_a_word_that_the_evaluator_never_says_is_not_believed(reported):
    assert brief(judge("failed", "worker execution exit code 1", reported=reported)) == (
        "retry",
        "evaluator_error",
    )


def test_a_loaded_model_is_not_missing_whatever_a_library_said_on_the_way():
    console = [
        "palmares | loaded: 140000 parameters, 1 CPU threads",
        "Repository Not Found for url: https://huggingface.co/org/extra.",
    ]

    assert brief(judge("failed", "exit code 1", console=console)) == ("retry", "evaluator_error")
    assert brief(judge("failed", "exit code 1", console=console[1:])) == ("skip", "not_found")


def test_the_kernel_s_word_tells_a_memory_kill_from_another():
    kernel = "Out of memory: Killed process 4711 (python) total-vm:87033376kB"

    assert brief(judge("failed", "exit code -9", console=[kernel])) == ("retry", "out_of_memory")


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        ("node_lost", ("retry", "node_lost")),
        ("deadline", ("retry", "wall_time")),
        ("overtime", ("retry", "wall_time")),
        ("killed", ("cancelled", "cancelled")),
        ("orphan", ("retry", "preempted")),
        ("forced", ("cancelled", "cancelled")),
        (None, ("cancelled", "cancelled")),
    ],
)
def test_a_stopped_job_is_told_by_our_own_cause(cause, expected):
    outcome = judge("stopped", "task was stopped by tasks.stop", stop_cause=cause, reported="bad_model")

    assert brief(outcome) == expected


def test_a_job_that_nobody_took_before_its_deadline_is_given_up_for_the_night():
    outcome = judge("stopped", "task was stopped by tasks.stop", stop_cause="deadline", ran_s=0)

    assert brief(outcome) == ("fail", "node_lost")
    assert "No agent took the job" in outcome.reason


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("Forced stop (non-responsive)", ("retry", "node_lost")),
        ("K8S glue error: ErrImagePull", ("retry", "node_lost")),
        ("Pod deleted (not pending or running)", ("retry", "preempted")),
        ("user abort", ("retry", "preempted")),
    ],
)
def test_clearml_s_own_reasons_are_known(reason, expected):
    assert brief(judge("stopped", reason)) == expected
    assert brief(judge("failed", reason)) == expected


def test_a_drained_agent_near_the_end_of_the_wall_time_was_stopped_by_it():
    assert brief(judge("stopped", "user abort", ran_s=3590, run_limit_s=3600)) == ("retry", "wall_time")
    assert brief(judge("stopped", "user abort", ran_s=1200, run_limit_s=3600)) == ("retry", "preempted")


def test_the_batch_scheduler_knows_why_an_agent_was_stopped():
    assert brief(judge("stopped", "user abort", console=[TIME_LIMIT])) == ("retry", "wall_time")


@pytest.mark.parametrize(
    ("status", "reason", "cause"),
    [
        ("stopped", "task was stopped by tasks.stop", "node_lost"),
        ("stopped", "Forced stop (non-responsive)", None),
        ("stopped", "task was stopped by tasks.stop", "overtime"),
        ("failed", "worker execution exit code -9", None),
    ],
)
def test_results_that_had_arrived_count_even_if_the_agent_is_dead(status, reason, cause):
    outcome = judge(status, reason, stop_cause=cause, **RESULTS)

    assert brief(outcome) == ("succeeded", "succeeded")


@pytest.mark.parametrize(
    "facts",
    [
        {"artifacts": frozenset({"results"}), "results_attempt": "1", "attempt": 2},
        {"artifacts": frozenset({"results"}), "results_attempt": ""},
        {"artifacts": frozenset(), "results_attempt": "1"},
    ],
    ids=["of an earlier attempt", "never read back", "gone"],
)
def test_results_of_another_attempt_or_unverified_ones_do_not_count(facts):
    outcome = judge("stopped", "task was stopped by tasks.stop", stop_cause="node_lost", **facts)

    assert brief(outcome) == ("retry", "node_lost")


@pytest.mark.parametrize("cause", [None, "killed", "forced"])
def test_what_a_person_stopped_stays_cancelled_though_results_had_arrived(cause):
    outcome = judge("stopped", "task was stopped by tasks.stop", stop_cause=cause, **RESULTS)

    assert brief(outcome) == ("cancelled", "cancelled")


def test_a_completed_job_without_results_is_run_again():
    assert brief(judge("completed", artifacts=frozenset())) == ("retry", "results_incomplete")
    assert brief(judge("completed", artifacts=frozenset({"results"}))) == ("succeeded", "succeeded")
    assert brief(judge("completed")) == ("succeeded", "succeeded")


@pytest.mark.parametrize(
    ("children", "console", "expected"),
    [
        ([Child(status="lost")], [], "node_lost"),
        ([Child(status="lost")], ["Traceback (most recent call last):"], "node_lost"),
        ([Child(status="completed"), Child(status="failed", status_reason="exit code -9")], [], "node_lost"),
        ([Child(status="stopped", status_reason="user abort")], [], "preempted"),
        ([Child(status="failed", status_reason="worker execution exit code 1")], [], "evaluator_error"),
        ([Child(status="failed", status_reason="worker execution exit code 1")], [MEMORY], "out_of_memory"),
    ],
)
def test_a_multi_node_job_is_judged_by_the_node_that_fell_and_by_its_console(children, console, expected):
    outcome = judge("stopped", "stop", stop_cause="child_ended", children=children, console=console)

    assert brief(outcome) == ("retry", expected)


def test_a_master_that_failed_for_want_of_a_lost_node_is_not_to_blame():
    lost = Child(status="failed", status_reason="worker execution exit code -9")

    assert brief(judge("failed", "worker execution exit code 1", children=[lost])) == ("retry", "node_lost")


def test_an_earlier_attempt_s_console_is_not_held_against_this_one():
    pulled = f"task {HEX} pulled from {HEX} by worker n1:gpu0"
    earlier = [START, "palmares | attempt 1", MEMORY]

    assert brief(judge("failed", "exit code 1", attempt=2, console=[*earlier, pulled])) == (
        "retry",
        "evaluator_error",
    )
    assert brief(judge("failed", "exit code -9", attempt=2, console=earlier)) == ("retry", "node_lost")
    assert brief(judge("failed", "exit code 1", attempt=1, console=earlier)) == ("retry", "out_of_memory")


def test_a_reason_never_quotes_the_console():
    secret = "la réponse cachée"
    outcome = judge("failed", "exit code 1", console=[f"{MEMORY} {secret}", f"ValueError: {secret}"])

    assert secret not in outcome.reason + outcome.reason_fr


@given(
    status=st.sampled_from(["completed", "failed", "stopped", "closed", "published"]),
    reason=st.sampled_from(["", "user abort", "exit code 1", "Pod deleted"]) | st.text(max_size=30),
    cause=st.sampled_from(
        [None, "node_lost", "deadline", "overtime", "child_ended", "killed", "forced", "orphan", "?"]
    ),
    reported=st.sampled_from(["", *SENTENCES]) | st.text(max_size=10),
    console=st.lists(st.text(max_size=80) | st.sampled_from([START, MEMORY, TIME_LIMIT]), max_size=5),
    artifacts=st.none() | st.frozensets(st.sampled_from(["results", "other"])),
    results_attempt=st.sampled_from(["", "1", "2"]),
    ran_s=st.none() | st.floats(0, 1e6),
)
def test_whatever_is_found_there_is_a_verdict_that_charges_no_model_without_evidence(
    status, reason, cause, reported, console, artifacts, results_attempt, ran_s
):
    outcome = judge(
        status, reason, stop_cause=cause, reported=reported, console=console, artifacts=artifacts,
        results_attempt=results_attempt, ran_s=ran_s, run_limit_s=3600,
    )  # fmt: skip

    assert outcome.failure_class in SENTENCES
    assert outcome.reason_fr
    if outcome.decision == "skip":
        assert reported == outcome.failure_class or outcome.found is not None
    if status != "completed" and outcome.decision == "succeeded":
        assert results_attempt == "1"
        assert "results" in (artifacts or ())
