"""Writes the marks of Unicode, LaTeX and Markdown in one plain way, and cuts a text into tokens."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

from french_answers.values.limits import MAX_BITS, MAX_CHARACTERS, MAX_TOKENS, UnreadableError

_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿˣⁱ"
_SUPERSCRIPT_MAP = str.maketrans(_RAISED, "0123456789+-=()nxi")
_SUPERSCRIPT_RUN = re.compile(f"[{_RAISED}]+")
_SUPERSCRIPTS = frozenset(_RAISED)
_SUBSCRIPT_MAP = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋ₙ", "0123456789+-n")
_SUBSCRIPT_RUN = re.compile("[₀₁₂₃₄₅₆₇₈₉₊₋ₙ]+")
_SUBSCRIPTS = frozenset("₀₁₂₃₄₅₆₇₈₉₊₋ₙ")
_VULGAR = frozenset("½¼¾⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞")
_MARKS = str.maketrans(
    {
        "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "‒": "-", "﹣": "-", "－": "-", "➖": "-",
        "×": "*", "·": "*", "⋅": "*", "∙": "*", "•": "*", "∗": "*", "÷": "/", "⁄": "/", "∕": "/",
        "’": "'", "‘": "'", "ʼ": "'", "′": "'", "″": "''", "\u2062": "*",
        "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u200a": " ", "\u2007": " ", "\u2008": " ",
        "\u2002": " ", "\u2003": " ", "\u2004": " ", "\u2005": " ", "\u2006": " ", "\t": " ",
        "\n": " ", "\r": " ",
        "\u200b": None, "\u200c": None, "\u200d": None, "\u200e": None, "\u200f": None, "\u2060": None,
        "\ufeff": None, "\u00ad": None, "\u2061": None, "\ufe0f": None,
        "½": "(1/2)", "¼": "(1/4)", "¾": "(3/4)", "⅓": "(1/3)", "⅔": "(2/3)", "⅕": "(1/5)", "⅖": "(2/5)",
        "⅗": "(3/5)", "⅘": "(4/5)", "⅙": "(1/6)", "⅚": "(5/6)", "⅛": "(1/8)", "⅜": "(3/8)", "⅝": "(5/8)",
        "⅞": "(7/8)", "≃": "≈", "≅": "≈", "∼": "≈", "≤": "≤", "⩽": "≤", "≦": "≤", "⩾": "≥", "≧": "≥",
        "ℝ": "\\R ", "ℕ": "\\N ", "ℤ": "\\Z ", "ℚ": "\\Q ", "ℂ": "\\C ", "∖": "∖", "℃": "°C",
        "⟺": "⇔", "⟹": "⇒", "→": "→", "⟶": "→", "«": " ", "»": " ", "“": " ", "”": " ", "ª": None,
        "₊": "_+", "₋": "_-", "º": "°", "˚": "°", "ϕ": "φ", "ϵ": "ε", "\u2126": "Ω", "\u00b5": "μ",
        "⟨": "(", "⟩": ")",
    }
)  # fmt: skip
_MIXED = re.compile(r"(\d+)([½¼¾⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])")
_LATEX = re.compile(
    r"(?P<row>\\\\)|\\(?:left|right|displaystyle|textstyle|limits|mathstrut|bigl|bigr|Bigl|Bigr|big|Big|boldsymbol)(?![A-Za-z])"
    r"|\\(?P<text>text|textbf|textit|textrm|mathrm|mathbf|mathit|mathsf|mathbb|mathcal|operatorname\*?|boxed"
    r"|mbox|hbox|bm|rm|bf|it|vec|overrightarrow|fbox)(?![A-Za-z])\s*"
    r"|\\(?P<space>[,;:! ]|quad(?![A-Za-z])|qquad(?![A-Za-z]))"
    r"|(?P<comma>\{[,.]\})"
    r"|\\(?P<escaped>[%$#&_€])"
    r"|\\(?P<command>[A-Za-z]+)\s*"
    r"|(?P<dollars>\$+|\\[()\[\]]|(?<!\\)~)"
)
_COMMANDS = {
    "dfrac": "\\frac ", "tfrac": "\\frac ", "cfrac": "\\frac ", "frac": "\\frac ", "sqrt": "√", "times": "*",
    "cdot": "*", "cdotp": "*", "div": "/", "ast": "*", "approx": "≈", "simeq": "≈", "sim": "≈",
    "thickapprox": "≈",
    "infty": "∞", "pi": "π", "in": "∈", "notin": "∉", "cup": "∪", "cap": "∩", "pm": "±", "mp": "∓",
    "setminus": "∖", "backslash": "∖", "smallsetminus": "∖", "emptyset": "∅", "varnothing": "∅",
    "lbrace": "\\{", "rbrace": "\\}", "lbrack": "[", "rbrack": "]", "le": "≤", "leq": "≤", "leqslant": "≤",
    "leqq": "≤", "ge": "≥", "geq": "≥", "geqslant": "≥", "geqq": "≥", "lt": "<", "gt": ">", "ne": "≠",
    "neq": "≠", "circ": "°", "degree": "°", "deg": "°", "to": "→", "rightarrow": "→", "longrightarrow": "→",
    "iff": "⇔", "Leftrightarrow": "⇔", "Longleftrightarrow": "⇔", "implies": "⇒", "mapsto": "→",
    "Rightarrow": "⇒",
    "Longrightarrow": "⇒", "quad": " ", "euro": "€", "eur": "€", "percent": "%", "mu": "μ", "Omega": "Ω",
    "theta": "θ",
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "Delta": "Δ", "lambda": "λ", "omega": "ω",
    "rho": "ρ",
    "phi": "φ", "varphi": "φ", "sigma": "σ", "tau": "τ", "epsilon": "ε", "varepsilon": "ε", "eta": "η",
    "lor": " ou ", "vee": " ou ", "land": " et ", "wedge": " et ", "imath": "i", "lvert": "|", "rvert": "|",
    "vert": "|", "langle": "(", "rangle": ")", "ldots": "…", "dots": "…", "prime": "'", "colon": ":",
    "R": "\\R ", "N": "\\N ", "Z": "\\Z ", "C": "\\C ", "ell": "L", "newline": " ", "mathbb": "",
    "exp": " exp ", "ln": " ln ", "log": " log ", "lg": " log ", "sin": " sin ", "cos": " cos ",
    "tan": " tan ",
    "arctan": " arctan ", "arccos": " arccos ", "arcsin": " arcsin ", "sinh": " sinh ", "cosh": " cosh ",
    "tanh": " tanh ", "cot": " cot ", "over": "\\over ", "begin": "\\begin ", "end": "\\end ",
    "binom": "\\binom ",
    "dbinom": "\\binom ", "tbinom": "\\binom ",
}  # fmt: skip
_STYLE = re.compile(r"\\(?:t|m|o|b|h|v|f)\w*box|\\(?:text|math|op|vec|over[a-z]|bm)")
_STYLED = re.compile(
    r"\\(?:text|textbf|textit|textrm|textnormal|mathrm|mathbf|mathit|mathsf|mathcal|operatorname|boxed|mbox|hbox|vec"
    r"|overrightarrow|fbox|bm)\*?\s*\{((?:[^{}]++|\{[^{}]*+\})*+)\}"
)
_LETTER_SETS = re.compile(r"\\mathbb\s*\{?\s*([RNZQC])\s*\}?")
_WITHOUT = re.compile(r"(\\R)\s+\\\s*(?=\\?\{\s*[-\d])")
_TIMES = re.compile(r"(?<=[\d)])\s*[xX]\s*(?=10\s*(?:\^|\*\*))|(?<=\d) [xX] (?=\d)")
_STRUCK = re.compile(r"~~[^~]{0,200}~~")
_RAISED_DEGREE = re.compile(r"\s*\^\s*(?:\{\s*°\s*\}|°)")
_POINT_TEN = re.compile(r"(?<=\d)\.(?=10\s*\^)")
_BOLD = re.compile(r"^\s*(?:\*\*|__|`)+\s*|\s*(?:\*\*|__|`)+\s*$")
_INNER_BOLD = re.compile(r"(?<![\w)*])\*\*(?!\*)([^*]{1,300})\*\*(?![\w(*])")


def clean(text: str) -> str:
    """Rewrite marks; linear in the text's length, and shorter than twice of it."""
    if not text.isascii():
        if not _VULGAR.isdisjoint(text):
            text = _MIXED.sub(r"(\1+\2)", text)
        if not _SUPERSCRIPTS.isdisjoint(text):
            text = _SUPERSCRIPT_RUN.sub(lambda run: f"^({run.group().translate(_SUPERSCRIPT_MAP)})", text)
        if not _SUBSCRIPTS.isdisjoint(text):
            text = _SUBSCRIPT_RUN.sub(lambda run: f"_{{{run.group().translate(_SUBSCRIPT_MAP)}}}", text)
        text = text.translate(_MARKS)
        if not text.isascii():
            text = unicodedata.normalize("NFKC", text)
    if "~~" in text:
        text = _STRUCK.sub(" ", text)
    if "\\" in text or "$" in text or "{" in text or "~" in text:
        if "\\mathbb" in text:
            text = _LETTER_SETS.sub(r"\\\1 ", text)
        if "\\R" in text:
            text = _WITHOUT.sub(r"\1 ∖", text)
        if _STYLE.search(text):
            text = _STYLED.sub(r" \1 ", text)
        text = _LATEX.sub(_latex, text)
    if "*" in text or "_" in text or "`" in text:
        if "**" in text:
            text = _INNER_BOLD.sub(r"\1", text)
        text = _BOLD.sub("", text).replace("**", "^")
    if "°" in text:
        text = _RAISED_DEGREE.sub("°", text)
    if "x" in text or "X" in text:
        text = _TIMES.sub("*", text)
    if ".10" in text:
        text = _POINT_TEN.sub("*", text)
    if "=" in text:
        text = text.replace("<=", "≤").replace(">=", "≥").replace("!=", "≠").replace("=>", "⇒")
    return " ".join(text.split())


