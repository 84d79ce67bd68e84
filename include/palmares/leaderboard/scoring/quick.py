"""Decides the commonest pairs of values at once: both written in a plain form.

Only a shortcut: what it decides, `values.compare_values` decides alike, by
parsing. Every comparison is exact.
"""

from __future__ import annotations

import re
from math import gcd, isqrt

MAX_CHARACTERS = 64
MAX_EXPONENT = 60
_N = r"[+-]?\d{1,15}(?:[.,]\d{1,15})?"
_END = rf"(?:{_N}|[+-]?∞)"
_SIGNS = str.maketrans(
    {
        "−": "-", "\u202f": " ", "\u00a0": " ", "\u2009": " ", "×": "*", "·": "*", "⋅": "*", "π": "\\pi",
        "√": "\\sqrt",
    }
)  # fmt: skip
_RAISED = re.compile("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_RAISED_DIGITS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
_NOISE = re.compile(
    r"\$|\\left(?![A-Za-z])|\\right(?![A-Za-z])|\\[,;! ]|(?<!\d)\s+|\s+(?!\d)|(?<=\d)\s(?=\d{3}(?!\d))"
    r"|\{(?=,\})|(?<=\{,)\}"
)
_SYNONYMS = (
    ("\\infty", "∞"), ("\\times", "*"), ("\\cdot", "*"), ("\\dfrac", "\\frac"), ("\\tfrac", "\\frac"),
    ("^\\circ", "°"), ("^{\\circ}", "°"), ("\\%", "%"), ("\\approx", "≈"), ("\\ln", "ln"), ("\\in ", "∈"),
)  # fmt: skip
_WORDS = (("degrés", "°"), ("pour cent", "%"), ("environ ", "≈"), ("sqrt(", "\\sqrt("))
_NUMBER = re.compile(_N)
_LABEL = re.compile(r"(?:[a-zA-Z]|P\([A-Z]\)|f\(x\))=|x∈|≈")
_FRACTION = re.compile(r"([+-]?)(?:(\d{1,15})/(\d{1,15})|\\frac\{(\d{1,15})\}\{(\d{1,15})\})")
_SCIENTIFIC = re.compile(rf"({_N})(?:[*x]10\^\{{?([+-]?\d{{1,2}})\}}?|[eE]([+-]?\d{{1,2}}))")
_ROOT = re.compile(r"([+-]?\d{0,9})\*?\\sqrt(?:\{(\d{1,15})\}|\((\d{1,15})\)|(\d{1,15}))")
_PI = re.compile(
    r"([+-]?\d{0,9})\*?(?:\\pi|pi)(?:/(\d{1,9}))?|([+-]?)\\frac\{(\d{0,9})(?:\\pi|pi)\}\{(\d{1,9})\}"
)
_LN = re.compile(r"(-?)ln(?:\((\d{1,15})\)|(\d{1,15}))")
_POWER = re.compile(r"([+-]?\d{0,9})\*?([a-hj-z])(?:\^(?:\{(\d{1,9})\}|(\d{1,9})))?")
_QUANTITY = re.compile(rf"({_N})([A-Za-z€$][A-Za-z0-9€/*.^{{}}-]{{0,11}})")
_UNITS = {
    spelling: unit
    for unit, spellings in {
        "m": ("m", "mètres"), "cm": ("cm",), "km": ("km",), "mm": ("mm",), "kg": ("kg",), "g": ("g",),
        "s": ("s",),
        "cm2": ("cm^2", "cm^{2}"), "m2": ("m^2", "m^{2}"), "cm3": ("cm^3", "cm^{3}"), "m3": ("m^3", "m^{3}"),
        "km/h": ("km/h", "km.h^-1", "km*h^-1", "km.h^{-1}"), "m/s": ("m/s", "m.s^-1", "m*s^-1", "m.s^{-1}"),
        "m/s2": ("m/s^2", "m/s^{2}", "m.s^-2", "m*s^-2", "m.s^{-2}"), "euro": ("€", "euros", "euro"),
    }.items()
    for spelling in spellings
}  # fmt: skip
"""Units of length, mass, time, speed and money; other spellings are read by the parser."""
_INTERVAL = re.compile(rf"([\[\]])({_END});({_END})([\[\]])")
_TUPLE = re.compile(rf"[A-Z]?\(({_N});({_N})(?:;({_N}))?\)")
_COLUMN = re.compile(rf"\\begin\{{pmatrix\}}({_N})\\\\({_N})(?:\\\\({_N}))?\\end\{{pmatrix\}}")
_SET = re.compile(rf"(?:S=)?\\?\{{({_N}(?:;{_N}){{0,7}})\\?\}}")
_LIST = re.compile(rf"(?:x=)?({_N})(?:;|et|ou)(?:x=)?({_N})(?:(?:;|et|ou)(?:x=)?({_N}))?")
_AFFINE = re.compile(r"(?:y=)?([+-]?\d{0,15})\*?x([+-]\d{1,15})?|(?:y=)?([+-]?\d{1,15})([+-]\d{0,15})\*?x")
_COMPLEX = re.compile(r"([+-]?\d{1,15})([+-]\d{0,15})i|([+-]?\d{0,15})i([+-]\d{1,15})")
_SPOKEN = {"zéro": "0", "zero": "0", "Zéro": "0", "plus l'infini": "+∞", "moins l'infini": "-∞"}
_IRRATIONAL = frozenset({"pi", "ln", "power", "infinity", "affine"})
"""Kinds of which no value, as read here, is rational: a multiple of π is not 0, a logarithm not of 1."""

Value = tuple[object, ...]


def decide(gold: str, text: str, *, asked: bool = False) -> bool | None:
    """Decide a pair in plain forms.

    Args:
        gold: Expected value.
        text: Statement.
        asked: An instruction asks for a form or a precision: then only unequal numbers are decided.

    Returns:
        None for anything else, and where the kinds of the two leave it open.
    """
    if len(gold) > MAX_CHARACTERS or len(text) > MAX_CHARACTERS:
        return None
    if not asked and _NUMBER.fullmatch(gold) and _NUMBER.fullmatch(text):
        return gold == text or _decimal(gold) == _decimal(text)
    gold, text = _plain(gold), _plain(text)
    if gold == text and gold:
        return None if asked else True
    expected = _read(gold) if gold else None
    if expected is None:
        return None
    if "=" not in gold or "S=" in gold:
        label = _LABEL.match(text)
        text = text if label is None or text.startswith("S=") else text[label.end() :]
    given = _read(text) if text else None
    if given is None:
        return None
    if asked and not (expected[0] == given[0] == "number"):
        return None
    equal = _equal(expected, given)
    return None if asked and equal else equal


def _equal(expected: Value, given: Value) -> bool | None:
    kinds = (expected[0], given[0])
    if kinds == ("set", "list"):
        return expected[1] == given[1]
    if kinds == ("number", "list"):
        return False
    if kinds == ("number", "quantity"):  # The unit that the expected answer leaves out does not count.
        return expected[1:] == given[2:]
    if kinds == ("quantity", "quantity") and expected[1] != given[1]:
        return None
    if kinds in {("power", "affine"), ("affine", "power")}:
        return False
    if "number" in kinds and (expected[0] in _IRRATIONAL or given[0] in _IRRATIONAL):
        return False
    if kinds[0] != kinds[1] or kinds[0] == "list":
        return None
    if kinds[0] == "tuple" and not (expected[1] and given[1]):
        return expected[2:] == given[2:]
    return expected == given


def _plain(text: str) -> str:
    if not text.isascii():
        text = text.translate(_SIGNS)
        if not text.isascii():
            text = _RAISED.sub(lambda run: "^" + run.group().translate(_RAISED_DIGITS), text)
    text = _SPOKEN.get(text, text)
    if text.isalnum():
        return text
    if "\\" in text:
        for mark, plain in _SYNONYMS:
            if mark in text:
                text = text.replace(mark, plain)
    if " " in text or "(" in text or "é" in text:
        for mark, plain in _WORDS:
            if mark in text:
                text = text.replace(mark, plain)
        if ", " in text:
            text = text.replace(", ", ";" if text[:1] == "(" else "…")
    return _NOISE.sub("", text)


def _read(text: str) -> Value | None:
    if _NUMBER.fullmatch(text):
        return ("number", *_decimal(text))
    if ";" in text or "matrix" in text or "et" in text or "ou" in text:
        return _members(text)
    last = text[-1:]
    if last == "%" or last == "°":
        return (last, _reduced(text[:-1])) if _NUMBER.fullmatch(text[:-1]) else None
    if last == "∞":
        return ("infinity", text[0] != "-") if len(text) == 1 or text in {"+∞", "-∞"} else None
    if "sqrt" in text:
        return _root(text)
    if "pi" in text:
        return _pi(text)
    if "ln" in text:
        match = _LN.fullmatch(text)
        argument = int(match[2] or match[3]) if match is not None else 0
        return ("ln", match[1], argument) if match is not None and argument > 1 else None
    if ("/" in text and text[-1:].isdigit() and "^" not in text) or "frac" in text:
        return _fraction(text)
    quantity = _QUANTITY.fullmatch(text) if text[0] in "+-0123456789" else None
    if quantity is not None and quantity[2] in _UNITS:
        return ("quantity", _UNITS[quantity[2]], *_decimal(quantity[1]))
    if "10^" in text or "e" in text or "E" in text:
        number = _scientific(text)
        if number is not None:
            return number
    if "^" not in text and "x" in text:
        return _affine(text)
    if "i" in text:
        return _complex(text)
    match = _POWER.fullmatch(text)
    factor = _coefficient(match[1]) if match is not None else 0
    return (
        ("power", factor, match[2], int(match[3] or match[4] or 1)) if match is not None and factor else None
    )


def _members(text: str) -> Value | None:
    match = _INTERVAL.fullmatch(text)
    if match is not None:
        return ("interval", match[1], _bound(match[2]), _bound(match[3]), match[4])
    match = _TUPLE.fullmatch(text) or _COLUMN.fullmatch(text)
    if match is not None:
        return (
            "tuple",
            text[0] if text[0].isupper() else "",
            *(_reduced(part) for part in match.groups() if part),
        )
    match = _SET.fullmatch(text)
    if match is not None:
        return ("set", frozenset(_reduced(part) for part in match[1].split(";")))
    match = _LIST.fullmatch(text)
    if match is not None:
        members = frozenset(_reduced(part) for part in match.groups() if part)
        return ("list", members) if len(members) > 1 else None
    return None


def _fraction(text: str) -> Value | None:
    match = _FRACTION.fullmatch(text)
    if match is None:
        return None
    top, bottom = int(match[2] or match[4]), int(match[3] or match[5])
    return ("number", *_ratio(-top if match[1] == "-" else top, bottom)) if bottom else None


def _root(text: str) -> Value | None:
    match = _ROOT.fullmatch(text)
    if match is None:
        return None
    factor, radicand = _coefficient(match[1]), int(match[2] or match[3] or match[4])
    square = factor * factor * radicand
    if isqrt(square) ** 2 == square:
        return ("number", isqrt(square) if factor > 0 else -isqrt(square), 1)
    return ("root", factor > 0, square)


def _pi(text: str) -> Value | None:
    match = _PI.fullmatch(text)
    if match is None:
        return None
    if match[5]:
        top, bottom = _coefficient(match[3] + match[4]), int(match[5])
    else:
        top, bottom = _coefficient(match[1]), int(match[2] or 1)
    if not top or not bottom:
        return None
    return ("pi", *_ratio(top, bottom))


def _ratio(top: int, bottom: int) -> tuple[int, int]:
    divisor = gcd(top, bottom)
    return top // divisor, bottom // divisor


def _scientific(text: str) -> Value | None:
    match = _SCIENTIFIC.fullmatch(text)
    if match is None:
        return None
    top, bottom = _decimal(match[1])
    exponent = int(match[2] or match[3])
    if abs(exponent) > MAX_EXPONENT:
        return None
    scale = 10 ** abs(exponent)
    return ("number", *(_ratio(top * scale, bottom) if exponent >= 0 else _ratio(top, bottom * scale)))


def _affine(text: str) -> Value | None:
    match = _AFFINE.fullmatch(text)
    if match is None:
        return None
    slope, constant = (match[1], match[2]) if match[1] is not None else (match[4], match[3])
    factor = _coefficient(slope)
    return ("affine", text.startswith("y="), factor, int(constant or 0)) if factor else None


def _complex(text: str) -> Value | None:
    match = _COMPLEX.fullmatch(text)
    if match is None:
        return None
    real, imaginary = (match[1], match[2]) if match[1] is not None else (match[4], match[3])
    return ("complex", int(real), _coefficient(imaginary))


def _coefficient(text: str) -> int:
    return int(text + "1") if text in {"", "+", "-"} else int(text)


def _decimal(text: str) -> tuple[int, int]:
    whole, mark, decimals = text.replace(",", ".").partition(".")
    return _ratio(int(whole + decimals), 10 ** len(decimals)) if mark else (int(whole), 1)


def _reduced(text: str) -> str | int:
    """An integer, or a decimal without the zeros at its end as a canonical text."""
    whole, _, decimals = text.replace(",", ".").partition(".")
    decimals = decimals.rstrip("0")
    if not decimals:
        return int(whole)
    sign = "-" if whole[:1] == "-" else ""
    return f"{sign}{int(whole.lstrip('+-'))}.{decimals}"


def _bound(text: str) -> str | int:
    if text[-1] == "∞":
        return "-∞" if text[0] == "-" else "+∞"
    return _reduced(text)
