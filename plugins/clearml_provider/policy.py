"""The functions that a caller passes in, called so that a mistake in them never costs a job."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from clearml_provider.console import ShowLine, shown
from clearml_provider.endings import (
    AttemptEdit,
    Classifier,
    EndedTask,
    Ending,
    NextAttempt,
    classify_by_status,
    load_function,
    same_again,
)
from clearml_provider.exceptions import ClearMLPolicyError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What an ending means, what to try next, and what of a console may be shown; functions or dotted
    paths."""

    classify: Classifier | str = classify_by_status
    next_attempt: NextAttempt | str = same_again
    show_line: ShowLine | str | None = None
    """None: every line."""

    def check(self) -> None:
        """Find the functions now, and not when a job of a day has ended.

        Raises:
            ClearMLConfigError: A dotted path leads nowhere.
        """
        for function in (self.classify, self.next_attempt, self.show_line):
            if function is not None:
                load_function(function)

    def ending(self, ended: EndedTask) -> Ending:
        """The classifier's verdict.

        Raises:
            ClearMLPolicyError: It raised, or returned something else.
        """
        ending: Ending = _checked(_call(self.classify, ended), Ending, self.classify)
        return ending

    def edit(self, ended: EndedTask, ending: Ending) -> AttemptEdit | None:
        """What to change for the next attempt; None: no further one makes sense.

        Raises:
            ClearMLPolicyError: The function raised, or returned something else.
        """
        edit: AttemptEdit | None = _call(self.next_attempt, ended, ending)
        return None if edit is None else _checked(edit, AttemptEdit, self.next_attempt)

    def shown(self, lines: Sequence[str]) -> list[str]:
        """*lines* as far as they may be shown; all are withheld, and it is said why, if the filter raises."""
        show = None if self.show_line is None else load_function(self.show_line)
        try:
            return shown(lines, show)
        except Exception as error:  # noqa: BLE001 - a filter must neither cost a job nor let a line slip
            log.error(  # noqa: TRY400 - its traceback may quote the line
                "%s raised %s: nothing of the console is shown. Correct it", _name(show), type(error).__name__
            )
            return [f"… {len(lines)} lines withheld"]


def _call(function: Callable[..., Any] | str, *arguments: Any) -> Any:
    function = load_function(function)
    try:
        return function(*arguments)
    except Exception as error:
        raise ClearMLPolicyError(
            f"{_name(function)} raised {type(error).__name__}: {error}. The job and its ending are kept as "
            f"they are: the next try asks again, or correct the function and clear this task."
        ) from error


def _checked(value: Any, kind: type[Any], function: Callable[..., Any] | str) -> Any:
    if isinstance(value, kind):
        return value
    raise ClearMLPolicyError(
        f"{_name(function)} returned {type(value).__name__}, expected {kind.__name__}. The job is kept as it "
        f"is: correct the function and clear this task."
    )


def _name(function: Callable[..., Any] | str | None) -> str:
    if isinstance(function, str) or function is None:
        return str(function)
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', repr(function))}"
