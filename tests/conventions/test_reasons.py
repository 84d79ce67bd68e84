"""Every exception to a rule of the linters says why it is there."""

from __future__ import annotations

import re
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("include", "packages", "plugins", "devstack", "performance", "dags", "tests")
EXCEPTION = re.compile(r"# noqa\b")
WITH_REASON = re.compile(r"# noqa: [A-Z]+\d+(?:, [A-Z]+\d+)* - \S+ \S+")


def exceptions_of(path: Path) -> list[tuple[int, str]]:
    """Lines of a file with a comment that switches a rule off."""
    with tokenize.open(path) as file:
        comments = [
            token for token in tokenize.generate_tokens(file.readline) if token.type == tokenize.COMMENT
        ]
    return [(token.start[0], token.string) for token in comments if EXCEPTION.search(token.string)]


def test_every_exception_in_a_file_names_its_rule_and_its_reason() -> None:
    files = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

    unexplained = [
        f"{path.relative_to(ROOT)}:{line} {comment}"
        for path in files
        for line, comment in exceptions_of(path)
        if not WITH_REASON.search(comment)
    ]

    assert len(files) > 500
    assert unexplained == [], "write `# noqa: RULE - the reason`"


def test_every_rule_that_is_off_for_the_project_has_its_reason_beside_it() -> None:
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (ruff,) = re.findall(r"^\[tool\.ruff\.lint\]\n(.*?)^\[tool\.mypy\]", settings, re.MULTILINE | re.DOTALL)
    switched_off = re.findall(r"^ignore = \[\n(.*?)^\]", ruff, re.MULTILINE | re.DOTALL)
    per_file = re.findall(
        r"^\[tool\.ruff\.lint\.per-file-ignores\]\n(.*?)^\[", ruff, re.MULTILINE | re.DOTALL
    )

    lines = [
        line
        for block in (*switched_off, *per_file)
        for line in block.splitlines()
        if re.search(r'"[A-Z]+\d*"', line)
    ]

    assert len(lines) >= 10
    assert [line for line in lines if not re.search(r"# \S+ \S+", line)] == []
