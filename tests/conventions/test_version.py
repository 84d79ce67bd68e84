"""The version is in pyproject.toml; what has to repeat it says the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_images_have_the_project_s_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    tags = {
        (path.name, tag)
        for path in (ROOT / "docker-compose.yaml", *ROOT.glob("Dockerfile*"))
        for tag in re.findall(
            r"palmares-(?:airflow|evaluator|evaluator-cpu):([\w.]+)", path.read_text(encoding="utf-8")
        )
    }

    assert len(tags) == 3
    assert {tag for _, tag in tags} == {version}


def test_the_changelog_has_a_section_for_the_version_and_one_for_what_comes() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    sections = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert sections[:2] == ["Unreleased", version]
