"""Rewrites French, LaTeX and Unicode notation of short answers into one plain form."""

from __future__ import annotations

import re
import unicodedata

MAX_PASSES = 8
"""Nested fractions and roots that are unfolded; deeper ones stay as text."""

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
_SUPERSCRIPT_RUN = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+")
_PLAIN = str.maketrans(
    {
        "−": "-", "–": "-", "—": "-", "‑": "-", "﹣": "-", "－": "-",
        "×": "*", "·": "*", "⋅": "*", "∙": "*", "÷": "/", "⁄": "/", "∕": "/",
        "’": "'", "‘": "'", "ʼ": "'", "\u00a0": " ", "\u202f": " ", "\u2009": " ",
        "\u200a": " ", "\u2003": " ",
        "\u200b": None, "\u2060": None, "\ufeff": None, "\0": None,
        "π": " pi ", "∞": " oo ", "½": "(1/2)", "¼": "(1/4)", "¾": "(3/4)", "⅓": "(1/3)", "⅔": "(2/3)",
        "≃": "≈", "≅": "≈",
    }
)  # fmt: skip
_LATEX = (
    (re.compile(r"\\(?:left|right|displaystyle|limits|big|Big|bigl|bigr)(?![A-Za-z])"), ""),
    (re.compile(r"\\begin\{[pb]?matrix\}(.{0,200}?)\\end\{[pb]?matrix\}", re.DOTALL), r"(\1)"),
    (re.compile(r"\\\\"), ";"),
    (re.compile(r"\\(?:text|mathrm|mathbf|mathit|textbf|operatorname|mathbb)\s*\{([^{}]*)\}"), r"\1"),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"(?<=\d)\\,(?=\d{3}(?!\d))"), ""),
    (re.compile(r"\\[,;:! ]|~"), " "),
    (re.compile(r"\^\s*\{?\s*\\circ\s*\}?"), "°"),
    (re.compile(r"\\[dt]frac"), r"\\frac"),
    (re.compile(r"\\frac\s*(\d)\s*(\d)"), r"(\1/\2)"),
    (re.compile(r"\\(?:times|cdot)(?![A-Za-z])"), "*"),
    (re.compile(r"\\(?:approx|simeq)(?![A-Za-z])"), "≈"),
    (re.compile(r"\\infty(?![A-Za-z])"), " oo "),
    (re.compile(r"\\pi(?![A-Za-z])"), " pi "),
    (re.compile(r"\\in(?![A-Za-z])"), "∈"),
    (re.compile(r"\\cup(?![A-Za-z])"), "∪"),
    (re.compile(r"\\pm(?![A-Za-z])"), "±"),
    (re.compile(r"\\lbrace|\\\{"), "⦃"),
    (re.compile(r"\\rbrace|\\\}"), "⦄"),
    (re.compile(r"\\%"), "%"),
    (re.compile(r"\\(ln|log|exp|sin|cos|tan)(?![A-Za-z])"), r" \1 "),
)
_FOLDED = (
    (re.compile(r"\\frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}"), r"((\1)/(\2))"),
    (re.compile(r"(?:\\sqrt|√)\s*\{([^{}]*)\}"), r" sqrt(\1)"),
    (re.compile(r"\^\s*\{([^{}]*)\}"), r"^(\1)"),
)
_ROOT = re.compile(r"(?:\\sqrt|√)\s*(\d+(?:[.,]\d+)?|[A-Za-z])")
_MARKUP = re.compile(r"\*\*|__|`|\$|\\[()\[\]]|[«»“”\"]")
_THOUSANDS = re.compile(r"(?<![\d.,])(\d{1,3}(?: \d{3})+)(?!\d)")
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
_POWER_OF_TEN = re.compile(r"(?<=\d)\s*[x*]\s*10\s*\^")
_INFINITY = re.compile(r"(?:\b(plus|moins)\s+)?(?:l')?\binfini\b", re.IGNORECASE)
_SPACES = re.compile(r"\s+")

NUMBER_WORDS = {
    word: str(number)
    for number, word in enumerate(
        (
            "zero", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze",
            "douze", "treize", "quatorze", "quinze", "seize",
        )
    )
} | {"une": "1", "vingt": "20", "cent": "100", "mille": "1000"}  # fmt: skip


def plain(text: str) -> str:
    """Take markup off and write mathematics in one plain notation; linear in the text's length."""
    text = unicodedata.normalize("NFC", text).translate(_PLAIN)
    text = _MARKUP.sub("", text)
    text = _SUPERSCRIPT_RUN.sub(lambda run: f"^({run.group().translate(_SUPERSCRIPTS)})", text)
    for pattern, replacement in _LATEX:
        text = pattern.sub(replacement, text)
    for _ in range(MAX_PASSES):
        before = text
        for pattern, replacement in _FOLDED:
            text = pattern.sub(replacement, text)
        if text == before:
            break
    text = _ROOT.sub(r" sqrt(\1)", text)
    text = _INFINITY.sub(
        lambda match: " -oo " if (match.group(1) or "").lower() == "moins" else " +oo ", text
    )
    text = _THOUSANDS.sub(lambda match: match.group().replace(" ", ""), text)
    text = _POWER_OF_TEN.sub("*10^", text)
    return _SPACES.sub(" ", text).strip()


def decimal_points(text: str) -> str:
    """Turn decimal commas into points; call it on single answers, where a comma separates nothing."""
    return _DECIMAL_COMMA.sub(".", text)


def words(text: str) -> str:
    """Lower case without accents, punctuation or articles: what words are compared by."""
    folded = unicodedata.normalize("NFD", text.casefold())
    folded = "".join(character for character in folded if not unicodedata.combining(character))
    tokens = re.findall(r"[a-z0-9]+", folded)
    return " ".join(token for token in tokens if token not in _ARTICLES)


_ARTICLES = frozenset({"le", "la", "les", "l", "un", "une", "des", "du", "de", "d"})
