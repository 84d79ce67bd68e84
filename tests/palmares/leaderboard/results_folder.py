"""Writes a job's results folder as the evaluator does, with a canary in every hidden text."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from palmares.leaderboard.submissions.submission import Submission
from palmares.leaderboard.suites import Suite

TIMESTAMP = "2026-01-01T00-00-00.000000"
CANARY = "canary-9c1d2f"
ROWS = 4


def write_results(folder: Path, submission: Submission, suite: Suite) -> Path:
    """Four rows a task: bac-fr 3 of 4 right, ifeval 0.5 and 0.6, gpqa 2 of 4."""
    columns: dict[str, list[dict[str, Any]]] = {
        "bac-fr": [
            _row("bac", 0, gold="12", said="La réponse est 12.", metrics={"bac-fr-qem": 0.0}),
            _row("bac", 1, gold="1/2", said="On trouve 0,5", metrics={"bac-fr-qem": 0.0}),
            _row("bac", 2, gold="vrai", said="Vrai", metrics={"bac-fr-qem": 1.0}),
            _row("bac", 3, gold="5", said="15", metrics={"bac-fr-qem": 1.0}),
        ],
        "ifeval-fr": [
            _row("ife", 0, metrics=_ifeval(1, [1, 1])),
            _row("ife", 1, metrics=_ifeval(0, [0])),
            _row("ife", 2, metrics=_ifeval(1, [1])),
            _row("ife", 3, metrics=_ifeval(0, [0])),
        ],
        "gpqa-fr": [_row("gpq", index, metrics={"acc": float(index % 2)}) for index in range(ROWS)],
    }
    metrics = {
        "bac-fr": {"bac-fr-qem": 0.5, "bac-fr-qem_stderr": 0.28},
        "ifeval-fr": {"prompt_level_strict_acc": 0.5, "inst_level_strict_acc": 0.6},
        "gpqa-fr": {"acc": 0.5, "acc_stderr": 0.28},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "details").mkdir(exist_ok=True)
    tasks = {}
    for task in suite.tasks:
        path = f"details/details_{task.key}_{TIMESTAMP}.parquet"
        write_details(folder / path, columns[task.name])
        tasks[task.key] = {
            "rows": ROWS,
            "expected_rows": ROWS,
            "dataset_sha256": "d" * 64,
            "lm_eval_task": task.lm_eval_task,
            "metrics": metrics[task.name],
            "details": path,
        }
    results = {"results": {key: task["metrics"] for key, task in tasks.items()}}
    (folder / f"results_{TIMESTAMP}.json").write_text(json.dumps(results), encoding="utf-8")
    lm_eval = {
        "results": {"bac-fr": {"alias": "bac-fr", "bac-fr-qem,none": 0.5, "bac-fr-qem_stderr,none": "N/A"}},
        "samples": {"bac-fr": [{"doc": {"enonce": f"hidden {CANARY}"}}]},
        "configs": {
            "bac-fr": {"task": "bac-fr", "doc_to_text": f"{CANARY}", "dataset_path": "/secret/folder"}
        },
        "config": {"model": "hf", "model_args": {"pretrained": "/secret/folder"}, "model_sha": "abc"},
        "chat_template": CANARY,
        "model_name": "/secret/folder",
    }
    (folder / f"lm_eval_{TIMESTAMP}.json").write_text(json.dumps(lm_eval), encoding="utf-8")
    manifest = {
        "schema": 1,
        "job_key": submission.job_key,
        "attempt": 1,
        "clearml_task_id": "c" * 32,
        "model": {"id": submission.model_id, "revision": submission.revision, "parameters": 140000},
        "suite": {"name": suite.name, "hash": submission.suite_hash},
        "backend": "hf",
        "precision": submission.precision,
        "use_chat_template": submission.use_chat_template,
        "chat_template_sha256": None,
        "limit_samples": submission.limit_samples,
        "seed": submission.seed,
        "versions": {"evaluator": "1", "lm_eval": "0.4.13"},
        "started_at": "2026-01-01T00:00:00Z",
        "ended_at": "2026-01-01T00:00:12Z",
        "duration_s": 12.3,
        "tasks": tasks,
        "files": {},
    }
    write_manifest(folder, manifest)
    return folder


def write_details(path: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows), path)


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest with the hashes of what is there."""
    manifest["files"] = {
        path.relative_to(folder).as_posix(): {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def read_manifest_json(folder: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return data


def _ifeval(prompt: int, instructions: list[int]) -> dict[str, Any]:
    return {
        "prompt_level_strict_acc": float(prompt),
        "inst_level_strict_acc": [float(one) for one in instructions],
    }


def _row(
    prefix: str, index: int, *, metrics: dict[str, Any], gold: str = "A", said: str = "A"
) -> dict[str, Any]:
    return {
        "choices": [],
        "example": f"A hidden question, number {index}, {CANARY}",
        "full_prompt": f"Answer this hidden question, number {index}: {CANARY}",
        "gold": [gold],
        "instruction": None,
        "metrics": metrics,
        "predictions": [said],
        "specifics": json.dumps({"row_id": f"{prefix}{index}"}),
    }
