from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from palmares.leaderboard.errors import SettingsError
from palmares.leaderboard.publishing.settings import PublishingSettings
from palmares.leaderboard.settings import load_settings

from tests.fixtures.config import CONFIG_DIR


@pytest.fixture
def load(tmp_path: Path):
    def load(publishing, results_repo="org/results"):
        for name in ("leaderboard.yaml", "clusters.yaml"):
            shutil.copy(CONFIG_DIR / name, tmp_path / name)
        path = tmp_path / "leaderboard.yaml"
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        data["hub"]["results_repo"] = results_repo
        data["publishing"] = publishing
        path.write_text(yaml.safe_dump(data), encoding="utf-8")
        return load_settings(tmp_path)

    return load


def test_optional_targets_are_off_as_shipped(settings):
    assert not settings.publishing.eval_results.enabled
    assert not settings.publishing.every_eval_ever.enabled


def test_the_table_lies_beside_the_results_unless_another_dataset_is_named(load):
    assert load({}).contents_repo == "org/contents"
    assert load({"contents_repo": "org/board"}).contents_repo == "org/board"


@pytest.mark.parametrize(
    ("publishing", "named"),
    [
        ({"card_row": 3}, "card_row"),
        ({"card_rows": 0}, "card_rows"),
        ({"hub_url": "javascript:alert(1)"}, "hub_url"),
        ({"hub_url": "https://x.example/)[y](z"}, "hub_url"),
        ({"leaderboard_url": "https://x.example/) evil"}, "leaderboard_url"),
        ({"contents_repo": "no-slash"}, "contents_repo"),
        ({"eval_results": {"benchmarks": {"bac-fr": {"id": "no slash", "task_id": "t"}}}}, "bac-fr"),
        ({"every_eval_ever": {"relationship": "friend"}}, "relationship"),
    ],
)
def test_a_wrong_value_is_refused_by_name(load, publishing, named):
    with pytest.raises(SettingsError, match=named):
        load(publishing)


def test_links_lead_to_the_hub_of_the_connection_unless_another_is_set():
    assert PublishingSettings().at("https://hub.example").hub_url == "https://hub.example"
    chosen = PublishingSettings(hub_url="https://public.example")
    assert chosen.at("http://10.0.0.1:8080").hub_url == "https://public.example"
