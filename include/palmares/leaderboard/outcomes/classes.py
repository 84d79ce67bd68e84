"""What each failure class says to people, and what may follow."""

from __future__ import annotations

from typing import Final, Literal

from palmares.contract import MODEL_FAULTS, FailureClass
from palmares.texts import Message, message

Decision = Literal["succeeded", "retry", "skip", "fail", "cancelled"]


Fault = Literal["model", "machine", "plan", "evaluator", "person", "nobody"]

_FAULTS: Final[dict[FailureClass, Fault]] = {
    FailureClass.SUCCEEDED: "nobody",
    FailureClass.NODE_LOST: "machine",
    FailureClass.PREEMPTED: "machine",
    FailureClass.OUT_OF_MEMORY: "plan",
    FailureClass.WALL_TIME: "plan",
    FailureClass.EVALUATOR_ERROR: "evaluator",
    FailureClass.RESULTS_INCOMPLETE: "evaluator",
    FailureClass.CANCELLED: "person",
}


def fault_of(failure_class: FailureClass) -> Fault:
    """Whose fault a class is; only the model's is charged to a request."""
    return "model" if failure_class in MODEL_FAULTS else _FAULTS[failure_class]


SENTENCES: Final[dict[FailureClass, Message]] = {
    FailureClass.SUCCEEDED: message("The job is done."),
    FailureClass.NODE_LOST: message(
        "The job's machine failed or gave no sign of life. The model is not at fault."
    ),
    FailureClass.PREEMPTED: message("The job's machine was wanted back. The model is not at fault."),
    FailureClass.OUT_OF_MEMORY: message("The job ran out of memory."),
    FailureClass.WALL_TIME: message("The job outlived its wall time."),
    FailureClass.GATED: message(
        "The model is gated and the leaderboard has no access. Grant it access, then submit again."
    ),
    FailureClass.NOT_FOUND: message("The model is no longer on the Hub. Restore it, then submit again."),
    FailureClass.INCOMPATIBLE: message("The evaluator cannot load this architecture. Check config.json."),
    FailureClass.BAD_MODEL: message(
        "The model's files could not be loaded. Check that they load with transformers."
    ),
    FailureClass.EVALUATOR_ERROR: message("The evaluator failed: see the console in ClearML."),
    FailureClass.RESULTS_INCOMPLETE: message("The job ended without complete results."),
    FailureClass.CANCELLED: message("Stopped in ClearML."),
}
"""A class in words that tell what to do."""
