"""Why a job failed, by the failure classes that the leaderboard's retries understand.

EvaluationFailure
    carries a failure class; its message is safe to show: it holds no row, prompt or generation
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterable
from typing import Final

from palmares.contract import FAILURE_MARKER, FailureClass
from palmares.signatures import (
    ENVIRONMENT,
    HUB,
    MACHINE,
    MEMORY,
    MODEL,
    NETWORK,
    POINTERS,
    Signature,
    find,
)

_MESSAGE_CHARACTERS = 1000


class EvaluationFailure(Exception):
    """A failure with a known class."""

    def __init__(self, failure_class: str, message: str) -> None:
        super().__init__(message)
        self.failure_class = FailureClass(failure_class)

    @property
    def console_line(self) -> str:
        """What the caller reads from the console: the marker and one line of JSON."""
        body = {"class": self.failure_class, "message": " ".join(str(self).split())[:_MESSAGE_CHARACTERS]}
        return f"{FAILURE_MARKER} {json.dumps(body, ensure_ascii=False)}"


_LONGEST_CHAIN = 10
RUNNING: Final = (*MACHINE, *MEMORY, *NETWORK)
"""What an error may show at any time."""
LOADING: Final = (*MACHINE, *POINTERS, *MEMORY, *HUB, *ENVIRONMENT, *MODEL, *NETWORK)
"""What an error may show while the model is loaded: known faults of its files too."""


def known_failure(
    error: BaseException,
    *,
    while_doing: str,
    table: Iterable[Signature] = RUNNING,
    lines: Iterable[str] = (),
) -> EvaluationFailure | None:
    """The failure that a signature knows; None: none does.

    Args:
        error: Searched with the errors behind it.
        while_doing: For the message.
        table: Signatures, the first that is shown decides.
        lines: What the processes printed; searched too, and not shown.
    """
    found = find([*lines, *_lines_of(error)], table)
    if found is None:
        return None
    number = f", errno {error.errno}" if isinstance(error, OSError) and error.errno else ""
    return EvaluationFailure(
        found.signature.failure_class,
        f"{found.signature.sentence} ({type(error).__name__}{number}, while {while_doing})",
    )


def _lines_of(error: BaseException) -> list[str]:
    """An error and those behind it, as a console shows them: all its types, then its message."""
    lines: list[str] = []
    behind: BaseException | None = error
    seen = 0
    while behind is not None and seen < _LONGEST_CHAIN:
        lines += [f"{kind.__name__}: " for kind in type(behind).__mro__[:-2]]
        lines += str(behind).splitlines()
        seen += 1
        behind = behind.__cause__ or behind.__context__
    return lines


def unexpected(error: BaseException, *, while_doing: str) -> EvaluationFailure:
    """Turn any other error into a failure that names its place and type, and withholds its message.

    Messages of foreign errors may quote a hidden row, and the console is shipped to ClearML.
    """
    if (known := known_failure(error, while_doing=while_doing)) is not None:
        return known
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return EvaluationFailure(
        "evaluator_error",
        f"{type(error).__name__}{place} while {while_doing}; its message is withheld, as it may quote a row. "
        "Run palmares.evaluator.run_local with PALMARES_SHOW_ERRORS=1 on a machine that may show rows.",
    )
