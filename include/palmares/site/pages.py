"""Renders the templates in a language."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from palmares.site import i18n
from palmares.site.settings import SiteSettings
from palmares.texts import Language, translations, typeset

_HERE = Path(__file__).parent
CONTENT = _HERE / "content"


def quoted(path: str) -> str:
    """*path* for an address: slashes stay."""
    return quote(path, safe="/")


@cache
def environment(language: Language) -> Environment:
    """The templates with the messages and formats of *language*."""
    # Chosen by hand: XML templates escape too.
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_translations(translations(language), newstyle=False)  # type: ignore[attr-defined]
    made.filters.update(
        number=lambda value, digits=1: i18n.number(value, language, digits),
        day=lambda value: i18n.day(value, language),
        moment=lambda value: i18n.moment(value, language),
        path=quoted,
        typeset=lambda text: typeset(text, language),
    )
    made.globals.update(language=language, language_names=i18n.NAMES, prose=prose)
    return made


def render(
    settings: SiteSettings, name: str, language: Language, *, base: str, path: str, **values: Any
) -> str:
    """Render a template.

    Args:
        settings: The site's.
        name: File in ``templates/``.
        language: Of messages and numbers.
        base: Public address of the site, without a slash at the end.
        path: Of the page, for links to its other languages.
        values: What the template needs.
    """
    template = environment(language).get_template(name)
    return template.render(settings=settings, base=base, path=path, urlencode=urlencode, **values)


@cache
def prose(language: Language, name: str) -> Markup:
    """A text of ``content/``, as HTML; raw HTML in it is shown as text.

    Raises:
        FileNotFoundError: There is no such text in this language.
    """
    text = (CONTENT / language / f"{name}.md").read_text(encoding="utf-8")
    made = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return Markup(made)  # noqa: S704 - our own files, rendered without HTML
