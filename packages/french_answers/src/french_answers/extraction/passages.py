"""Picks lines: the first that holds something, a display's last row, a list's items."""

from __future__ import annotations

import re

from french_answers.extraction.announced import MAX_ANSWER
from french_answers.extraction.markup import line_text
from french_answers.extraction.statements import SUBSTANCE

MAX_LINES = 12
BULLETS = frozenset({"- ", "* ", "• "})
FENCE = re.compile(r"^\s*(?:```|~~~)")
WORD = re.compile(r"[^\W\d_]{3,}")
_DISPLAY = re.compile(r"\$\$|\\\[|\\begin\{(?:align|aligned|equation|gather|split)\*?\}")
_DISPLAY_END = re.compile(r"\$\$|\\\]|\\end\{(?:align|aligned|equation|gather|split)\*?\}")
_ROW_END = re.compile(r"\\\\(?:\[\d\w*\])?")


def first_line(text: str) -> str:
    """The first line that holds something; a display's last row, or a list's items, count as one."""
    head = text[: 4 * MAX_ANSWER].lstrip()
    display = _DISPLAY.match(head)
    if display is not None:
        return _display_row(head[display.end() :])
    lines = head.split("\n", MAX_LINES)
    for number, line in enumerate(lines[:MAX_LINES]):
        if not SUBSTANCE.search(line) or FENCE.match(line):
            continue
        if line.lstrip()[:2] in BULLETS:
            items = [one.strip()[2:].strip() for one in lines[number:] if one.lstrip()[:2] in BULLETS]
            return " ; ".join(items)[:MAX_ANSWER] if len(items) > 1 else line_text(line)
        if _DISPLAY.match(line.strip()):
            return _display_row("\n".join(lines[number:]).strip())
        return line_text(line)[:MAX_ANSWER]
    return ""


def last_items(text: str) -> str | None:
    """The bare items of a list that ends a text, as one statement; None for a single one or for sentences."""
    items: list[str] = []
    for line in reversed(text.split("\n")[-MAX_LINES:]):
        if line.lstrip()[:2] not in BULLETS:
            break
        items.insert(0, line.strip()[2:].strip())
    return " ; ".join(items) if len(items) > 1 and all(is_bare(item) for item in items) else None


def last_display(text: str) -> str | None:
    """The last row of the displayed formula that ends a text."""
    last = max(text.rfind("\\]"), text.rfind("$$"), text.rfind("\\end{align"))
    if last < 0 or len(text) - last > 20:
        return None
    first = max(text.rfind("\\[", 0, last), text.rfind("$$", 0, last), text.rfind("\\begin{align", 0, last))
    return _display_row(text[first:]) if first >= 0 else None


def _display_row(text: str) -> str:
    """The last row; a matrix or a system stays whole."""
    opening = _DISPLAY.match(text)
    while opening is not None:
        text = text[opening.end() :].lstrip()
        opening = _DISPLAY.match(text)
    end = _DISPLAY_END.search(text)
    text = text[: end.start()] if end is not None else text
    if "matrix" not in text and "cases" not in text and "\\\\" in text:
        rows = [row for row in _ROW_END.split(text) if SUBSTANCE.search(row)]
        text = rows[-1] if rows else text
    return text.replace("&", "").replace("\n", " ").strip()[:MAX_ANSWER]


def is_bare(sentence: str) -> bool:
    """Tell a short answer without a sentence around it."""
    return len(sentence) <= 40 and len(WORD.findall(sentence)) <= 1
