"""Writes HTML, LaTeX environments, JSON, siunitx and decorations in the one way that is read later."""

from __future__ import annotations

import html
import re

_RAISED = re.compile(r"<sup>\s*(.*?)\s*</sup>", re.IGNORECASE | re.DOTALL)
_LOWERED = re.compile(r"<sub>\s*(.*?)\s*</sub>", re.IGNORECASE | re.DOTALL)
_BREAK = re.compile(
    r"<(?:br|/?p|/?div|/?li|/?ul|/?ol|/?h\d|/?tr|/?table"
    r"|hr)(?:\s[^<>]{0,200})?/?>",
    re.IGNORECASE,
)
_TAG = re.compile(
    r"</?(?:b|i|u|em|strong|span|font|mark|code|pre|center|small|big|td|th|tbody|thead|html|body"
    r"|section|details"
    r"|summary|blockquote|final|final_answer|result|solution|output|response)(?:\s[^<>]{0,200})?/?>",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#x?[0-9a-fA-F]{1,6});")
_ORDINAL = re.compile(r"[a-zà-ÿ]{1,4}", re.IGNORECASE)
_DISPLAY = re.compile(
    r"(?:\$\$|\\\[)?\s*\\begin\{(?P<name>equation|gather|gathered|multline|displaymath|math|eqnarray"
    r"|align|aligned"
    r"|alignat|alignedat|split|flalign)\*?\}(?:\{\d\})?(?P<body>.*?)\\end\{(?P=name)\*?\}\s*(?:\$\$|\\\])?",
    re.DOTALL,
)
_FRAME = re.compile(
    r"\\(?:begin|end)\{(?:center|document|flushleft|flushright|quote|proof|solution|itemize"
    r"|enumerate|reponse|answer"
    r"|tcolorbox|framed|minipage)\}(?:\[[^\]]{0,40}\]|\{[^}]{0,40}\})*"
)
_ITEM = re.compile(r"\\item(?:\[[^\]]{0,20}\])?\s*")
_ROW = re.compile(r"\\\\(?:\[[^\]\n]{0,12}\])?")
_ROW_SPACING = re.compile(r"\\\\\[\s*-?[\d.]+\s*(?:pt|em|ex|mm|cm)\s*\]")
_ARRAY = re.compile(
    r"(?:\\left\s*)?(?P<open>[(\[])\s*\\begin\{array\}\{[^}]{0,12}\}(?P<body>.*?)\\end\{array\}"
    r"\s*(?:\\right\s*)?[)\]]",
    re.DOTALL,
)
_SPACES = (
    r"(?:\\[,;:! ]|(?<!\\)~|\\q?quad(?![A-Za-z])|\\(?:thin|en)space(?![A-Za-z])"
    r"|\\[hv]space\*?\{[^}]{0,12}\})"
)
_SPACE_BEFORE_END = re.compile(rf"(?:\s?{_SPACES}){{1,6}}\s?(?=[.,;]?\s*(?:\$|\}}|\\\)|\\\]|\n|$))")
_SPACE_AFTER_START = re.compile(rf"(?<=[{{$])(?:\s?{_SPACES}){{1,6}}\s?")
_QUANTITY = re.compile(r"\\(?:SI|qty|unit)\s*(?:\[[^\]]{0,40}\])?\{([^{}]{1,40})\}\s*\{([^{}]{0,60})\}")
_NUMBER = re.compile(r"\\(?:num|ang)\s*(?:\[[^\]]{0,40}\])?\{([^{}]{1,40})\}")
_UNIT_MACROS = {
    "metre": "m", "meter": "m", "second": "s", "gram": "g", "kilogram": "kg", "ampere": "A", "kelvin": "K",
    "mole": "mol", "newton": "N", "joule": "J", "watt": "W", "volt": "V", "ohm": "Ω", "hertz": "Hz",
    "pascal": "Pa", "litre": "L", "liter": "L", "hour": "h", "minute": "min", "celsius": "°C", "degree": "°",
    "percent": "%", "euro": "€", "kilo": "k", "centi": "c", "milli": "m", "micro": "µ", "nano": "n",
    "mega": "M", "giga": "G", "per": "/", "squared": "^2", "cubed": "^3", "square": "", "cubic": "",
}  # fmt: skip
_MACRO = re.compile(r"\\([a-z]+)")
_STYLED = re.compile(
    r"\\(?:underline|emph|textcolor\{[^{}]{1,20}\}|colorbox\{[^{}]{1,20}\}|uline|textsf|texttt"
    r"|textsc|ensuremath"
    r"|underbrace|mathbf|mathbb(?=\{\d)|bm|boldsymbol|displaystyle(?=\{)|textbf|textit|centerline"
    r"|framebox|cancel(?=\{\}))"
    r"\s*\{([^{}]*)\}"
)
_DECORATION = re.compile(
    r"\\(?:color\{[^{}]{1,20}\}|(?:large|Large|LARGE|huge|bf|bfseries|it"
    r"|normalsize|noindent|medskip|bigskip|smallskip|newline|par|displaystyle|limits)(?![A-Za-z]))"
)
_END_MARK = re.compile(
    r"(?:\s|\$)*(?:\\end\{document\}|\$?\\(?:square|blacksquare|qed|qedhere|Box"
    r"|checkmark)(?![A-Za-z])\$?|C\.?Q\.?F\.?D\.?|Q\.E\.D\.?"
    r"|[□■∎▪◼◻])(?:\s|\$|\.)*(?=$|\n)"
)
_PICTURE = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u2794\u2798-\u27bf\u2b50\u2b55\u2b05-\u2b07\ufe0f\u20e3\u200d]+"
)
_WIDE = str.maketrans(
    {"。": ".", "．": ".", "，": ", ", "：": " : ", "；": " ; ", "！": "!", "？": "?", "（": "(", "）": ")"}
)
_JSON_KEY = re.compile(
    r"[\"'](?:r[ée]ponse|answer|final[_ ]?answer|r[ée]ponse[_ ]?finale|r[ée]sultat|result|solution"
    r"|output|conclusion"
    r"|choix|choice|lettre)[\"']\s*:\s*(?:\"((?:[^\"\\]|\\.)*)\"|'([^'\n]*)'|(\[[^\]\n]*\]|[^\s,}\]\"']+))",
    re.IGNORECASE,
)
_JSON_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_CROSSED_OUT = re.compile(r"(?:[^\s]\u0336+)+")
_STRUCK = re.compile(r"~~[^~\n]{1,200}~~")
_TABLE_RULE = re.compile(r"^\s*\|?\s*:?-{3,}[-:|\s]*$", re.MULTILINE)


