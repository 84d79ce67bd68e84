"""The log of answers, and jobs that carry on in the middle of a task: the demo's model, without ClearML."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.palmares.evaluator.conftest import MODELS, Run, evaluate

pytestmark = pytest.mark.evaluator

BAC, GPQA = "community|bac-fr|0", "community|gpqa-fr|0"
SMALL = ("--tasks", f"{BAC},{GPQA}", "--limit-samples", "20", "--batch-size", "1")
ROWS = 20


class Killed(BaseException):
    """Stands for a kill: nothing of the job catches it."""


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return evaluate(MODELS / "petit", tmp_path_factory.mktemp("whole") / "job", *SMALL)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows that the real engine was asked for, as a list that grows; ``kill_after`` ends it."""
    from lm_eval.models.huggingface import HFLM

    rows: list[int] = []
    rows_before_kill: list[int] = []
    for name in ("generate_until", "loglikelihood"):
        own = getattr(HFLM, name)

        def noted(self, requests, disable_tqdm=False, own=own):
            if rows_before_kill and len(rows) >= rows_before_kill[0]:
                raise Killed
            rows.extend(sorted({request.doc_id for request in requests}))
            return own(self, requests, disable_tqdm=disable_tqdm)

        monkeypatch.setattr(HFLM, name, noted)
    monkeypatch.setattr(HFLM, "kill_after", rows_before_kill, raising=False)
    return rows


def details(run: Run, key: str) -> list[dict[str, object]]:
    import pyarrow.parquet as pq

    rows: list[dict[str, object]] = pq.read_table(
        run.artifact / run.manifest["tasks"][key]["details"]
    ).to_pylist()
    return rows


@pytest.mark.parametrize("killed_after", [1, 20, 33])
def test_a_killed_job_asks_for_the_missing_rows_only_and_gives_the_same_numbers(
    uninterrupted: Run, asked: list[int], tmp_path: Path, killed_after: int
):
    from lm_eval.models.huggingface import HFLM

    HFLM.kill_after.append(killed_after)
    with pytest.raises(Killed):
        evaluate(MODELS / "petit", tmp_path / "job", *SMALL)
    HFLM.kill_after.clear()
    # Another machine: only what an attempt saves of its tasks has travelled.
    shutil.copytree(tmp_path / "job" / "tasks", tmp_path / "other" / "tasks")

    run = evaluate(MODELS / "petit", tmp_path / "other", *SMALL)

    assert len(asked) == 2 * ROWS
    for key in (BAC, GPQA):
        assert run.manifest["tasks"][key]["metrics"] == uninterrupted.manifest["tasks"][key]["metrics"]
        assert details(run, key) == details(uninterrupted, key)


def test_answers_of_another_precision_are_not_used(asked: list[int], tmp_path: Path):
    from lm_eval.models.huggingface import HFLM

    HFLM.kill_after.append(5)
    with pytest.raises(Killed):
        evaluate(MODELS / "petit", tmp_path, *SMALL)
    HFLM.kill_after.clear()
    asked.clear()
    evaluate(MODELS / "petit", tmp_path, *SMALL, "--dtype", "float32", "--tasks", BAC)
    assert len(asked) == ROWS


def test_a_line_that_a_kill_has_cut_is_answered_again(tmp_path: Path):
    from palmares.evaluator.answers import AnswerLog

    path = tmp_path / "answers.jsonl"
    log = AnswerLog(path, "f")
    log.add("first", ["é", "b"])
    log.add("second", [[-1.5, True]])
    path.write_bytes(path.read_bytes()[:-3])

    again = AnswerLog(path, "f")
    assert (again.find("first"), again.find("second")) == (["é", "b"], None)
    again.add("second", [[-1.5, True]])
    assert AnswerLog(path, "f").find("second") == [[-1.5, True]]
    assert AnswerLog(path, "another").find("first") is None


@pytest.mark.parametrize("answer", ["ligne\u2028suite", "a\x85b", "cassé \ud800", "deux\nlignes\r\n"])
def test_an_answer_of_any_characters_is_read_back(answer: str, tmp_path: Path):
    from palmares.evaluator.answers import AnswerLog

    path = tmp_path / "answers.jsonl"
    log = AnswerLog(path, "f")
    log.add("odd", [answer])
    log.add("next", ["plain"])

    again = AnswerLog(path, "f")

    assert (again.find("odd"), again.find("next")) == ([answer], ["plain"])


def test_the_log_holds_no_prompt(uninterrupted: Run, asked: list[int], tmp_path: Path):
    from lm_eval.models.huggingface import HFLM

    HFLM.kill_after.append(3)
    with pytest.raises(Killed):
        evaluate(MODELS / "petit", tmp_path, *SMALL)
    lines = (tmp_path / "tasks" / "bac-fr" / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    assert [sorted(json.loads(line)) for line in lines[1:]] == [["answers", "requests"]] * 3
    prompts = {str(row["full_prompt"]) for row in details(uninterrupted, BAC)}
    assert not any(prompt in line for line in lines for prompt in prompts)