def _latex(match: re.Match[str]) -> str:
    kind = match.lastgroup
    if kind == "command":
        name = match["command"]
        return _COMMANDS.get(name) or f"\\{name} "
    if kind == "row":
        return "\\\\ "
    if kind == "text":
        return " "
    if kind == "space":
        return "" if match["space"] == "!" else " "
    if kind == "comma":
        return match["comma"][1]
    if kind == "escaped":
        return match["escaped"]
    if kind == "dollars":
        return " " if match["dollars"] == "~" else _dollars(match)
    return ""


def _dollars(match: re.Match[str]) -> str:
    """A dollar after a number with none before is money; else it opens or closes a formula."""
    text, start = match.string, match.start()
    money = (
        match["dollars"] == "$"
        and text.count("$") == 1
        and start > 0
        and text[:start].rstrip()[-1:].isdigit()
    )
    return "$" if money else " "


_TOKEN = re.compile(
    r"\s*("
    r"\d{1,3}(?: \d{3})+(?!\d)(?:[.,]\d+(?![.,]?\d))?"
    r"|\d{1,3}(?:,\d{3})+\.\d+(?![.,]?\d)|\d{1,3}(?:,\d{3}){2,}(?![.,]?\d)"
    r"|\d{1,3}(?:\.\d{3})+,\d+(?![.,]?\d)|\d{1,3}(?:\.\d{3}){2,}(?![.,]?\d)"
    r"|(?:(?<!\d[.,])\d+[.,](?:\d{3}(?: \d{3})*(?: \d{1,3})(?!\d)|\d+)(?![.,]?\d)|\d+)"
    r"(?:[eE][+-]?\d+(?![\w^]))?"
    r"|\\[A-Za-z]+|[^\W\d_]+|\\[{}\\]|''|\S)"
)
"""Numbers grouped as in French, English and German, other numbers, names, signs."""
_SPLITTING = re.compile(r"(?<=\d),(?=\d)")


