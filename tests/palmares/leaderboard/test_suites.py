"""Suites are YAML: tasks of ours and of lm-eval, with shots, metrics and groups; mistakes are named."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from palmares.benchmarks import lm_eval, registry
from palmares.leaderboard.errors import SettingsError
from palmares.leaderboard.settings import DEFAULT_CONFIG_DIR, load_settings
from palmares.leaderboard.suites import Suite

from tests.fixtures.config import CONFIG_DIR


def suite(*tasks: dict[str, Any], **more: Any) -> Suite:
    return Suite.model_validate({"name": "own", "title": "Own", "tasks": list(tasks), **more})


def test_a_task_of_lm_eval_needs_its_name_only():
    (task,) = suite({"name": "gsm8k"}).tasks

    assert task.key == "lm-eval|gsm8k|5"
    assert task.metric.of == ("exact_match,strict-match",)
    assert (task.kind, task.metric.graded_by) == ("generate", "evaluator")


def test_shots_metric_and_filter_are_what_is_written():
    (task,) = suite({"name": "gsm8k", "num_fewshot": 8, "metric": "exact_match,flexible-extract"}).tasks

    assert task.key == "lm-eval|gsm8k|8"
    assert task.metric.name == "exact_match,flexible-extract"


@pytest.mark.parametrize("key", ["lighteval|mmlu:anatomy|5", "community|okapi_mmlu:fr+en|0"])
def test_a_key_may_hold_what_other_writers_names_hold(key: str):
    (task,) = suite({"name": "gsm8k", "key": key}).tasks

    assert task.key == key


@pytest.mark.parametrize("key", ["gsm8k", "a|b", "a|b/../c|0", "a|b c|0", "a|b|five", "a|b|0\n"])
def test_a_key_that_is_none_is_refused(key: str):
    with pytest.raises(ValueError, match=r"key\n  String should match pattern"):
        suite({"name": "gsm8k", "key": key})


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"name": "gsm9k"}, "no benchmark 'gsm9k'. Did you mean 'gsm8k'"),
        ({"name": "bac-rf"}, "no benchmark 'bac-rf'. Did you mean 'bac-fr'"),
        ({"name": "arc_challenge", "metric": "acc_nrom"}, "no metric 'acc_nrom': did you mean 'acc_norm'"),
        (
            {"name": "gsm8k", "metric": "exact_match,strict-mach"},
            "no metric 'exact_match,strict-mach': did you mean 'exact_match,strict-match'",
        ),
        ({"name": "gsm8k", "metric": "exact_match"}, "no metric 'exact_match': did you mean 'exact_match,"),
        ({"name": "bac-fr", "num_fewshot": 5}, "has 0 examples: num_fewshot cannot be 5"),
        ({"name": "gsm8k", "num_fewshot": -1}, "num_fewshot is -1, no number of examples"),
        ({"name": "gsm8k", "weight": 0}, "weight"),
        ({"name": "gsm8k", "wieght": 2}, "wieght"),
        ({"name": "gsm8k", "random_score": 1.0}, "baseline"),
        ({"group": "mmul"}, "lm-eval has no group 'mmul'. Did you mean 'mmlu'"),
        ({"group": "mmlu", "random_scores": {"mmlu_anatomi": 0.25}}, "no task 'mmlu_anatomi'"),
    ],
)
def test_what_is_written_wrongly_is_named_with_the_nearest_right_name(task: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        suite(task)


def test_two_tasks_of_one_name_are_refused():
    with pytest.raises(ValueError, match="share a name"):
        suite({"name": "gsm8k"}, {"name": "gsm8k", "num_fewshot": 0})


def test_a_group_s_series_is_the_task_s_metric():
    groups = {"all": {"members": {"gsm8k": {"series": "exact_match,flexible-extract"}}}}

    with pytest.raises(ValueError, match="'gsm8k' is scored by 'exact_match,strict-match' in this suite"):
        suite({"name": "gsm8k"}, groups=groups)


def test_a_group_of_lm_eval_is_its_tasks_and_their_mean():
    one = suite({"group": "mmlu", "num_fewshot": 5, "metric": "acc", "title": "MMLU"}, {"name": "gsm8k"})

    assert len(one.tasks) == 58
    assert [column.title for column in one.columns] == ["gsm8k", "MMLU"]
    assert one.groups[0].mean == "by_size"
    assert {task.key.split("|")[2] for task in one.tasks} == {"5"}


def test_the_average_is_over_columns_each_rescaled_and_weighted():
    one = suite(
        {"name": "arc_easy", "metric": "acc", "random_score": 0.25, "weight": 3},
        {"name": "gsm8k"},
        {"name": "winogrande", "metric": "acc"},
        groups={"pair": {"members": ["gsm8k", "winogrande"]}},
    )
    scores = {
        "arc_easy": {"value": 0.625, "stderr": 0.1, "n": 10},
        "gsm8k": {"value": 0.2, "stderr": 0.1, "n": 10},
        "winogrande": {"value": 0.6, "stderr": 0.1, "n": 10},
    }

    assert one.group_scores(scores)["pair"].value == pytest.approx(0.4)
    assert one.average(scores) == pytest.approx((3 * 0.5 + 0.4) / 4)
    assert one.average({name: score for name, score in scores.items() if name != "gsm8k"}) is None


def test_the_suite_hash_knows_the_shots_of_a_task():
    hashes = {
        registry.suite_hash(suite({"name": "gsm8k", "num_fewshot": shots}).task_keys) for shots in (0, 5)
    }

    assert len(hashes) == 2


def test_a_suite_is_added_by_one_file(tmp_path: Path):
    config = Path(shutil.copytree(CONFIG_DIR, tmp_path / "config"))
    (config / "suites").mkdir()
    text = yaml.safe_dump({"title": "Mine", "tasks": [{"name": "arc_easy"}]})
    (config / "suites" / "mine.yaml").write_text(text, encoding="utf-8")

    assert load_settings(config).suite("mine").task_keys == ("lm-eval|arc_easy|0",)
    (config / "suites" / "fr.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"leaderboard\.yaml has a suite 'fr', too"):
        load_settings(config)


@pytest.mark.parametrize(
    ("name", "columns", "tasks"),
    [
        ("fr", 3, 3),
        ("gsm8k", 1, 1),
        ("mmlu", 1, 57),
        ("openllm-v1", 6, 62),
        ("openllm-v2", 6, 39),
        ("smoke", 2, 2),
    ],
)
def test_every_shipped_suite_names_tasks_that_exist(name: str, columns: int, tasks: int):
    shipped = load_settings(DEFAULT_CONFIG_DIR).suite(name)

    assert (len(shipped.columns), len(shipped.tasks)) == (columns, tasks)
    assert len(registry.suite_hash(shipped.task_keys)) == 64


def test_the_index_is_of_the_version_that_the_evaluator_pins():
    pins = (Path(__file__).parents[3] / "requirements-evaluator-cpu.txt").read_text(encoding="utf-8")

    assert f"lm-eval=={lm_eval.version()}" in pins.replace("lm_eval", "lm-eval")


def test_what_is_in_groups_is_beside_the_columns_and_a_column_names_its_tasks():
    groups = {
        "outer": {"title": "Outer", "members": ["inner", "gsm8k"]},
        "inner": {"members": ["arc_easy", "arc_challenge"]},
    }
    one = suite({"name": "gsm8k"}, {"name": "arc_easy"}, {"name": "arc_challenge"}, groups=groups)

    assert [column.name for column in one.columns] == ["outer"]
    assert [member.title for member in one.members] == ["gsm8k", "arc_easy", "arc_challenge", "inner"]
    assert [task.name for task in one.tasks_of(one.columns[0])] == ["gsm8k", "arc_easy", "arc_challenge"]
    assert [task.name for task in one.tasks_of(one.groups[1])] == ["arc_easy", "arc_challenge"]
    assert not one.is_weighted


def test_two_columns_of_one_title_are_refused():
    with pytest.raises(ValueError, match="two columns of suite 'own' have the title 'gsm8k': rename one"):
        suite({"name": "gsm8k"}, {"name": "arc_easy", "title": "gsm8k"})
