"""Measures `palmares rescore` on large details: peak memory, and two processes against one.

`python -m performance.rescoring_memory [--rows N] [--layout LAYOUT …] [--workers 1 2] [--json]`.

Writes details of seeded rows (generations of 5 to 4,000 characters), re-scores each with one and with two
processes, and watches the resident memory of every process that the command starts.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]
TIME = "2025-03-01T10-20-30.123456"
TASK = "community|bac-fr|0"
EVERY_S = 0.02
LIMIT_MB = 500
LENGTHS = (5, 20, 80, 300, 1000, 2000, 4000)
WORDS = (
    "donc",
    "la",
    "fonction",
    "est",
    "croissante",
    "sur",
    "l'intervalle",
    "on",
    "pose",
    "x",
    "=",
    "alors",
)
LAYOUTS = ("one_group", "small_groups", "strings", "structs", "samples", "tree")
SCHEMA = pa.schema([
    ("choices", pa.list_(pa.string())), ("example", pa.string()), ("full_prompt", pa.string()),
    ("gold", pa.list_(pa.string())), ("gold_index", pa.list_(pa.int64())), ("instruction", pa.string()),
    ("metrics", pa.struct([("bac-fr-qem", pa.float64())])), ("pred_logits", pa.list_(pa.float64())),
    ("predictions", pa.list_(pa.string())), ("specifics", pa.string()),
])  # fmt: skip


def rows(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Rows of the first generation; no two generations are the same."""
    draw = random.Random(seed)
    for number in range(count):
        length = draw.choice(LENGTHS)
        filler = " ".join(draw.choices(WORDS, k=length // 6))
        gold = draw.randrange(1000)
        said = gold if draw.random() < 0.6 else draw.randrange(1000)
        yield {
            "choices": [],
            "example": f"Question {number} : {filler[:400]}",
            "full_prompt": f"Question {number} : {filler[:800]}",
            "gold": [str(gold)],
            "gold_index": [],
            "instruction": "",
            "metrics": {"bac-fr-qem": float(said == gold)},
            "pred_logits": [],
            "predictions": [f"{number} {filler}\nLa réponse est {said}."],
            "specifics": json.dumps({"row_id": f"r{number}"}),
        }


def write(layout: str, count: int, root: Path) -> int:
    """Write a layout's details and their results file; returns the uncompressed bytes of the rows' texts."""
    models = 20 if layout == "tree" else 1
    size = 0
    for model in range(models):
        folder = root / f"details/org/model-{model}" / TIME
        folder.mkdir(parents=True)
        wanted = count // models
        size += _write_file(layout, folder, wanted, seed=model)
        scores = root / f"results/org/model-{model}/results_{TIME}.json"
        scores.parent.mkdir(parents=True)
        entry = {TASK: {"bac-fr-qem": 0.5}} if layout != "samples" else {"bac-fr": {"bac-fr-qem,none": 0.5}}
        scores.write_text(json.dumps({"model_name": f"org/model-{model}", "results": entry}))
    return size


def _write_file(layout: str, folder: Path, count: int, *, seed: int) -> int:
    size = 0
    source = rows(count, seed)
    if layout == "samples":
        with (folder / f"samples_bac-fr_{TIME}.jsonl").open("w", encoding="utf-8") as file:
            for number, row in enumerate(source):
                line = json.dumps(_sample(number, row)) + "\n"
                size += len(line)
                file.write(line)
        return size
    group = count if layout == "one_group" else 2_000
    schema = None
    writer: pq.ParquetWriter | None = None
    path = folder / f"details_{TASK}_{TIME}.parquet"
    while chunk := [row for _, row in zip(range(group), source, strict=False)]:
        size += sum(
            len(str(row["predictions"])) + len(row["example"]) + len(row["full_prompt"]) for row in chunk
        )
        table = _table(layout, chunk, schema)
        schema = table.schema
        writer = writer or pq.ParquetWriter(path, schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()
    return size


def _table(layout: str, chunk: Sequence[dict[str, Any]], schema: pa.Schema | None) -> pa.Table:
    if layout == "strings":
        return pa.Table.from_pylist([{key: str(value) for key, value in row.items()} for row in chunk])
    if layout == "structs":
        return pa.Table.from_pylist([_structs(row) for row in chunk], schema=schema)
    return pa.Table.from_pylist(list(chunk), schema=SCHEMA)


def _structs(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "__doc__": {"query": row["example"], "choices": row["gold"], "gold_index": 0, "id": "0"},
        "__model_response__": {"input": row["full_prompt"], "text": row["predictions"]},
        "__metric__": row["metrics"],
    }


def _sample(number: int, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "doc_id": number, "doc": {"enonce": row["example"]}, "target": row["gold"][0],
        "arguments": {"gen_args_0": {"arg_0": row["full_prompt"]}}, "resps": [row["predictions"]],
        "filtered_resps": row["predictions"], "filter": "none", "metrics": ["bac-fr-qem"],
        "bac-fr-qem": row["metrics"]["bac-fr-qem"],
    }  # fmt: skip


def rescore(root: Path, workers: int) -> dict[str, Any]:
    """Re-score everything; time in seconds, memory in MB (1e6 bytes)."""
    begin = time.monotonic()
    process = psutil.Popen(
        [
            sys.executable, "-m", "palmares.cli.main", "rescore", str(root / "details"), "--scores-dir",
            str(root / "results"), "--workers", str(workers), "--force", "--json",
        ],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    peaks: dict[int, int] = {}
    together = 0
    while process.poll() is None:
        sizes = _sizes(process)
        together = max(together, sum(sizes.values()))
        for pid, size in sizes.items():
            peaks[pid] = max(peaks.get(pid, 0), size)
        time.sleep(EVERY_S)
    took = time.monotonic() - begin
    answer = json.loads(process.stdout.read())
    if process.returncode != 0:
        raise SystemExit(f"palmares rescore left something out: {answer['problems']}")
    count = sum(one["rows"] for one in answer["graded"])
    return {
        "workers": workers,
        "seconds": round(took, 2),
        "rows_per_s": round(count / took),
        "peak_mb_of_the_largest_process": round(max(peaks.values()) / 1e6),
        "peak_mb_of_all_processes": round(together / 1e6),
        "slow_rows": sum(one["slow"] for one in answer["graded"]),
    }


def _sizes(process: psutil.Process) -> dict[int, int]:
    found = {}
    try:
        for one in (process, *process.children(recursive=True)):
            found[one.pid] = one.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return found


def main() -> None:
    """Write, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000, help="of each layout")
    parser.add_argument("--layout", nargs="+", choices=LAYOUTS, default=list(LAYOUTS))
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--keep", type=Path, help="write the details here, and leave them")
    parser.add_argument("--json", action="store_true", help="one object for programs")
    given = parser.parse_args()
    machine = {"cores": os.cpu_count(), "memory_gb": round(psutil.virtual_memory().total / 1e9, 1)}
    report: dict[str, Any] = {"machine": machine, "rows": given.rows, "layouts": {}}
    for layout in given.layout:
        folder = given.keep or Path(tempfile.mkdtemp(prefix="palmares-rescoring-"))
        root = folder / layout
        try:
            size = write(layout, given.rows, root)
            runs = [rescore(root, workers) for workers in given.workers]
        finally:
            if given.keep is None:
                shutil.rmtree(folder)
        of_one = runs[0]["seconds"]
        found = {
            "texts_mb": round(size / 1e6),
            "runs": runs,
            "speed_up": {run["workers"]: round(of_one / run["seconds"], 2) for run in runs[1:]},
            "within_limit": all(run["peak_mb_of_the_largest_process"] <= LIMIT_MB for run in runs),
        }
        report["layouts"][layout] = found
        if not given.json:
            print(f"{layout}: {json.dumps(found)}", flush=True)
    if given.json:
        print(json.dumps(report, indent=2))
    else:
        print(json.dumps(machine))


if __name__ == "__main__":
    main()
