"""What of a job's console may be shown: an allow-list, because anything else may quote hidden rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from palmares.contract import CONSOLE_PREFIX, FAILURE_MARKER
from palmares.signatures import SIGNATURES

ATTEMPT_LINE: Final = re.compile(re.escape(CONSOLE_PREFIX) + r"attempt (\d{1,9})\b")

_LONGEST: Final = 500
_HEX: Final = "[0-9a-f]{32}"
_CONTROL: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]"
)
_AGENT_START: Final = re.compile(rf"task {_HEX} pulled from |Executing task id \[{_HEX}\]:")

AGENT_LINES: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"task {_HEX} pulled from {_HEX} by worker [\w.:-]{{1,100}}",
        rf"Executing task id \[{_HEX}\]:",
        rf"Running task id \[{_HEX}\]:",
        rf"(?:DONE: )?Running task '{_HEX}'(?:, exit status -?\d{{1,3}}| \(user aborted\))?",
        rf"User abort - stopping task {_HEX}",
        r"Environment setup completed successfully",
        r"Starting Task Execution:",
        r"Process failed, exit code -?\d{1,3}",
        r"Process (?:completed successfully|terminated by user)",
        r"Process aborted by user(?: - Task status was Failed)?",
        r"Leaving process id \d{1,9}",
    )
)
"""What clearml-agent 3.0.3 says of itself (``clearml_agent/commands/worker.py``); nothing of the job's."""


def safe_line(line: str) -> str | None:
    """What of one line may leave ClearML: all of it, the part that a signature knows, or nothing.

    Whole are the evaluator's own lines and the agent's. Of any other, only the part that one of `SIGNATURES`
    matches: their patterns know numbers and names, no free text.

    Returns:
        The line without control characters, at most 500 characters of it; None: withhold it.
    """
    plain = _CONTROL.sub("", line).strip()
    if plain.startswith((CONSOLE_PREFIX, f"{FAILURE_MARKER} ")):
        return plain[:_LONGEST]
    if any(pattern.fullmatch(plain) for pattern in AGENT_LINES):
        return plain
    for signature in SIGNATURES:
        if found := signature.pattern.search(plain):
            return found.group()[:_LONGEST]
    return None


def lines_of_attempt(lines: Sequence[str], attempt: int) -> list[str]:
    """The lines that the current attempt wrote: a ClearML task keeps the console of earlier ones.

    Cut where an agent last took the task up, or an evaluator last began; if that evaluator belongs to an
    earlier attempt, nothing is left: this one died before it could speak.
    """
    plain = [_CONTROL.sub("", line).strip() for line in lines]
    for place in range(len(plain) - 1, -1, -1):
        if _AGENT_START.match(plain[place]):
            return plain[place:]
        if began := ATTEMPT_LINE.match(plain[place]):
            return plain[place:] if int(began.group(1)) >= attempt else []
    return plain
