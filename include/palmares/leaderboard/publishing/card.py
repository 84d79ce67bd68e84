"""The dataset's card, README.md: our section and our part of its header; what a person wrote stays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

BEGIN = "<!-- palmares:begin · written by the leaderboard, edits below are overwritten -->"
END = "<!-- palmares:end · écrit par le classement, ce qui précède est remplacé -->"
_SECTION = re.compile(r"<!-- palmares:begin\b[^>]*-->.*?<!-- palmares:end\b[^>]*-->", re.DOTALL)
_HEADER = re.compile(
    r"\A(?:\ufeff)?---[ \t]*\r?\n(?P<yaml>.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE
)
CARD_PATH = "README.md"


def edit_card(current: bytes | None, changes: Mapping[str, Any]) -> bytes:
    """Put our section into a card, least change: nothing outside our marks is touched.

    The header keeps a person's keys, and its very bytes if it says already what ours needs. Without marks,
    the section goes to the end.

    Args:
        current: The card as it is; None: there is none.
        changes: ``section`` (Markdown), ``config`` (an entry of the header's ``configs``), and ``defaults``
            (keys of the header that are set where they are missing).
    """
    text = "" if current is None else current.decode("utf-8", "surrogateescape")
    header, body = _parted(text)
    section = f"{BEGIN}\n{changes['section'].strip()}\n{END}"
    if _SECTION.search(body):
        # The replacement is a function: a text may hold what re.sub would read as a reference.
        body = _SECTION.sub(lambda _: section, body, count=1)
    elif body.strip():
        body = f"{body.rstrip()}\n\n{section}\n"
    else:
        body = f"\n{section}\n"
    written = _header(header, config=changes["config"], defaults=changes["defaults"])
    return (written + body).encode("utf-8", "surrogateescape")


def _parted(text: str) -> tuple[str, str]:
    """The header with its lines of dashes, and the body."""
    found = _HEADER.match(text)
    return (found[0], text[found.end() :]) if found else ("", text)


def _header(header: str, *, config: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    import yaml

    found = _HEADER.match(header)
    try:
        held = yaml.safe_load(found["yaml"]) if found else {}
    except yaml.YAMLError:
        held = None
    if held is None and found and found["yaml"].strip():
        return header  # a person's header that is no YAML: the Hub says so where they see it
    data = dict(held) if isinstance(held, dict) else {}
    configs = data.get("configs")
    others = (
        [one for one in configs if _name(one) != config["config_name"]] if isinstance(configs, list) else []
    )
    present = (
        [one for one in configs if _name(one) == config["config_name"]] if isinstance(configs, list) else []
    )
    wanted = {name: value for name, value in defaults.items() if name not in data}
    if found and present == [dict(config)] and not wanted:
        return header
    # In the order of names: what comes by way of the database has lost its own.
    data |= dict(sorted(wanted.items()))
    data["configs"] = [dict(sorted(config.items())), *others]
    text: str = yaml.safe_dump(data, allow_unicode=True, sort_keys=False)
    return f"---\n{text}---\n"


def _name(config: object) -> object:
    return config.get("config_name") if isinstance(config, dict) else None
