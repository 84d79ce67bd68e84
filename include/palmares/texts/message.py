"""A sentence with named values, which is written out in a language when it is shown or stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TypeAlias

from palmares.texts.catalogues import SOURCE, Language, decimal_sign, translations

Value: TypeAlias = "str | int | float | Message"


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence of the catalogues, and its values; see :func:`message` and :func:`counted`."""

    source: str
    """English, with the values' names in braces."""
    values: Mapping[str, Value]
    """By name; a message among them is written in the same language, a float with its decimal sign."""
    plural: str | None = None
    """English for a count other than 1; None: the sentence does not depend on a count."""

    def text(self, language: Language) -> str:
        """Write it out; a sentence that the catalogues lack stays English.

        Raises:
            KeyError: A value that the sentence names is missing.
        """
        shown = {name: _shown(value, language) for name, value in self.values.items()}
        return self._template(language).format_map(shown)

    @property
    def en(self) -> str:
        return self.text("en")

    @property
    def fr(self) -> str:
        return self.text("fr")

    def _template(self, language: Language) -> str:
        if self.plural is None:
            return self.source if language == SOURCE else translations(language).gettext(self.source)
        count = self.values["n"]
        assert isinstance(count, int | float)
        if language == SOURCE:
            return self.source if count == 1 else self.plural
        # gettext counts in whole numbers; 1.5 is singular where 1 is, as French has it.
        return translations(language).ngettext(self.source, self.plural, int(abs(count)))


def marked(source: str) -> str:
    """Mark *source* for the catalogues; it is translated where it is shown."""
    return source


def message(source: str, /, **values: Value) -> Message:
    """A sentence of the catalogues.

    Args:
        source: English, a constant: braces name values, with a format as in :meth:`str.format`.
        values: What the braces name.
    """
    return Message(source, values)


def counted(one: str, many: str, n: float, /, **values: Value) -> Message:
    """A sentence that depends on a count, which it names ``{n}``.

    Args:
        one: English for a count of 1, a constant.
        many: English for any other count, a constant.
        n: The count.
        values: Further values.
    """
    return Message(one, {"n": n, **values}, many)


def listed(parts: Iterable[Message]) -> Message:
    """Join sentences' parts with semicolons.

    Args:
        parts: At least one.
    """
    return reduce(lambda before, part: message("{before}; {part}", before=before, part=part), parts)


def formatted(value: float, spec: str, language: Language) -> str:
    """*value* as :func:`format` writes it, with the language's decimal sign."""
    return format(_Number(value, decimal_sign(language)), spec)


@dataclass(frozen=True, slots=True)
class _Number:
    """A number that takes its language's decimal sign when it is formatted."""

    value: float
    sign: str

    def __format__(self, spec: str) -> str:
        return format(self.value, spec).replace(".", self.sign)


def _shown(value: Value, language: Language) -> object:
    if isinstance(value, Message):
        return value.text(language)
    if isinstance(value, float) and language != SOURCE:
        return _Number(value, decimal_sign(language))
    return value
