"""Makes texts of strangers safe where they are shown: in Markdown, in HTML and on one line."""

from __future__ import annotations

import re
import unicodedata

LONGEST_CELL = 300
"""Characters of a text in a table."""
_SIGNS = frozenset("\\`*_[]{}#|~$<>&\"'")
"""What begins or ends something within a line of CommonMark, a table's row or a formula."""
_LINKS = re.compile(r"(?<=www)(?=\.)|(?<=:)(?=//)|(?<=@)", re.IGNORECASE)
"""Where addresses are made links without any sign around them, after entities were read."""
_JOINER = "\u2060"
"""Unicode's word joiner: takes no room, and is part of no address."""
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that are not shown, or turn what is around them (controls, marks of direction)."""


def one_line(text: str, *, longest: int = LONGEST_CELL) -> str:
    """Put *text* on one line: spaces for breaks, U+FFFD for what cannot be seen, an ellipsis at the end."""
    spaced = " ".join(text.split())
    shown = "".join("\ufffd" if unicodedata.category(char) in _UNSEEN else char for char in spaced)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def markdown_text(text: str, *, longest: int = LONGEST_CELL) -> str:
    """Escape *text* so that Markdown shows it letter by letter within a line, also in a table's cell.

    HTML goes through Markdown: its signs become entities. So do Markdown's own: not every reader takes a
    backslash before every sign. Addresses do not become links.
    """
    shown = _LINKS.sub(_JOINER, one_line(text, longest=longest))
    return "".join(f"&#{ord(char)};" if char in _SIGNS else char for char in shown)
