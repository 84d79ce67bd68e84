"""lm-eval's own tasks, with examples and filters, on datasets that the embedded Hub serves under real ids."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from palmares.leaderboard.results.verify import read_manifest
from palmares.leaderboard.scoring import score_results
from palmares.leaderboard.settings import DEFAULT_CONFIG_DIR, load_settings
from palmares.leaderboard.suites import Suite

from tests.fixtures.hub_server import running_hub
from tests.fixtures.public_datasets import SUBJECTS, put_on

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    from huggingface_hub import HfApi

    home = tmp_path_factory.mktemp("home")
    with running_hub(home / "hub") as hub:
        put_on(HfApi(endpoint=hub.endpoint, token=hub.token))
        yield {
            **os.environ,
            "HF_ENDPOINT": hub.endpoint,
            "HF_TOKEN": hub.token,
            "HF_HOME": str(home / "hf"),
            "DATASETS_DIRECTORY": str(home),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT / "include"),
        }


@pytest.fixture(scope="module")
def suite() -> Suite:
    """The first Open LLM Leaderboard as it ships, with three of MMLU's 57 subjects."""
    shipped = load_settings(DEFAULT_CONFIG_DIR).suite("openllm-v1")
    names = {f"mmlu_{subject}" for subject in SUBJECTS}
    tasks = [task for task in shipped.tasks if not task.name.startswith("mmlu_") or task.name in names]
    groups = [
        group.model_copy(
            update={"members": {name: one for name, one in group.members.items() if name in names}}
        )
        for group in shipped.groups
    ]
    return shipped.model_copy(update={"tasks": tuple(tasks), "groups": tuple(groups)})


@pytest.fixture(scope="module")
def folder(environment: dict[str, str], suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("job")
    run(environment, ",".join(suite.task_keys), folder, expected=0)
    return folder


def run(environment: dict[str, str], tasks: str, folder: Path, *, expected: int) -> str:
    done = subprocess.run(
        [
            str(ROOT / ".venv-evaluator" / "bin" / "python"),
            *("-m", "tests.fixtures.any_task_job"),
            *(tasks, str(ROOT / "devstack" / "demo" / "models" / "petit"), str(folder)),
        ],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=540,
    )
    assert done.returncode == expected, done.stdout[-4000:]
    return done.stdout


def test_a_public_suite_scores_as_lm_eval_itself_digit_for_digit(folder: Path, suite: Suite):
    both = json.loads((folder / "both.json").read_text(encoding="utf-8"))

    for task in suite.tasks:
        theirs = both["theirs"][task.key]
        for metric in task.metric.of:
            name, _, by = metric.partition(",")
            assert both["ours"][task.key][metric] == theirs[f"{name},{by or 'none'}"], task.key


def test_its_columns_and_average_come_from_the_rows(folder: Path, suite: Suite):
    manifest = read_manifest(folder / "artifact")

    scored = score_results(folder / "artifact", manifest, suite)

    scores = scored.scores_json()
    subjects = [scores[f"mmlu_{subject}"]["value"] for subject in SUBJECTS]
    assert suite.group_scores(scores)["mmlu"].value == pytest.approx(sum(subjects) / 3)
    assert scored.average == pytest.approx(
        (sum(scores[task.name]["value"] for task in suite.tasks[:2]) + scores["truthfulqa_mc2"]["value"]
         + scores["winogrande"]["value"] + scores["gsm8k"]["value"] + sum(subjects) / 3) / 6
    )  # fmt: skip


def test_its_files_name_examples_filters_and_rows(folder: Path):
    artifact = folder / "artifact"
    manifest = read_manifest(artifact)
    lm_eval: dict[str, Any] = json.loads((artifact / manifest.lm_eval_file).read_text(encoding="utf-8"))

    assert lm_eval["n-shot"]["arc_challenge"] == 25
    assert lm_eval["n-samples"]["gsm8k"] == {"original": 6, "effective": 6}
    assert {"exact_match,strict-match", "exact_match,flexible-extract"} <= set(lm_eval["results"]["gsm8k"])
    assert set(manifest.tasks["lm-eval|gsm8k|5"].metrics) >= {
        "exact_match,strict-match",
        "exact_match,flexible-extract",
    }


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("lm-eval|gsm8k|9", "asks for 9 examples, its split has 8"),
        ("lm-eval|boolq|0", "its dataset cannot be loaded"),
        ("lm-eval|gsm9k|0", "Did you mean 'gsm8k'"),
    ],
)
def test_what_cannot_be_evaluated_is_said_before_a_model_is_loaded(
    environment: dict[str, str], tmp_path: Path, task: str, message: str
):
    printed = run(environment, task, tmp_path, expected=1)

    assert message in printed
    assert "loaded: " not in printed
