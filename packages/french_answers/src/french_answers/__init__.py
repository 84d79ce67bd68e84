"""Grades answers to French exam questions: finds the answer in a generation, compares it, says why."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from french_answers.grade import Grade
from french_answers.grading import grade_answer
from french_answers.policy import DEFAULT, GradingPolicy
from french_answers.values import warm_up

__all__ = ["DEFAULT", "Grade", "GradingPolicy", "grade_answer", "library_versions", "source_files", "warm_up"]

LIBRARIES = ("math-verify", "latex2sympy2-extended", "sympy")
"""Their versions are part of a verdict."""


def source_files() -> list[Path]:
    """List the modules that decide verdicts, in a fixed order."""
    folder = Path(__file__).parent
    return sorted(folder.rglob("*.py"))


def library_versions() -> dict[str, str]:
    """Name the installed version of each library that verdicts depend on; ``absent``: not installed."""
    return {name: _installed(name) for name in LIBRARIES}


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
