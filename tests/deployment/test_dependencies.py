"""docs/dependencies.md says why each direct dependency is there, and names no other."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import Distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "dependencies.md"
OURS = {
    "palmares",
    "french_answers",
    "devstack",
    "performance",
    "clearml_provider",
    "palmares_airflow",
    "palmares_ui",
    "tests",
    "",
}
PROVIDERS = packages_distributions()
PRODUCTION = [
    "dags",
    "plugins",
    "include/palmares/leaderboard",
    "include/palmares/store",
    "include/palmares/hub",
    "include/palmares/steps",
]
INPUTS = sorted(path.name for path in ROOT.glob("requirements*.in"))
SCOPES = [
    (PRODUCTION, ["requirements.in"]),
    (["include/palmares/cli", "devstack/servers", "benchmarks"], ["requirements.in", "requirements-dev.in"]),
    (["include/palmares/evaluator", "devstack/demo", "tests"], INPUTS),
]
EVERY_ENVIRONMENT = [*sys.path, *map(str, ROOT.glob(".venv-evaluator/lib/python3*/site-packages"))]


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


def imported_packages(folder: str) -> dict[str, str]:
    """Top-level packages that files below *folder* import, inside functions too, and one file for each."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            found |= {name.partition(".")[0]: str(path.relative_to(ROOT)) for name in names}
    return {name: path for name, path in found.items() if name not in sys.stdlib_module_names | OURS}


def distributions_of(package: str) -> set[str]:
    """Which distributions may provide *package*; its own name, where this environment does not have it."""
    if package == "airflow":
        return {"apache-airflow"}
    return {canonicalize_name(name) for name in PROVIDERS.get(package, [package])}


def requirements_of(name: str) -> list[str]:
    """What an installed distribution requires, in either of this project's environments."""
    found = next(iter(Distribution.discover(name=name, path=EVERY_ENVIRONMENT)), None)
    return (found.requires or []) if found else []


def with_their_own(direct: set[str]) -> set[str]:
    """*direct* and what they require themselves, without extras: one level, with Airflow's halves opened."""
    halves = {"apache-airflow-core", "apache-airflow-task-sdk"} if "apache-airflow" in direct else set()
    required = [Requirement(line) for name in direct | halves for line in requirements_of(name)]
    plain = [one for one in required if one.marker is None or one.marker.evaluate({"extra": ""})]
    return direct | halves | {canonicalize_name(one.name) for one in plain}


@pytest.mark.parametrize(("folders", "inputs"), SCOPES, ids=lambda value: value[0])
def test_what_code_imports_is_a_direct_dependency_or_comes_with_one(folders: list[str], inputs: list[str]):
    known = with_their_own(set().union(*(direct_dependencies(name) for name in inputs)))
    used = {name: path for folder in folders for name, path in imported_packages(folder).items()}
    unknown = {name: path for name, path in used.items() if not distributions_of(name) & known}
    assert unknown == {}, f"name them in one of {inputs}"
