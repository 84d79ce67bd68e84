"""What of a job's console may leave ClearML, and how it is written down."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from clearml_provider.exceptions import ClearMLConfigError

ShowLine = Callable[[str], str | None]
"""A console's line → the line, a shortened one, or None to withhold it."""


def shown(lines: Iterable[str], show: ShowLine | None) -> list[str]:
    """*lines* as far as *show* lets them through; a last line counts the withheld."""
    kept: list[str] = []
    withheld = 0
    for line in lines:
        text = line if show is None else show(line)
        if text is None:
            withheld += 1
        else:
            kept.append(text)
    return [*kept, *_note(withheld)]


def write(lines: Iterable[str], file: Path, *, show: ShowLine | None, max_bytes: int) -> int:
    """Write *lines* as `shown` would keep them, until *max_bytes*; returns how many were written."""
    written = size = withheld = 0
    with file.open("w", encoding="utf-8", errors="replace", newline="\n") as out:
        for line in lines:
            text = line if show is None else show(line)
            if text is None:
                withheld += 1
                continue
            size += len(text.encode("utf-8", errors="replace")) + 1
            if size > max_bytes:
                out.write(f"… cut here, the limit is {max_bytes} bytes\n")
                break
            out.write(f"{text}\n")
            written += 1
        out.writelines(f"{note}\n" for note in _note(withheld))
    return written


def guarded(show: ShowLine) -> ShowLine:
    """*show*, whose own errors do not name the line: their messages may quote it."""

    def careful(line: str) -> str | None:
        try:
            return show(line)
        except Exception as error:  # noqa: BLE001 - whatever it is, its message stays here
            kind = type(error).__name__
        raise ClearMLConfigError(
            f"show_line {getattr(show, '__qualname__', show)!r} raised {kind} on a line of the console: "
            f"nothing was copied. Correct the function, then clear this task."
        )

    return careful


def _note(withheld: int) -> list[str]:
    return [f"… {withheld} lines withheld"] if withheld else []
