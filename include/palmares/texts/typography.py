"""French typography for texts that are shown to readers: spaces that no line may break at."""

from __future__ import annotations

import re

from palmares.texts.catalogues import Language

_CODE = re.compile(r"(```.*?```|`[^`\n]*`|\]\([^)\n]*\))", re.DOTALL)
_SPACE = re.compile(r" (?=[;!?%»]|:(?!-))|(?<=«) ")
"""Not before ``:--``, which aligns a column of a Markdown table."""


def typeset(text: str, language: Language) -> str:
    """*text* with the no-break spaces of its language; Markdown's code and links stay as they are."""
    if language != "fr":
        return text
    parts = _CODE.split(text)
    parts[::2] = [_SPACE.sub(_no_break, part) for part in parts[::2]]
    return "".join(parts)


def _no_break(match: re.Match[str]) -> str:
    """A narrow space before ; ! and ?, a full one before : and %, as the Imprimerie nationale has it."""
    following = match.string[match.end() : match.end() + 1]
    return "\u202f" if following in {";", "!", "?"} else "\u00a0"
