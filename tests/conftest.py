"""How processes share the tests: `make test` runs three of them (pytest-xdist, loadgroup)."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

# A console keeps the width that it finds when it is made: here none is given, and each test sets its own.
os.environ.pop("COLUMNS", None)
ROOT = Path(__file__).parent
WHOLE_STACK = ("e2e", "faults", "devstack/supervisor")
"""Folders whose tests start a whole stack, or kill one: a single process runs them, one after the other."""


def group_of(path: Path) -> str:
    """Tests with one group run in one process, in their order.

    A file is a group, because its tests share what its fixtures start.
    """
    relative = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.as_posix()
    return "whole stack" if relative.startswith(WHOLE_STACK) else relative


@pytest.hookimpl(wrapper=True)  # a wrapper comes before xdist's own hook, which reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None]:
    """Name each test's group, and start the long ones first: the last group alone decides when a run ends."""
    if config.pluginmanager.has_plugin("xdist"):  # not in the evaluator's environment
        for item in items:
            item.add_marker(pytest.mark.xdist_group(group_of(item.path)))
        if hasattr(config, "workerinput"):
            items.sort(key=lambda item: _starts_processes(item) is False)
    yield
    grouped = config.getoption("loadgroup", False)
    if grouped and hasattr(config, "workerinput") and not all("@" in item.nodeid for item in items):
        raise pytest.UsageError(
            "This pytest-xdist cannot give its groups to this pytest: see requirements-dev.in."
        )


def _starts_processes(item: pytest.Item) -> bool:
    return group_of(item.path) == "whole stack" or item.get_closest_marker("stack") is not None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write what UTF-8 cannot hold as an escape: a process sends its reports to the first one as UTF-8.

    Tests with file names that are no text (lone surrogates) log them.
    """
    report = yield
    report.sections = [(name, _as_utf8(text)) for name, text in report.sections]
    if report.longrepr is not None and _as_utf8(report.longreprtext) != report.longreprtext:
        report.longrepr = _as_utf8(report.longreprtext)
    return report


def _as_utf8(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
