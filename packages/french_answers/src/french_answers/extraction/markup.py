"""Takes Markdown, wrappers and invisible characters off a passage, and leaves its mathematics."""

from __future__ import annotations

import re
import unicodedata

_CHARACTERS = str.maketrans(
    {
        "’": "'", "‘": "'", "ʼ": "'", "′": "'",
        "−": "-", "﹣": "-", "－": "-", "‑": "-", "‐": "-",
        "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u200a": " ", "\u2003": " ", "\u2002": " ",
        "\u2007": " ", "\t": " ", "\u200b": None, "\u200c": None, "\u200d": None, "\u2060": None,
        "\ufeff": None,
        "\u200e": None, "\u200f": None, "\u00ad": None,
        "«": None, "»": None, "“": None, "”": None,
    }
)  # fmt: skip
_UNUSUAL = re.compile("[" + re.escape("".join(map(chr, _CHARACTERS))) + "]")
_COMPATIBLE = re.compile("[\u2460-\u24ff\u3000-\U0010ffff]")
_STRUCK = re.compile(r"~~[^~\n]{0,200}~~")
_LINE_START = re.compile(r"^\s*(?:#{1,6}\s+|>\s+|[•‣▪*]\s+(?=\S)|[-+]\s+(?=[^\s\d+−-]))", re.MULTILINE)
_EMPHASIS = re.compile(
    r"(?<![\w)])\*\*|\*\*(?![\w(-])|(?<![\w\\}^])_(?=[^\s_{}]+_(?!\w))|(?<=[^\s\\_{}])_(?=[\s.,;:!?)]|$)"
    r"|__(?!\w*__\()|(?<![\w\\])\*(?=[^\s*][^*\n]{0,200}[^\s*]?\*(?!\w))|`"
)
_SINGLE_STAR_END = re.compile(r"(?<=[\w.!?)%°$])\*(?=\s|$|[.,;:!?])")
_WRAPPER = re.compile(r"\\[()\[\]]|\$")
_DOLLAR_AMOUNT = re.compile(r"\d\s?\$(?!\s*\w)|\$\s?\d[\d\s.,]*$")
_TEXT_COMMAND = re.compile(
    r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox|operatorname|ce|boxed|fbox)\s*\{([^{}]*)\}"
)
_PIPES = re.compile(r"^\s*\|\s*|\s*\|\s*$")


def readable(text: str) -> str:
    """Rewrite a passage's characters in their plain form; cheap for plain text.

    Compatibility forms (full-width or mathematical digits) are folded only where they occur, since folding
    would turn ``x²`` into ``x2``.
    """
    if text.isascii():
        return text.replace("\t", " ") if "\t" in text else text
    if _UNUSUAL.search(text):
        text = text.translate(_CHARACTERS)
    if _COMPATIBLE.search(text):
        text = _COMPATIBLE.sub(_folded, text)
    return text


def _folded(match: re.Match[str]) -> str:
    folded = unicodedata.normalize("NFKC", match.group())
    return folded if folded.isascii() else match.group()


def without_markup(text: str) -> str:
    """Take emphasis, headings, bullets, code marks, dollars and ``\\(`` off; single statements only."""
    if "~~" in text:
        text = _STRUCK.sub("", text)
    if "*" in text or "`" in text or "_" in text:
        text = _EMPHASIS.sub("", text)
        if "*" in text:
            text = _SINGLE_STAR_END.sub("", text)
    if "$" in text or "\\" in text:
        text = _WRAPPER.sub("", text) if not _is_amount(text) else text
    return text.strip()


def _is_amount(text: str) -> bool:
    """Tell ``25 $`` or ``$25``: one dollar sign is money, two are mathematics."""
    return text.count("$") == 1 and _DOLLAR_AMOUNT.search(text) is not None


def line_text(line: str) -> str:
    """Take a line's own marks off: heading, quote, bullet, table cell; ``- 3`` is a number."""
    line = line.strip()
    if line and line[0] in "#>-•‣▪*+":
        line = _LINE_START.sub("", line, count=1)
    if line[:2] == "| " and line[-1] == "|" and len(line) > 3:
        inner = line[1:-1]
        line = inner.strip() if "|" not in inner else inner.rpartition("|")[2].strip()
    return line


def unwrapped(text: str) -> str:
    """Take ``\\text{…}`` and its like off when they hold words."""
    if "\\" not in text:
        return text
    for _ in range(3):
        shorter = _TEXT_COMMAND.sub(r"\1", text)
        if shorter == text:
            break
        text = shorter
    return text
