"""The site's languages: which one a reader gets, and numbers and dates as each writes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache

from babel.core import negotiate_locale
from babel.dates import format_date, format_datetime
from babel.numbers import get_decimal_symbol, get_group_symbol

from palmares.texts import Language

NAMES: dict[Language, str] = {"en": "English", "fr": "Français"}


def choose_language(
    asked: str | None, cookie: str | None, accepted: str | None, offered: Sequence[Language]
) -> Language:
    """Choose a language: the address's, else the cookie's, else the browser's, else the first offered.

    Args:
        asked: Of the query.
        cookie: Kept from an earlier choice.
        accepted: The header ``Accept-Language``.
        offered: The site's.
    """
    for wish in (asked, cookie):
        for language in offered:
            if wish == language:
                return language
    preferred = [part.split(";")[0].strip() for part in (accepted or "").split(",")]
    found = negotiate_locale([one for one in preferred if one], list(offered), sep="-")
    return next((language for language in offered if language == found), offered[0])


def number(value: float | None, language: Language, digits: int = 1) -> str:
    """``41.2`` or ``41,2``; a dash for what is not known."""
    if value is None:
        return "–"
    # Python's own digits with the language's signs: a table of 5,000 rows has 60,000 numbers.
    return f"{round(value, digits) + 0.0:,.{digits}f}".translate(_signs(language))


@cache
def _signs(language: Language) -> dict[int, str]:
    return {ord(","): get_group_symbol(language), ord("."): get_decimal_symbol(language)}


def day(value: datetime | str | None, language: Language) -> str:
    """A date without the time, in UTC."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return "–" if moment is None else format_date(moment.date(), format="medium", locale=language)


def moment(value: datetime | None, language: Language) -> str:
    """A date with time and zone, in UTC."""
    if value is None:
        return "–"
    return f"{format_datetime(value, format='short', tzinfo=None, locale=language)} UTC"
