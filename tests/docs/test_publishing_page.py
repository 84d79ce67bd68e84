"""The page on publishing names every column of the contents table and every member of the provenance."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pyarrow.parquet as pq
from palmares.leaderboard.publishing import Provenance, contents_of, contents_parquet
from palmares.leaderboard.settings import DEFAULT_CONFIG_DIR, load_settings

PAGE = (Path(__file__).parents[2] / "docs" / "explanation" / "publishing.md").read_text(encoding="utf-8")
SUITE = load_settings(DEFAULT_CONFIG_DIR).suite()


def first_cells(heading: str) -> set[str]:
    """What stands between backquotes in the first column of the table below a heading."""
    section = PAGE.split(heading, 1)[1].split("\n#", 1)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_every_column_of_the_contents_table_is_explained():
    content = contents_parquet(contents_of([], suite=SUITE, moderation={}), hub_url="https://hub.example")
    columns = set(pq.read_table(io.BytesIO(content)).column_names)
    endings = ("", " Raw", " Stderr", " Low", " High", " Rank Best", " Rank Worst")
    for task in SUITE.tasks:
        own = {f"{task.title}{ending}" for ending in endings}
        assert own <= columns
        columns -= own

    assert first_cells("### Contents table") == columns | {f"<benchmark>{ending}" for ending in endings}


def test_every_member_of_the_provenance_is_explained():
    members = {field.alias or name for name, field in Provenance.model_fields.items()}

    assert first_cells("## Provenance") == members
