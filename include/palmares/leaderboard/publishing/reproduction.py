"""The commands that reproduce a published result on another machine."""

from __future__ import annotations

import shlex

from palmares.leaderboard.planning.plan import JobPlan
from palmares.leaderboard.submissions.submission import Submission
from palmares.leaderboard.suites import Suite

PYTHON = ".venv-evaluator/bin/python"
OUTPUT = "reproduction"


def reproduction(submission: Submission, plan: JobPlan, suite: Suite, *, hub_url: str) -> tuple[str, ...]:
    """Write the commands for a shell at the root of a checkout with this suite hash.

    The first generates anew with `evaluator/run_local.py`, on one machine: a plan over several nodes
    needs one that holds the model. The second grades and prints the scores. ``DATASETS_DIRECTORY`` is where
    the hidden datasets are; who has none can check everything but the numbers.

    Args:
        submission: What was evaluated.
        plan: Where it ran.
        suite: What was asked.
        hub_url: Where the model is downloaded from; empty: wherever the environment says.
    """
    arguments = [
        *(PYTHON, "-m", "palmares.evaluator.run_local", submission.model_id),
        *("--revision", submission.revision),
        *("--tasks", ",".join(suite.task_keys)),
        *("--backend", plan.backend),
        *("--dtype", plan.dtype),
        *("--max-model-length", str(plan.max_model_len)),
        *("--seed", str(submission.seed)),
        *([] if submission.use_chat_template else ["--no-chat-template"]),
        *("--output", OUTPUT),
    ]
    endpoint = f"HF_ENDPOINT={shlex.quote(hub_url)} " if hub_url else ""
    evaluate = f"{endpoint}{shlex.join(arguments)}"
    return f'{evaluate} --datasets "$DATASETS_DIRECTORY"', f"palmares results {OUTPUT}/artifact"
