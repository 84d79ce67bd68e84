"""Turns the fields of a raw record into those of a row, and names file, row and column where it cannot."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from palmares.leaderboard.details.literals import list_of_texts, undo
from palmares.leaderboard.errors import ResultsFormatError

_ID = re.compile(r"[\w.:@+-]{1,80}", re.ASCII)
_NOTHING = frozenset({"", "None", "nan", "null"})
_INSTRUCTION = re.compile(r"^Instruction ?:", re.MULTILINE)
_QUESTION = re.compile(r"^Question ?:", re.MULTILINE)
"""How the French prompts bring a row's instruction; their details' own column is empty."""
_PROMPT_HEAD = 8_000
_LIKELIHOODS = re.compile(r"\[[\s\[]*-?\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a record is, for messages: never what is in it, since it may be a hidden question."""

    file: str
    row: int
    """From 0, in the file's order."""

    def wrong(self, column: str, why: str) -> ResultsFormatError:
        """The error of one value."""
        return ResultsFormatError(
            f"{self.file}: row {self.row}, column {column}: {why}. Restore the file from the raw outputs."
        )


def texts(value: Any, column: str, place: Place) -> tuple[str, ...]:
    """A column of texts: a list, the repr of one, or a text.

    Raises:
        ResultsFormatError: It is a mapping or binary, or too long a repr.
    """
    if isinstance(value, str):
        try:
            found = list_of_texts(value)
        except ValueError as error:
            raise place.wrong(column, f"a list in a text that is {error}") from error
        return (value,) if found is None else tuple(found)
    return tuple(_flat(value, column, place))


def _flat(value: Any, column: str, place: Place) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, bool | int | float):
        return [str(value)]
    if isinstance(value, list | tuple):
        return [text for item in value for text in _flat(item, column, place)]
    raise place.wrong(column, f"not texts but {type(value).__name__}")


def mapping(value: Any, column: str, place: Place) -> dict[str, Any]:
    """A column of mappings, native or in a text.

    Raises:
        ResultsFormatError: It is something else.
    """
    if isinstance(value, str):
        if value.strip() in _NOTHING:
            return {}
        try:
            value = undo(value.strip())
        except ValueError as error:
            raise place.wrong(column, f"not a mapping but a text that is {error}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise place.wrong(column, f"not a mapping but {type(value).__name__}")
    return {str(key): item for key, item in value.items()}


def indices(value: Any, column: str, place: Place) -> tuple[int, ...]:
    """A column of indices: a number, a list of them, or the text of either.

    Raises:
        ResultsFormatError: It is something else.
    """
    if isinstance(value, str):
        if value.strip() in _NOTHING:
            return ()
        try:
            value = undo(value.strip())
        except ValueError as error:
            raise place.wrong(column, "neither an index nor a list of them") from error
    found = value if isinstance(value, list | tuple) else [] if value is None else [value]
    if not all(isinstance(item, int) and not isinstance(item, bool) for item in found):
        raise place.wrong(column, "neither an index nor a list of them")
    return tuple(found)


def numbers(value: Any) -> bool:
    """Whether a column holds fractional numbers, natively or in a text: log-likelihoods, no generation."""
    if isinstance(value, str):
        if _LIKELIHOODS.match(value) is None:
            return False
        try:
            value = undo(value)
        except ValueError:
            return False
    while isinstance(value, list | tuple) and value:
        value = value[0]
    return isinstance(value, float)


def optional_text(value: Any) -> str | None:
    """A text that says something, or None; early files write None as a word."""
    return value if isinstance(value, str) and value.strip() not in _NOTHING else None


def row_id(specifics: Mapping[str, Any], *others: Any, row: int) -> str:
    """The dataset's own id of a row if it can be shown, or else its position."""
    for found in (specifics.get("row_id"), *others):
        if found is not None and _ID.fullmatch(str(found)):
            return str(found)
    return f"row-{row:06d}"


def real_choices(choices: tuple[str, ...]) -> tuple[str, ...]:
    """Choices to choose from: lighteval lists the expected answer alone where the question is open."""
    return choices if len(choices) > 1 else ()


def golds(choices: tuple[str, ...], found: tuple[int, ...], column: str, place: Place) -> tuple[str, ...]:
    """Expected answers by their index.

    Raises:
        ResultsFormatError: An index is outside the choices.
    """
    if any(not 0 <= index < len(choices) for index in found):
        raise place.wrong(column, f"index {list(found)} is outside the {len(choices)} choices")
    return tuple(choices[index] for index in found)


def instruction_of(own: str | None, question: str | None) -> str | None:
    """A row's instruction: its own column, or what the prompt says under that heading."""
    if own is not None or question is None:
        return own
    head = question[:_PROMPT_HEAD]
    begin = _INSTRUCTION.search(head)
    end = _QUESTION.search(head, begin.end()) if begin else None
    return optional_text(head[begin.end() : end.start()].strip()) if begin and end else None
