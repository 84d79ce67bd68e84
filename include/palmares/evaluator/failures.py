"""Why a job failed, in the words that the leaderboard's retries understand.

EvaluationFailure
    carries a failure class; its message is safe to show: it holds no row, prompt or generation
"""

from __future__ import annotations

import errno
import json
import re
import traceback
from typing import Literal, get_args

from palmares.contract import FAILURE_MARKER

FailureClass = Literal[
    "bad_model",
    "incompatible",
    "gated",
    "not_found",
    "evaluator_error",
    "out_of_memory",
    "results_incomplete",
    "node_lost",
]
FAILURE_CLASSES = frozenset(get_args(FailureClass))

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
        return f"{FAILURE_MARKER} {json.dumps(body, ensure_ascii=False)}"


_MEMORY = re.compile(
    r"CUDA out of memory|No available memory for the cache blocks"
    r"|larger than the maximum number of tokens that can be stored in KV cache"
    r"|KV cache is needed, which is larger than the available KV cache memory"
    r"|DefaultCPUAllocator: (?:can't allocate|not enough) memory"
)
_MACHINE = re.compile(
    r"uncorrectable ECC error|No CUDA GPUs are available|no CUDA-capable device is detected"
    r"|NCCL error: |nccl(?:System|Remote|UnhandledCuda)Error|Free memory on device|No space left on device"
)
_LONGEST_CHAIN = 10
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EROFS}


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory ran out, on the GPU or here."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"MemoryError", "OutOfMemoryError"}) or bool(_MEMORY.search(str(error)))


def is_machines_fault(error: BaseException) -> bool:
    """Tell whether an error, or one behind it, says that this machine, its disk or its GPUs are unwell."""
    behind: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if behind is None:
            return False
        if (isinstance(behind, OSError) and behind.errno in _DISK_ERRORS) or _MACHINE.search(str(behind)):
            return True
        behind = behind.__cause__ or behind.__context__
    return False


def resources(error: BaseException, *, while_doing: str) -> EvaluationFailure | None:
    """The failure, if the error says that memory ran out or that the machine is unwell; else None."""
    if is_out_of_memory(error):
        return EvaluationFailure(
            "out_of_memory",
            f"Memory ran out while {while_doing}. Plan more GPUs or a shorter max_model_length.",
        )
    if is_machines_fault(error):
        number = f", errno {error.errno}" if isinstance(error, OSError) else ""
        return EvaluationFailure(
            "node_lost",
            f"This machine failed while {while_doing} ({type(error).__name__}{number}). "
            "Look at its disks and GPUs; the job may run elsewhere.",
        )
    return None


def unexpected(error: BaseException, *, while_doing: str) -> EvaluationFailure:
    """Turn any other error into a failure that names its place and type, and withholds its message.

    Messages of foreign errors may quote a hidden row, and the console is shipped to ClearML.
    """
    if (known := resources(error, while_doing=while_doing)) is not None:
        return known
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return EvaluationFailure(
        "evaluator_error",
        f"{type(error).__name__}{place} while {while_doing}; its message is withheld, as it may quote a row. "
        "Run palmares.evaluator.run_local with PALMARES_SHOW_ERRORS=1 on a machine that may show rows.",
    )