_MONTHS = {
    "january": "janvier", "february": "février", "march": "mars", "april": "avril", "may": "mai",
    "june": "juin", "july": "juillet", "august": "août", "september": "septembre", "october": "octobre",
    "november": "novembre", "december": "décembre",
}  # fmt: skip
_ENGLISH_DATE = re.compile(
    rf"\b(?P<month>{'|'.join(_MONTHS)})\s+(?P<day>\d{{1,2}})(?:st|nd|rd"
    rf"|th)?(?:,?\s+(?P<year>\d{{4}}))?\b",
    re.IGNORECASE,
)
_ENGLISH_CENTURY = re.compile(r"\b(\d{1,2})(?:st|nd|rd|th) century\b", re.IGNORECASE)


def _french_date(found: re.Match[str]) -> str:
    return f"{found['day']} {_MONTHS[found['month'].casefold()]} {found['year'] or ''}".strip()


def plain(text: str) -> str:
    """Rewrite a generation; linear in its length. Plain text comes back as it is."""
    if text.lstrip()[:1] in "{[`" and ("}" in text or "]" in text):
        text = _json_answer(text)
    if "<" in text:
        text = _without_html(text)
    if "&" in text:
        text = _ENTITY.sub(lambda entity: html.unescape(entity.group()), text)
    if "\\" in text or "~" in text:
        text = _plain_latex(text)
    if not text.isascii():
        if "\u0336" in text:
            text = _CROSSED_OUT.sub("", text)
        text = _PICTURE.sub(" ", text).translate(_WIDE)
    text = starred_sets(text)
    if "~~" in text:
        text = _STRUCK.sub("", text)
    if "|" in text:
        text = _TABLE_RULE.sub("", text)
    if ("," in text and _ENGLISH_DATE.search(text)) or "century" in text or "th of" in text:
        text = _ENGLISH_DATE.sub(_french_date, text)
        text = _ENGLISH_CENTURY.sub(r"\1e siècle", text)
    return _END_MARK.sub("", text).strip()


