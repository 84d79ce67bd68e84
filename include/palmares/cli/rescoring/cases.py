"""Grades cases line by line, in order and as they come, in this process or in several."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from french_answers import DEFAULT, GradingPolicy

from palmares.rescoring.pool import Pool

LONGEST_LINE = 64 << 20
"""Bytes; a longer one is no case."""
CHUNK_LINES, CHUNK_BYTES = 256, 1 << 20
_AHEAD = 4
"""Chunks in flight for each worker."""

Line = tuple[int, bytes]
"""Number from 1, and content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GradedCase:
    """What one line came to."""

    number: int
    answer: dict[str, Any] | None
    """What is printed; None: the line was bad."""
    problem: str | None
    """What is wrong with the line."""
    label: bool | None
    """The verdict that the line expects."""


def graded_cases(stream: BinaryIO, pool: Pool, policy: GradingPolicy = DEFAULT) -> Iterator[GradedCase]:
    """Grade every line of a stream; blank ones are skipped.

    Raises:
        OSError: The stream cannot be read.
    """
    if pool.workers == 1:
        for line in _lines(stream):
            yield from grade_lines([line], policy)
        return
    grade = partial(grade_lines, policy=policy)
    flying: deque[tuple[Future[list[GradedCase]], list[Line]]] = deque()
    for chunk in _chunks(stream):
        flying.append((pool.submit(grade, chunk), chunk))
        if len(flying) >= _AHEAD * pool.workers:
            yield from _landed(*flying.popleft(), pool, grade)
    while flying:
        yield from _landed(*flying.popleft(), pool, grade)


def grade_lines(lines: Sequence[Line], policy: GradingPolicy = DEFAULT) -> list[GradedCase]:
    """Grade lines; a bad one does not stop the others."""
    # One that was sent here equals the default, but is another object; graders may compare objects.
    policy = DEFAULT if policy == DEFAULT else policy
    return [_graded(number, content, policy) for number, content in lines]


def _graded(number: int, content: bytes, policy: GradingPolicy) -> GradedCase:
    from french_answers import grade_answer

    try:
        case = _parsed(content)
    except ValueError as error:
        return GradedCase(number=number, answer=None, problem=str(error), label=None)
    grade = grade_answer(
        case["gold"],
        case["prediction"],
        instruction=case["instruction"],
        choices=case["choices"],
        question=case["question"],
        policy=policy,
    )
    answer = {
        "id": case.get("id", number),
        "correct": grade.correct,
        "unsure": grade.unsure,
        "extracted": grade.extracted,
        "method": grade.method,
        "reason": grade.reason,
    }
    return GradedCase(number=number, answer=answer, problem=None, label=case["correct"])


def _parsed(content: bytes) -> dict[str, Any]:
    """Read one case.

    Raises:
        ValueError: It is none; the message gives the reason, and quotes nothing of it.
    """
    if len(content) >= LONGEST_LINE:
        raise ValueError(f"longer than {LONGEST_LINE:,} bytes")
    _check_encoding(content)
    try:
        case = json.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        raise ValueError("not JSON") from error
    if not isinstance(case, dict):
        raise ValueError(f"a JSON {type(case).__name__}, not an object")  # noqa: TRY004 - bad data, not a bug
    missing = [name for name in ("gold", "prediction") if name not in case]
    if missing:
        raise ValueError(f"{' and '.join(missing)} missing, found {sorted(case)[:10]}")
    choices = case.get("choices")
    label = case.get("correct")
    instruction = case.get("instruction")
    if not isinstance(instruction, str | None):
        raise ValueError(f"instruction is {type(instruction).__name__}, not text")  # noqa: TRY004 - bad data, not a bug
    question = case.get("question")
    if not isinstance(question, str | None):
        raise ValueError(f"question is {type(question).__name__}, not text")  # noqa: TRY004 - bad data, not a bug
    if choices is not None and not (
        isinstance(choices, list) and all(_is_scalar(choice) for choice in choices)
    ):
        raise ValueError("choices are no list of texts")
    if label is not None and not isinstance(label, bool):
        raise ValueError(f"correct is {type(label).__name__}, not true or false")
    return case | {
        "gold": _text(case["gold"], "gold"),
        "prediction": "" if case["prediction"] is None else _text(case["prediction"], "prediction"),
        "instruction": instruction,
        "question": question,
        "choices": tuple(str(choice) for choice in choices or ()),
        "correct": label,
    }


def _check_encoding(content: bytes) -> None:
    """Name an encoding that is not UTF-8.

    Raises:
        ValueError: It is another one, or binary data.
    """
    mostly_zeros = len(content) > 8 and content.count(0) > len(content) // 3
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or mostly_zeros:
        raise ValueError("UTF-16 text; save the file as UTF-8")
    if b"\0" in content:
        raise ValueError("binary data, not JSON lines in UTF-8")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        byte = f"byte 0x{content[error.start]:02x} at {error.start}"
        raise ValueError(f"not UTF-8 ({byte}), perhaps Latin-1; save the file as UTF-8") from error


def _text(value: Any, name: str) -> str:
    if not _is_scalar(value):
        raise ValueError(f"{name} is {type(value).__name__}, not text")
    return str(value)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _lines(stream: BinaryIO) -> Iterator[Line]:
    number = 0
    while line := stream.readline(LONGEST_LINE):
        number += 1
        rest = line
        while len(rest) >= LONGEST_LINE and not rest.endswith(b"\n"):  # its rest is no line of its own
            rest = stream.readline(LONGEST_LINE)
        if line.strip():
            yield number, line


def _chunks(stream: BinaryIO) -> Iterator[list[Line]]:
    chunk: list[Line] = []
    size = 0
    for line in _lines(stream):
        chunk.append(line)
        size += len(line[1])
        if len(chunk) >= CHUNK_LINES or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _landed(
    future: Future[list[GradedCase]],
    chunk: list[Line],
    pool: Pool,
    grade: Callable[[list[Line]], list[GradedCase]],
) -> Iterator[GradedCase]:
    """A chunk's answers; if its process was killed, its lines are tried one by one, to find which did it."""
    try:
        yield from future.result()
    except BrokenExecutor:
        pool.restart()
        for line in chunk:
            try:
                yield from pool.alone(grade, [line])
            except BrokenExecutor:
                problem = "its grading process was killed, perhaps for memory"
                yield GradedCase(number=line[0], answer=None, problem=problem, label=None)
