"""Settings: what is misspelt is refused by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from palmares.leaderboard.errors import SettingsError
from palmares.leaderboard.settings import load_settings

from tests.fixtures.config import CONFIG_DIR


@pytest.fixture
def config(tmp_path):
    for name in ("leaderboard.yaml", "clusters.yaml"):
        shutil.copy(CONFIG_DIR / name, tmp_path / name)
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_an_unknown_key_is_refused_by_name_and_file(config):
    edit(config / "leaderboard.yaml", "max_models_per_run", "max_model_per_run")

    with pytest.raises(SettingsError, match=r"leaderboard\.yaml: unknown key 'limits\.max_model_per_run'"):
        load_settings(config)


def test_a_key_written_twice_is_refused(config):
    edit(config / "clusters.yaml", "    nodes: 6\n", "    nodes: 6\n    nodes: 7\n")

    with pytest.raises(SettingsError, match=r"clusters\.yaml.*'nodes' is written twice"):
        load_settings(config)


def test_a_default_that_names_nothing_is_refused(config):
    edit(config / "leaderboard.yaml", "default_cluster: local", "default_cluster: lokal")

    with pytest.raises(SettingsError, match="'lokal' is none of"):
        load_settings(config)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"clusters\.yaml: cannot be read"):
        load_settings(tmp_path)


def test_environment_variables_point_elsewhere(config, monkeypatch):
    edit(config / "leaderboard.yaml", "max_models_per_run: 50", "max_models_per_run: 7")
    monkeypatch.setenv("PALMARES_CONFIG_DIR", str(config))
    monkeypatch.setenv("PALMARES_STORAGE_URL", "s3://bucket/raw")

    settings = load_settings()

    assert settings.limits.max_models_per_run == 7
    assert settings.storage_url == "s3://bucket/raw"


def test_overrides_are_read_where_there_are_some(config):
    assert load_settings(config).overrides.by_model == {}
    shutil.copy(CONFIG_DIR / "overrides.example.yaml", config / "overrides.yaml")

    settings = load_settings(config)

    assert settings.overrides.by_model["microsoft/phi-4"].nodes == 1
    assert settings.overrides.warnings


def test_overrides_in_the_wrong_file_are_refused(config):
    edit(config / "leaderboard.yaml", "default_suite: fr", "overrides: {}\ndefault_suite: fr")

    with pytest.raises(SettingsError, match=r"'overrides'.*overrides\.yaml"):
        load_settings(config)


def test_what_is_read_of_doubtful_models_is_a_policy(config):
    assert load_settings(config).policies.reading.unknown == "refuse"
    edit(config / "leaderboard.yaml", "unknown_architectures: refuse", "unknown_architectures: conservative")

    assert load_settings(config).policies.reading.unknown == "conservative"


def test_an_unknown_suite_or_cluster_is_refused_with_the_known_ones(settings):
    with pytest.raises(SettingsError, match=r"take one of \['fr'\]"):
        settings.suite("de")
    with pytest.raises(SettingsError, match="No cluster 'mars'"):
        settings.cluster("mars")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("allow_custom_code: false", "allow_custom_code: true", "the evaluator runs no code of a model"),
        ("weight_types: [Original]", "weight_types: [Original, Adapter]", "weight_types has Adapter"),
        ("precisions: [bfloat16,", "precisions: [8bit, bfloat16,", "precisions has 8bit"),
        (
            "max_generated_tokens: ",
            "thinking_tokens: 64\n        max_generated_tokens: ",
            "has thinking_tokens",
        ),
    ],
)
def test_what_no_evaluator_does_is_refused_before_a_model_is_let_in_for_it(config, old, new, message):
    edit(config / "leaderboard.yaml", old, new)

    with pytest.raises(SettingsError, match=f"{message}.*would fail on its machine"):
        load_settings(config)
