"""Brings the catalogues up to date with the sources: ``python -m palmares.texts.extract``.

New messages are added without a translation, those that are gone are dropped, translations are kept.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import write_po

from palmares.texts.catalogues import LANGUAGES, LOCALES, SOURCE, Language, read_catalogue

PACKAGE: Final = Path(__file__).parents[1]
DOMAINS: Final[Mapping[str, tuple[str, ...]]] = {
    "common": ("texts",),
    "outcomes": ("leaderboard/outcomes",),
    "planning": ("leaderboard/planning", "cli/planning"),
    "publishing": ("leaderboard/publishing",),
    "site": ("site",),
    "submissions": ("leaderboard/submissions", "steps/requests"),
}
"""The folders whose messages a catalogue holds, below the package ``palmares``."""
_IN_PYTHON: Final = {
    "message": None,
    "marked": None,
    "counted": (1, 2),
    "gettext": None,
    "ngettext": (1, 2),
    "_": None,
}
_IN_TEMPLATES: Final = {"_": None, "gettext": None, "ngettext": (1, 2)}

MessageId = str | tuple[str, str]
"""The English; of a message with a count, for 1 and for other counts."""


def extracted(domain: str) -> set[MessageId]:
    """The messages that the sources of *domain* hold."""
    found: set[MessageId] = set()
    for folder in DOMAINS[domain]:
        for path in sorted((PACKAGE / folder).rglob("*")):
            if path.suffix == ".py":
                found |= set(_messages("python", path, _IN_PYTHON))
            elif path.suffix in {".html", ".xml"}:
                found |= set(_messages("jinja2.ext:babel_extract", path, _IN_TEMPLATES))
    return found


def _messages(method: str, path: Path, keywords: Mapping[str, tuple[int, int] | None]) -> Iterable[MessageId]:
    options = {"trimmed": "true", "silent": "false"} if method != "python" else {}
    for _, message, _, _ in extract_from_file(method, path, keywords=keywords, options=options):
        yield message if isinstance(message, str) else (message[0], message[1])


def update(path: Path, domain: str, language: Language) -> list[MessageId]:
    """Rewrite one catalogue; return what it does not translate yet.

    Args:
        path: Its file; made if it is missing.
        domain: A key of `DOMAINS`.
        language: Its code.
    """
    old = read_catalogue(path, language) if path.exists() else Catalog(locale=language, domain=domain)
    new = Catalog(
        locale=language,
        domain=domain,
        project="palmares",
        version="1",
        header_comment=f"# Messages of the domain {domain}.",
        creation_date=old.creation_date if path.exists() else None,
        fuzzy=False,
    )
    untranslated = []
    for one in sorted(extracted(domain), key=str):
        known = old.get(one)
        if known is None or not known.string:
            untranslated.append(one)
        new.add(one, known.string if known is not None else None, flags=known.flags if known else ())
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, new, width=0, omit_header=False, no_location=True)
    return untranslated


def main() -> int:
    """Update every catalogue of every language, and say what is to be translated."""
    missing = 0
    for language in LANGUAGES:
        if language == SOURCE:
            continue
        for domain in DOMAINS:
            path = LOCALES / language / "LC_MESSAGES" / f"{domain}.po"
            for one in update(path, domain, language):
                missing += 1
                print(f"{path.relative_to(PACKAGE)}: not translated: {one!r}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
