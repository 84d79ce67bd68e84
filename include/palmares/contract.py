"""What the leaderboard and the evaluator agree on; it needs the standard library only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

# --- Failure classes and causes -------------------------------------------------------------------------


class FailureClass(StrEnum):
    """How an attempt ended. The class decides about retries, and what the submitter reads."""

    SUCCEEDED = "succeeded"
    NODE_LOST = "node_lost"
    """The machine failed or gave no sign of life."""
    PREEMPTED = "preempted"
    """The machine was taken back."""
    OUT_OF_MEMORY = "out_of_memory"
    WALL_TIME = "wall_time"
    GATED = "gated"
    """The leaderboard has no access to the model."""
    NOT_FOUND = "not_found"
    """The model is not on the Hub."""
    INCOMPATIBLE = "incompatible"
    """The evaluator does not know the architecture."""
    BAD_MODEL = "bad_model"
    """The model's files cannot be loaded."""
    EVALUATOR_ERROR = "evaluator_error"
    """The evaluator, its settings or its data are wrong."""
    RESULTS_INCOMPLETE = "results_incomplete"
    CANCELLED = "cancelled"


MODEL_FAULTS: Final = frozenset(
    {FailureClass.GATED, FailureClass.NOT_FOUND, FailureClass.INCOMPATIBLE, FailureClass.BAD_MODEL}
)
"""Classes that the model's owner has to mend: no retry."""

EVALUATOR_CLASSES: Final = MODEL_FAULTS | {
    FailureClass.EVALUATOR_ERROR,
    FailureClass.OUT_OF_MEMORY,
    FailureClass.RESULTS_INCOMPLETE,
    FailureClass.NODE_LOST,
}
"""Classes that the evaluator itself may report in the user property ``failure_class``."""


class StopCause(StrEnum):
    """Why the leaderboard stopped an attempt: the end of the user property ``stop_cause``."""

    NODE_LOST = "node_lost"
    """No sign of life for too long."""
    DEADLINE = "deadline"
    """Not done in time, counted from its enqueueing."""
    OVERTIME = "overtime"
    """Ran for longer than its plan allows."""
    CHILD_ENDED = "child_ended"
    """A node of a multi-node job ended badly."""
    MASTER_ENDED = "master_ended"
    """On a node: its master had ended."""
    KILLED = "killed"
    """A person marked or cleared the waiting task in Airflow."""
    FORCED = "forced"
    """Another run asked for a new result."""
    ORPHAN = "orphan"
    """No run waited for the job."""


TASK_KEY: Final = r"[\w.-]+\|[\w.+:-]+\|\d+"
"""A task's key, as a regular expression: source, name, number of examples. lighteval's names hold ``:``."""

PRECISIONS: Final = ("bfloat16", "float16", "float32")
"""Types of weights that the evaluator loads."""
WEIGHT_TYPES: Final = ("Original",)
"""Kinds of weights that the evaluator loads: no adapters and no deltas."""

# --- The ClearML task -----------------------------------------------------------------------------------


class Hyperparameter(StrEnum):
    """Names in section ``General`` of the ClearML task; every value is a string."""

    MODEL = "model"
    REVISION = "revision"
    CLUSTER = "cluster"
    NODES = "nb_nodes"
    GPUS_PER_NODE = "nb_gpus_per_node"
    GPU_MEMORY_UTILIZATION = "gpu_memory_utilization"
    TASKS = "tasks"
    """Comma-separated keys (`TASK_KEY`), e.g. ``community|bac-fr|0``."""
    MAX_MODEL_LENGTH = "max_model_length"
    USE_CHAT_TEMPLATE = "use_chat_template"
    WALLTIME = "walltime"
    DTYPE = "dtype"
    ENFORCE_EAGER = "enforce_eager"
    BACKEND = "backend"
    BATCH_SIZE = "batch_size"
    SUITE = "suite"
    SUITE_HASH = "suite_hash"
    JOB_KEY = "job_key"
    LIMIT_SAMPLES = "limit_samples"
    SEED = "seed"


class UserProperty(StrEnum):
    """User properties that the leaderboard and the evaluator both read or write."""

    ATTEMPT = "attempt"
    PLAN = "plan"
    """The JobPlan as JSON."""
    RUN_LIMIT_S = "run_limit_s"
    FAILURE_CLASS = "failure_class"
    """What the evaluator reports of a failed attempt; empty while none has failed."""
    RESULTS_ATTEMPT = "results_attempt"
    """The attempt whose results were uploaded and read back. They count even if the process or its agent dies
    right then; results of another attempt do not."""


# --- The console ----------------------------------------------------------------------------------------

CONSOLE_PREFIX: Final = "palmares | "
"""Begins each line that the evaluator means to be seen: it holds no row, prompt or generation."""
FAILURE_MARKER: Final = "PALMARES_FAILURE"
"""First word of the console's last line when a job fails; one line of JSON follows."""
MODEL_LOADED: Final = f"{CONSOLE_PREFIX}loaded: "
"""Begins the line that says that the model is in the engine."""

# --- The artifact ---------------------------------------------------------------------------------------

RESULTS_ARTIFACT: Final = "results"
"""Name of the artifact: one zip."""
UNFINISHED_ARTIFACT: Final = "unfinished"
"""Name of the artifact of an attempt that has not ended well: one zip of its tasks' folders."""
MANIFEST_NAME: Final = "manifest.json"
MANIFEST_SCHEMA: Final = 1
RESULTS_PREFIX: Final = "results_"
"""``results_<ts>.json``: the leaderboard's (lighteval's) schema."""
LM_EVAL_PREFIX: Final = "lm_eval_"
"""``lm_eval_<ts>.json``: lm-eval's schema."""
DETAILS_FOLDER: Final = "details"

# --- The suite ------------------------------------------------------------------------------------------


def files_sha256(files: Mapping[str, Path]) -> str:
    """Hash files under their names, in the names' order: name in UTF-8, a NUL, the bytes, a NUL.

    Returns:
        64 hex digits.

    Raises:
        OSError: A file cannot be read.
    """
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + files[name].read_bytes() + b"\0")
    return digest.hexdigest()


def suite_hash(definitions: Mapping[str, str]) -> str:
    """Hash what decides a suite's outputs; part of the job key.

    Args:
        definitions: The hash of each task's definition, by task key; at least one.

    Returns:
        64 hex digits, whatever the order of the tasks.

    Raises:
        ValueError: There is no task.
    """
    if not definitions:
        raise ValueError("a suite without a task has no hash")
    text = json.dumps(definitions, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
