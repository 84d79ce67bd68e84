"""A leaderboard's YAML sets what its graders accept."""

from __future__ import annotations

import re
import shutil
from dataclasses import fields

import pytest
from french_answers import DEFAULT, GradingPolicy
from palmares.leaderboard.errors import SettingsError
from palmares.leaderboard.settings import PROJECT_ROOT, load_settings

from tests.fixtures.config import CONFIG_DIR


@pytest.fixture
def config(tmp_path):
    folder = tmp_path / "config"
    shutil.copytree(CONFIG_DIR, folder)
    return folder


def test_a_leaderboard_sets_its_policy(config):
    path = config / "leaderboard.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("  units: true", "  units: false"), encoding="utf-8"
    )

    assert load_settings(config).grading == GradingPolicy(units=False)


def test_an_unknown_policy_is_refused_by_name(config):
    path = config / "leaderboard.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("  units: true", "  unit: true"), encoding="utf-8"
    )

    with pytest.raises(SettingsError, match=r"grading\.unit\b"):
        load_settings(config)


def test_the_page_names_every_policy_with_its_default():
    page = (PROJECT_ROOT / "docs" / "explanation" / "grading.md").read_text(encoding="utf-8")
    said = dict(re.findall(r"^\| `(\w+)` \| (yes|no) \|", page, re.MULTILINE))

    assert said == {
        field.name: "yes" if getattr(DEFAULT, field.name) else "no" for field in fields(GradingPolicy)
    }
