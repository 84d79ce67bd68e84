"""Reads and compares French dates, years and centuries."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from french_answers.policy import GradingPolicy

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("janvier", "janv"), ("fevrier", "fevr"), ("mars",), ("avril", "avr"), ("mai",), ("juin",),
            ("juillet", "juil"), ("aout",), ("septembre", "sept"), ("octobre", "oct"), ("novembre", "nov"),
            ("decembre", "dec"),
        ),
        start=1,
    )
    for name in names
}  # fmt: skip
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_BC = r"(?P<bc>\s*(?:av(?:ant)?\.?\s*(?:j\.?\s*-?\s*c\b\.?|jesus[- ]christ|notre ere|l'ere chretienne)))?"
_AD = r"(?:\s*(?:ap(?:r|res)?\.?\s*(?:j\.?\s*-?\s*c\b\.?|jesus[- ]christ)|de notre ere))?"
_WRITTEN = re.compile(
    rf"(?:(?P<day>\d{{1,2}}|premier"
    rf"|1er)\s*(?:er)?\s+)?(?P<month>{_MONTH})\b\.?(?:\s+(?P<year>-?\d{{1,4}})\b{_BC}{_AD})?"
)
_NUMERIC = re.compile(r"\b(?P<day>\d{1,2})\s*[/.-]\s*(?P<month>\d{1,2})\s*[/.-]\s*(?P<year>\d{4})\b" + _BC)
_ISO = re.compile(r"\b(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})\b" + _BC)
_YEAR = re.compile(rf"(?<![\d.,/])(?P<year>-?\d{{1,4}})\b(?![.,/]\d){_BC}{_AD}")
_CENTURY = re.compile(rf"\b(?P<roman>[ivx]{{1,6}}|\d{{1,2}})\s*(?:e|eme|er|ieme)?\s*(?:siecle|s\.){_BC}{_AD}")
_PERIOD = re.compile(
    r"\b[ivx]{1,6}\s?e(?:r|me)?\b|\b(?:entre|depuis|jusqu|avant|apres|vers|debut|fin|milieu|a partir|ou|et"
    r"|environ|pas|ni|non|annees|dans les)\b|\bdu\b.*\bau\b|\d{4}\s*-\s*\d{2,4}(?!-?\d)"
)
_YEARS = re.compile(r"\b(\d{3,4})\s*(?:-|–|—|a|et|au|jusqu'en|jusqu'a)\s*(\d{2,4})\b")
_YEARS_ALONE = re.compile(r"(?:de |du |entre )?[12]\d{3}\s*(?:-|–|—|à|et|au)\s*(?:[12]\d{3}|\d{2})")
_ORDINAL = re.compile(r"(?P<roman>[ivx]{1,6}|\d{1,2})\s*(?:e|eme|ieme|er)")
_ROMAN = {"i": 1, "v": 5, "x": 10}
_WEEKDAY = re.compile(r"\b(?:lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche)\b")
_ORDINALS = {
    word: number
    for number, word in enumerate(
        (
            "premier", "deuxieme", "troisieme", "quatrieme", "cinquieme", "sixieme", "septieme", "huitieme",
            "neuvieme",
            "dixieme", "onzieme", "douzieme", "treizieme", "quatorzieme", "quinzieme", "seizieme",
            "dix-septieme",
            "dix-huitieme", "dix-neuvieme", "vingtieme", "vingt-et-unieme",
        ),
        start=1,
    )
}  # fmt: skip
_ORDINAL_WORD = re.compile(r"\b(?:" + "|".join(sorted(_ORDINALS, key=len, reverse=True)) + r")\b")
_SUPERSCRIPTS = str.maketrans("ᵉʳᵐ", "erm")


@dataclass(frozen=True, slots=True)
class Date:
    """A date as exact as it was said; None for what was left out. A century is negative before Christ."""

    year: int | None = None
    month: int | None = None
    day: int | None = None
    century: int | None = None


def read_date(text: str, *, lone_year: bool = False) -> Date | None:
    """Read the one date that a statement gives.

    Args:
        text: A statement.
        lone_year: A number alone may be a year.

    Returns:
        None for none, several, or a period.
    """
    folded = fold(text)
    for pattern in (_ISO, _NUMERIC, _CENTURY, _WRITTEN, _YEAR):
        match = pattern.search(folded)
        if match is None:
            continue
        if pattern is _YEAR and not (match["bc"] or lone_year):
            return None
        outside = folded[: match.start()] + " | " + folded[match.end() :]
        if re.search(r"\d", outside) or _PERIOD.search(outside):
            return None
        return _date(match)
    return None


def fold(text: str) -> str:
    """Lower case without accents, spaces made plain."""
    text = text.translate(_SUPERSCRIPTS).casefold().replace("’", "'").replace("‑", "-")
    text = unicodedata.normalize("NFD", text)
    text = "".join(character for character in text if not unicodedata.combining(character))
    if "siecle" in text:
        text = _ORDINAL_WORD.sub(lambda word: f"{_ORDINALS[word.group()]}e", text)
    return re.sub(r"\s+", " ", _WEEKDAY.sub("", text)).strip()


def _date(match: re.Match[str]) -> Date | None:
    found = match.groupdict()
    if found.get("roman"):
        number = int(found["roman"]) if found["roman"].isdigit() else _roman(found["roman"])
        return Date(century=-number if found["bc"] else number) if number else None
    year = int(found["year"]) if found.get("year") else None
    if year is not None and found.get("bc"):
        year = -abs(year)
    month = found.get("month")
    day = found.get("day")
    days = None if day is None else 1 if day in {"premier", "1er"} else int(day)
    months = None if month is None else _MONTHS.get(month) or int(month)
    if (days is not None and not 1 <= days <= 31) or (months is not None and not 1 <= months <= 12):
        return None
    return Date(year=year, month=months, day=days)


def _date_of_century(number: str) -> Date:
    return Date(century=int(number) if number.isdigit() else _roman(number))


def _roman(text: str) -> int:
    values = [_ROMAN[letter] for letter in text]
    return sum(
        -one if one < next_one else one for one, next_one in zip(values, [*values[1:], 0], strict=True)
    )


def is_date(gold: str) -> Date | None:
    """The date that a gold is; a bare number is none."""
    if len(gold) > 60 or not any(character.isdigit() or character in "IVXivx" for character in gold):
        return None
    date = read_date(gold)
    if date is None:
        return None
    rest = fold(gold)
    for pattern in (_ISO, _NUMERIC, _CENTURY, _WRITTEN, _YEAR):
        match = pattern.search(rest)
        if match is not None:
            outside = rest[: match.start()] + rest[match.end() :]
            return date if re.fullmatch(r"[\s,.]*(?:(?:le|en|au|l'an)\s*)?[\s,.]*", outside) else None
    return None


def read_period(text: str) -> tuple[int, int] | None:
    """Read the years of « 1914-1918 », « de 1914 à 1918 », « entre 1914 et 1918 »."""
    folded = fold(text)
    match = _YEARS.search(folded)
    if match is None or re.search(r"\d", folded[: match.start()] + folded[match.end() :]):
        return None
    last = match[2] if len(match[2]) >= 3 else match[1][: -len(match[2])] + match[2]
    return int(match[1]), int(last)


def is_period(gold: str) -> bool:
    """Tell two years with a dash, an « à » or an « et » between them."""
    return _YEARS_ALONE.fullmatch(gold) is not None and read_period(gold) is not None


def same_date(gold: Date, text: str, policy: GradingPolicy) -> bool:
    """Compare; what the gold says must be said, and what is said besides must fit."""
    said = read_date(text, lone_year=True)
    if said is None and gold.century is not None:
        ordinal = _ORDINAL.fullmatch(fold(text))
        said = None if ordinal is None else _date_of_century(ordinal["roman"])
    if said is None:
        return False
    if gold.century is not None or said.century is not None:
        return gold.century == said.century
    for expected, given in ((gold.year, said.year), (gold.month, said.month), (gold.day, said.day)):
        if expected is not None and given is not None and expected != given:
            return False
        if expected is not None and given is None and not policy.partial_date:
            return False
        if expected is None and given is not None and not policy.date_detail:
            return False
    return True
