"""Checks of the two environments against their locks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from devstack.install import Environment, environments, is_installed
from devstack.supervisor.checks.finding import Finding, broken, fine, warning
from devstack.supervisor.paths import StackPaths

FIX = "Run: make setup (it carries on where it stopped)"
SHOWN = 5


def installs(paths: StackPaths) -> list[Finding]:
    """One finding for each environment."""
    airflow, evaluator = environments(paths.root)
    evaluator = Environment(evaluator.name, paths.evaluator_bin.parent, evaluator.lock)
    return [_install(airflow), _install(evaluator)]


def _install(environment: Environment) -> Finding:
    name = f"install-{environment.name}"
    if not environment.lock.exists():
        return broken(name, f"{environment.lock} is missing.", "Restore it from the repository.")
    if not environment.python.exists():
        return broken(name, f"{environment.folder} is not there, or was not finished.", FIX)
    missing = sorted(_missing(environment))
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        return broken(
            name,
            f"{environment.folder}: the install is incomplete or older than {environment.lock.name}: "
            f"{', '.join(missing[:SHOWN])}{more}.",
            FIX,
        )
    if not is_installed(environment):
        return warning(name, f"{environment.folder} was not made by make setup, or before a change.", FIX)
    return fine(name, f"{environment.folder} agrees with {environment.lock.name}")


def _missing(environment: Environment) -> Iterator[str]:
    """Locked packages that are absent or of another version."""
    site_packages = next(iter(environment.folder.glob("lib/python3.*/site-packages")), None)
    installed = _installed(site_packages) if site_packages else {}
    for name, version in _locked(environment.lock):
        found = installed.get(name)
        if found is None:
            yield f"{name} {version} is missing"
        elif found.partition("+")[0] != version.partition("+")[0]:
            yield f"{name} is {found}, not {version}"


def _locked(lock: Path) -> Iterator[tuple[str, str]]:
    from packaging.requirements import InvalidRequirement, Requirement

    for line in lock.read_text(encoding="utf-8").splitlines():
        text = re.split(r"\s+(?:--hash|\\|#)", line)[0].strip()
        if not text or text.startswith(("#", "-")) or line[0].isspace():
            continue
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        pins = [one.version for one in requirement.specifier if one.operator == "=="]
        if pins and (requirement.marker is None or requirement.marker.evaluate()):
            yield _normal(requirement.name), pins[0]


def _installed(site_packages: Path) -> dict[str, str]:
    # The folders' names say enough; parsing their metadata takes a second.
    packages = {}
    for folder in site_packages.glob("*.dist-info"):
        name, _, version = folder.name.removesuffix(".dist-info").rpartition("-")
        packages[_normal(name)] = version
    return packages


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
