from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from palmares.leaderboard.task_hashes import task_hashes

TASKS = Path(__file__).resolve().parents[3] / "include" / "palmares" / "evaluator" / "tasks"
BAC, IFEVAL, GPQA = "community|bac-fr|0", "community|ifeval-fr|0", "community|gpqa-fr|0"


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TASKS, tmp_path / "tasks", ignore=shutil.ignore_patterns("__pycache__")))


def test_every_task_of_the_suite_has_a_hash_of_its_own(settings, tasks):
    hashes = task_hashes(settings.suite(), tasks)

    assert set(hashes) == {BAC, IFEVAL, GPQA}
    assert len(set(hashes.values())) == 3


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ("bac_fr/bac-fr.yaml", {BAC}),
        ("ifeval_fr/french.py", {IFEVAL}),
        ("gpqa_fr/gpqa-fr-letters.yaml", set()),
        ("rows.py", {BAC, IFEVAL, GPQA}),
    ],
)
def test_a_change_of_a_file_changes_the_tasks_that_it_decides(settings, tasks, changed, expected):
    before = task_hashes(settings.suite(), tasks)
    path = tasks / changed
    path.write_bytes(path.read_bytes() + b"\n# changed\n")
    after = task_hashes(settings.suite(), tasks)

    assert {key for key in before if before[key] != after[key]} == expected


def test_a_task_without_a_definition_here_is_left_out(settings, tasks):
    (tasks / "bac_fr" / "bac-fr.yaml").unlink()

    assert set(task_hashes(settings.suite(), tasks)) == {IFEVAL, GPQA}
