"""docs/dependencies.md says why each direct dependency is there, and names no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "dependencies.md"
INPUTS = sorted(path.name for path in ROOT.glob("requirements*.in"))


def direct_dependencies(name: str) -> set[str]:
    lines = [line.partition(" #")[0].strip() for line in (ROOT / name).read_text().splitlines()]
    return {canonicalize_name(Requirement(line).name) for line in lines if line and line[0] not in "#-"}


def documented(name: str) -> dict[str, str]:
    """Package to reason, from the table under the heading that names the file."""
    sections = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    (section,) = [part for part in sections if f"`{name}`" in part.splitlines()[0]]
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+?) \|", section, flags=re.MULTILINE)
    found: dict[str, str] = {canonicalize_name(package): reason for package, reason in rows}
    assert len(found) == len(rows), "a package has two lines"
    return found


@pytest.mark.parametrize("name", INPUTS)
def test_every_direct_dependency_has_a_reason_and_none_is_stale(name: str):
    reasons = documented(name)
    assert reasons.keys() == direct_dependencies(name)
    assert all(len(reason) > 5 for reason in reasons.values())


@pytest.mark.parametrize("name", INPUTS)
def test_every_direct_dependency_is_in_the_lock(name: str):
    lock = (ROOT / name).with_suffix(".txt").read_text()
    pinned = {
        canonicalize_name(package) for package in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)
    }
    assert direct_dependencies(name) <= pinned