_STAR = r"\{?\s*(?:\*|\\ast|\\star)\s*\}?"
_POSITIVE_REALS = re.compile(
    rf"(?:\\mathbb\s*\{{?\s*R\s*\}}?|ℝ)(?:_\{{?\+\}}?\s*\^\s*{_STAR}|\^{_STAR}_\{{?\+\}}?"
    r"|\^\{\s*(?:\*\+|\+\*)\s*\}|\*\+|\*₊|₊\*)"
)
_STARRED = re.compile(rf"(?:\\mathbb\s*\{{?\s*([RNZQC])\s*\}}?|([ℝℕℤℚℂ]))\s*(?:\^\s*{_STAR}|\*(?!\*))")


def starred_sets(text: str) -> str:
    """Write ``ℝ*`` as ``ℝ∖{0}``, and so on."""
    if "ℝ" not in text and "mathbb" not in text and "ℕ" not in text and "ℤ" not in text:
        return text
    text = _POSITIVE_REALS.sub("]0;+∞[", text)
    return _STARRED.sub(lambda found: f"{_LETTER_SETS.get(found[1], found[2])}∖{{0}}", text)


_LETTER_SETS = {"R": "ℝ", "N": "ℕ", "Z": "ℤ", "Q": "ℚ", "C": "ℂ"}


def _without_html(text: str) -> str:
    text = _RAISED.sub(lambda found: found[1] if _ORDINAL.fullmatch(found[1]) else f"^{{{found[1]}}}", text)
    text = _LOWERED.sub(lambda found: f"_{{{found[1]}}}", text)
    return _TAG.sub("", _BREAK.sub("\n", text))


def _plain_latex(text: str) -> str:
    if "\\begin" in text or "\\end" in text:
        text = _ARRAY.sub(r"\\begin{pmatrix}\g<body>\\end{pmatrix}", text)
        text = _ROW_SPACING.sub(r"\\\\", text)
        text = _DISPLAY.sub(_rows, text)
        text = _FRAME.sub("\n", text)
    if "\\item" in text:
        text = _ITEM.sub("\n- ", text)
    text = _QUANTITY.sub(lambda found: f"{found[1]} {_unit(found[2])}", text)
    text = _NUMBER.sub(r"\1", text)
    text = (
        text.replace("\\euro{}", "€")
        .replace("\\%", "%")
        .replace("\\degres", "°")
        .replace("\\displaystyle", "")
    )
    for _ in range(3):
        shorter = _STYLED.sub(r"\1", text)
        if shorter == text:
            break
        text = shorter
    text = _DECORATION.sub("", text)
    text = _SPACE_AFTER_START.sub("", text)
    return _SPACE_BEFORE_END.sub("", text)


_GOES_ON = ("=", "≈", "\\approx", "\\iff", "\\Leftrightarrow", "\\simeq")


def _rows(found: re.Match[str]) -> str:
    """A display's rows as displays of their own; one that goes on with « = » belongs to the row before."""
    body = found["body"]
    if "\\begin" in body:
        return f"\n$${' '.join(body.replace('&=', '=').split())}$$\n"
    rows: list[str] = []
    for row in _ROW.split(body):
        row = " ".join(row.replace("&", " ").split())
        if not row:
            continue
        if rows and row.startswith(_GOES_ON):
            rows[-1] = f"{rows[-1]} {row}"
        else:
            rows.append(row)
    return "\n" + "\n".join(f"$${row}$$" for row in rows) + "\n"


def _unit(text: str) -> str:
    return _MACRO.sub(lambda macro: _UNIT_MACROS.get(macro[1], macro[1]), text)


def _json_answer(text: str) -> str:
    """The answer's field of a JSON object, as an announcement."""
    *_, found = [None, *_JSON_KEY.finditer(text[-4000:])]
    if found is None:
        return text
    value = next(group for group in found.groups() if group is not None)
    value = _JSON_ESCAPE.sub(lambda code: chr(int(code[1], 16)), value)
    value = value.replace('\\"', '"').replace("\\\\", "\\")
    return f"Réponse : {value.strip('[]')}"
