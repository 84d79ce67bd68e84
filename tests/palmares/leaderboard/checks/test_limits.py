from __future__ import annotations

import shutil

import pytest
from palmares.leaderboard.checks.limits import ResponseLimits, SanitySettings, limits_for
from palmares.leaderboard.errors import SettingsError
from palmares.leaderboard.settings import PROJECT_ROOT, load_settings

from tests.fixtures.config import CONFIG_DIR


def with_baselines(folder, text, *, task="bac-fr", key="sanity_baselines"):
    for name in ("leaderboard.yaml", "clusters.yaml"):
        shutil.copy(CONFIG_DIR / name, folder / name)
    path = folder / "leaderboard.yaml"
    named = f"      - name: {task}\n"
    content = path.read_text(encoding="utf-8")
    assert named in content
    path.write_text(content.replace(named, f"{named}        {key}: {text}\n"), encoding="utf-8")
    return load_settings(folder).suite().task(task)


def test_a_task_s_limits_are_set_beside_it_and_the_others_stay(tmp_path):
    task = with_baselines(tmp_path, "{ sample: 50, scorer: { gold: 0.99, gold_with_unit: null } }")

    limits = task.sanity_limits
    assert (limits.sample, limits.scorer.gold, limits.scorer.gold_with_unit) == (50, 0.99, None)
    assert limits.scorer.empty == SanitySettings().scorer.empty == 0
    assert limits.answers == ResponseLimits()


def test_the_key_of_earlier_files_is_refused_with_its_new_name(tmp_path):
    with pytest.raises(SettingsError, match="canaries is called sanity_baselines now"):
        with_baselines(tmp_path, "{}", key="canaries")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{ scorer: { empti: 0.1 } }", "empti"),
        ("{ answers: { empty: 1.5 } }", "empty"),
        ("{ sample: 0 }", "sample"),
    ],
)
def test_a_baseline_that_is_misspelt_or_no_share_is_refused_by_name(tmp_path, text, message):
    with pytest.raises(SettingsError, match=message):
        with_baselines(tmp_path, text)


def test_a_constant_choice_stops_nothing_unless_its_limit_is_given(tmp_path):
    assert limits_for("generate").answers.constant == 0.95
    assert limits_for("loglikelihood").answers.constant is None
    sampled = with_baselines(tmp_path, "{ sample: 50 }", task="gpqa-fr").sanity_limits
    assert (sampled.sample, sampled.answers.constant) == (50, None)
    strict = with_baselines(tmp_path, "{ answers: { constant: 0.9 } }", task="gpqa-fr").sanity_limits
    assert strict.answers.constant == 0.9


def test_the_shipped_settings_keep_the_limits_of_the_kinds(settings):
    assert [task.sanity_limits for task in settings.suite().tasks] == [
        limits_for(task.kind) for task in settings.suite().tasks
    ]


def test_the_documentation_names_every_baseline_with_its_default():
    text = (PROJECT_ROOT / "docs" / "explanation" / "sanity_baselines.md").read_text(encoding="utf-8")
    cells = [[cell.strip() for cell in line.split("|")] for line in text.splitlines() if line.startswith("|")]
    told = [(row[1].strip("`"), row[3].strip("≤≥ ")) for row in cells if len(row) == 5]

    limits = SanitySettings()
    for sanity_baselines in (limits.scorer, limits.answers):
        for name, share in sanity_baselines.model_dump().items():
            shown = "none: shown only" if share is None else f"{share:g}"
            assert (name, shown) in told