def tokens(text: str) -> list[str]:
    """Cut a clean text: numbers as Python writes them, names, and single signs.

    A comma that a digit follows at once is the decimal mark of a number, if the number has no other.

    Raises:
        UnreadableError: There are too many.
    """
    found: list[str] = _TOKEN.findall(text)
    if len(found) > MAX_TOKENS:
        raise UnreadableError("too many tokens")
    for place, mark in enumerate(found):
        if len(mark) > 1 and mark[0].isdigit() and not mark.isdigit():
            found[place] = _as_python(mark)
    return found


def _as_python(mark: str) -> str:
    """Drop what groups thousands, and write the decimal mark as a point."""
    mark = mark.replace(" ", "")
    commas, points = mark.count(","), mark.count(".")
    if commas and points:
        grouping = "," if mark.rindex(",") < mark.rindex(".") else "."
        return mark.replace(grouping, "").replace(",", ".")
    if commas > 1 or points > 1:
        return mark.replace(",", "").replace(".", "")
    return mark.replace(",", ".")


def splitting_commas(text: str) -> str:
    """Let every comma separate: what ``[0,1]`` means, where two bounds are needed."""
    return _SPLITTING.sub(", ", text)


def number(mark: str) -> Fraction | int:
    """Read a number mark.

    Raises:
        UnreadableError: It has too many digits, or too large an exponent.
    """
    if len(mark) < 19 and mark.isdigit():
        return int(mark)
    mantissa, _, exponent = mark.lower().partition("e")
    if len(mantissa) > MAX_BITS // 4 or len(exponent) > 5 or abs(int(exponent or 0)) > MAX_BITS // 4:
        raise UnreadableError("too large a number")
    if "." in mantissa or exponent:
        whole, _, decimals = mantissa.partition(".")
        shift = int(exponent or 0) - len(decimals)
        digits = int(whole + decimals)
        return Fraction(digits * 10**shift) if shift >= 0 else Fraction(digits, 10**-shift)
    return int(mark)


def closed(text: str) -> str:
    """Drop the marks at a text's start that it does not close, or close them at its end."""
    for opening, closing in (("(", ")"), ("{", "}")):
        for _ in range(min(text.count(opening) - text.count(closing), MAX_CHARACTERS)):
            text = text.strip()
            text = text[1:] if text.startswith(opening) else text + closing
    return text
