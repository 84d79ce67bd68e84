"""Every message of the sources is translated, with the values that the source names."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import write_po
from palmares.texts import LANGUAGES
from palmares.texts.catalogues import LOCALES, SOURCE, Language, catalogue_paths, read_catalogue
from palmares.texts.extract import DOMAINS, PACKAGE, MessageId, extracted, update

TRANSLATED: list[Language] = [language for language in LANGUAGES if language != SOURCE]
EVERY = [(language, domain) for language in TRANSLATED for domain in DOMAINS]
_PERCENT_NAME = re.compile(r"%\(\w+\)[a-z]|%[a-z%]")


def catalogue(language: Language, domain: str) -> Catalog:
    return read_catalogue(LOCALES / language / "LC_MESSAGES" / f"{domain}.po", language)


def translations_of(one: Message) -> list[str]:
    """Of the one form, or of each plural form."""
    texts = one.string or ""
    return [texts] if isinstance(texts, str) else list(texts)


def values_named(text: str, *, braces: bool) -> list[str]:
    """What a text names, with formats: ``{size:.1f}``, ``%(count)s``."""
    if not braces:
        return sorted(_PERCENT_NAME.findall(text))
    parsed = string.Formatter().parse(text)
    return sorted(f"{name}:{spec}" for _, name, spec, _ in parsed if name is not None)


@pytest.mark.parametrize(("language", "domain"), EVERY)
def test_a_catalogue_holds_the_messages_of_its_sources_and_no_others(language, domain):
    held = {one.id for one in catalogue(language, domain) if one.id}

    assert held == extracted(domain), "run: make texts"


@pytest.mark.parametrize(("language", "domain"), EVERY)
def test_every_message_is_translated_and_none_is_in_doubt(language, domain):
    found = catalogue(language, domain)
    incomplete = [one.id for one in found if one.id and (one.fuzzy or not all(translations_of(one)))]

    assert incomplete == []
    assert not found.obsolete


@pytest.mark.parametrize(("language", "domain"), EVERY)
def test_a_translation_names_the_values_that_its_message_names(language, domain):
    braces = domain != "site"  # the site's templates name values as %(name)s
    for one in catalogue(language, domain):
        if not one.id:
            continue
        many = one.id if isinstance(one.id, str) else one.id[-1]
        wanted = values_named(many, braces=braces)
        texts = translations_of(one)
        assert values_named(texts[-1], braces=braces) == wanted, one.id
        for text in texts:  # "once" need not name the count
            assert set(values_named(text, braces=braces)) <= set(wanted), one.id


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_message_that_stands_in_two_catalogues_has_one_translation(language):
    known: dict[object, object] = {}
    for path in catalogue_paths(language):
        for one in read_catalogue(path, language):
            if one.id:
                assert known.setdefault(one.id, one.string) == one.string, (path.name, one.id)


def test_every_folder_with_messages_belongs_to_a_domain():
    folders = tuple(str(PACKAGE / folder) for parts in DOMAINS.values() for folder in parts)
    outside = [
        f"{path.relative_to(PACKAGE)}:{call.lineno}"
        for path, call in _calls()
        if not str(path).startswith(folders)
    ]

    assert outside == []


def test_every_message_is_a_constant_that_is_extracted():
    known = {part for domain in DOMAINS for one in extracted(domain) for part in _parts(one)}
    missed = []
    for path, call in _calls():
        sources = call.args[: 2 if isinstance(call.func, ast.Name) and call.func.id == "counted" else 1]
        for one in sources:  # a name is a constant that was marked elsewhere
            if isinstance(one, ast.Name):
                continue
            if not isinstance(one, ast.Constant) or one.value not in known:  # Babel reads no f-strings
                missed.append(f"{path.relative_to(PACKAGE)}:{call.lineno}")

    assert missed == []


def _parts(one: MessageId) -> tuple[str, ...]:
    return (one,) if isinstance(one, str) else one


def _calls() -> list[tuple[Path, ast.Call]]:
    """The calls that make messages; others may have functions of the same names."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        ours = {
            name.name
            for node in nodes
            if isinstance(node, ast.ImportFrom) and node.module == "palmares.texts"
            for name in node.names
        } & {"message", "counted", "marked"}
        found += [
            (path, node)
            for node in nodes
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ours
        ]
    return found


def test_a_new_catalogue_names_what_is_to_be_translated_and_keeps_what_is(tmp_path):
    path = tmp_path / "common.po"
    assert update(path, "common", "fr") == ["{before}; {part}"]
    found = read_catalogue(path, "fr")
    found["{before}; {part}"].string = "{before} ; {part}"
    with path.open("wb") as file:
        write_po(file, found)

    assert update(path, "common", "fr") == []
    assert read_catalogue(path, "fr")["{before}; {part}"].string == "{before} ; {part}"
