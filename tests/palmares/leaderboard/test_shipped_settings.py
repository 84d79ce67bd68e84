"""The files of include/config load, and say what the demo needs."""

from __future__ import annotations

import pytest
from french_answers import DEFAULT
from palmares.leaderboard.settings import DEFAULT_CONFIG_DIR, Settings, load_settings


@pytest.fixture
def settings() -> Settings:
    return load_settings(DEFAULT_CONFIG_DIR)


def test_the_shipped_files_describe_the_demo_and_two_real_clusters(settings):
    assert settings.default_cluster == "local"
    assert settings.cluster().queue(nodes=1, gpus_per_node=1) == "local-cpu"
    assert set(settings.clusters) == {"local", "musa", "chuc"}
    assert settings.suite().task_keys == (
        "community|bac-fr|0",
        "community|ifeval-fr|0",
        "community|gpqa-fr|0",
    )


def test_the_shipped_policy_is_the_default(settings):
    assert settings.grading == DEFAULT
