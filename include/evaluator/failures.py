"""Why a job failed, in the words that the leaderboard's retries understand.

EvaluationFailure
    carries a failure class; its message is safe to show: it holds no row, prompt or generation
"""

from __future__ import annotations

import json
import traceback
from typing import Literal, get_args

FailureClass = Literal[
    "bad_model",
    "incompatible",
    "gated",
    "not_found",
    "evaluator_error",
    "out_of_memory",
    "results_incomplete",
]
FAILURE_CLASSES = frozenset(get_args(FailureClass))

MARKER = "PALMARES_FAILURE"
"""First word of the console's last line when a job fails."""

_MESSAGE_CHARACTERS = 1000


class EvaluationFailure(Exception):
    """An ending with a known class."""

    def __init__(self, failure_class: FailureClass, message: str) -> None:
        super().__init__(message)
        self.failure_class: FailureClass = failure_class

    @property
    def console_line(self) -> str:
        """What the caller reads from the console: the marker and one line of JSON."""
        body = {"class": self.failure_class, "message": " ".join(str(self).split())[:_MESSAGE_CHARACTERS]}
        return f"{MARKER} {json.dumps(body, ensure_ascii=False)}"


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory ran out, on the GPU or here."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"MemoryError", "OutOfMemoryError"}) or "CUDA out of memory" in str(error)


def unexpected(error: BaseException, *, while_doing: str) -> EvaluationFailure:
    """Turn any other error into a failure that names its place and type, and withholds its message.

    Messages of foreign errors may quote a hidden row, and the console is shipped to ClearML.
    """
    if is_out_of_memory(error):
        return EvaluationFailure(
            "out_of_memory",
            f"Memory ran out while {while_doing}. Plan more GPUs or a shorter max_model_length.",
        )
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return EvaluationFailure(
        "evaluator_error",
        f"{type(error).__name__}{place} while {while_doing}; its message is withheld, as it may quote a row. "
        "Run include.evaluator.run_local with PALMARES_SHOW_ERRORS=1 on a machine that may show rows.",
    )
