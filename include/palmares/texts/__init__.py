"""Sentences for people: English in the sources, other languages in catalogues."""

from __future__ import annotations

from palmares.texts.catalogues import LANGUAGES, Language, translations
from palmares.texts.message import Message, counted, formatted, listed, marked, message
from palmares.texts.typography import typeset

__all__ = [
    "LANGUAGES",
    "Language",
    "Message",
    "counted",
    "formatted",
    "listed",
    "marked",
    "message",
    "translations",
    "typeset",
]
