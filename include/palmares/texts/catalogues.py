"""The message catalogues: a file of each domain for each language, compiled when it is first asked for."""

from __future__ import annotations

import io
from collections.abc import Iterable
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

Language = Literal["en", "fr"]

SOURCE: Final[Language] = "en"
"""The language that the sources are written in; it has no catalogue."""
LANGUAGES: Final[tuple[Language, ...]] = ("en", "fr")
LOCALES: Final = Path(__file__).with_name("locale")


@cache
def translations(language: Language) -> NullTranslations:
    """The messages of all domains in *language*."""
    from babel.messages.mofile import write_mo

    found: NullTranslations = NullTranslations()
    for path in catalogue_paths(language):
        compiled = io.BytesIO()
        write_mo(compiled, read_catalogue(path, language))
        compiled.seek(0)
        one = GNUTranslations(compiled)
        one.add_fallback(found)
        found = one
    return found


def catalogue_paths(language: Language) -> Iterable[Path]:
    """The files of *language*, one a domain, by name."""
    return sorted((LOCALES / language / "LC_MESSAGES").glob("*.po"))


def read_catalogue(path: Path, language: Language) -> Catalog:
    """Parse one file."""
    from babel.messages.pofile import read_po

    with path.open("rb") as file:
        return read_po(file, locale=language, domain=path.stem)


@cache
def decimal_sign(language: Language) -> str:
    """The sign before a number's decimals."""
    from babel.numbers import get_decimal_symbol

    return get_decimal_symbol(language)
