"""Public data of a leaderboard, written to a Hub as the sweep would: table, requests, results, queue."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterable, Mapping
from typing import Any

ORG = "palmares-demo"
CONTENTS, REQUESTS, RESULTS = f"{ORG}/contents", f"{ORG}/requests", f"{ORG}/results"
TITLES = ("BAC-fr", "IFEval-fr", "GPQA-fr")
HOSTILE = '<script>alert("x")</script>'


def record(name: str, average: float | None, **changes: Any) -> dict[str, Any]:
    """A row of the contents table; *average* in per cent."""
    made: dict[str, Any] = {
        "eval_name": f"{name.replace('/', '_')}_bfloat16",
        "Precision": "bfloat16",
        "Type": "💬 chat models (RLHF, DPO, IFT, ...)",
        "T": "💬",
        "Weight type": "Original",
        "Architecture": "LlamaForCausalLM",
        "Model": f'<a href="http://hub/{name}">{name}</a>',
        "fullname": name,
        "Model sha": "a" * 40,
        "Average ⬆️": average,
        "Hub License": "apache-2.0",
        "Hub ❤️": 3,
        "#Params (B)": 7.2,
        "Available on the hub": True,
        "MoE": False,
        "Flagged": False,
        "Chat Template": True,
        "CO₂ cost (kg)": 0.4,
        "Upload To Hub Date": "2026-01-02",
        "Submission Date": "2026-01-03",
        "Generation": 0,
        "Base Model": name,
        "Rank": None,
        "Average Stderr": 2.0,
        "GPU-hours": 1.5,
        "Moderation": None,
        "Moderation Reason": None,
        "Moderation Link": None,
        "Former Names": [],
        "Evaluation Date": "2026-01-04T03:00:00Z",
        "Suite": "fr",
        "Suite Hash": "b" * 64,
        "Evaluator": "1",
        "Job Key": "c" * 32,
    }
    for title in TITLES:
        made |= {title: average, f"{title} Raw": None if average is None else average / 100}
        made[f"{title} Stderr"] = 3.0
    return made | changes


def small_board() -> list[dict[str, Any]]:
    """Six models: two that the data cannot part, a flagged, a withdrawn, a renamed and a hostile one."""
    return [
        record("org/premier", 80.0, Rank=1, **{"Hub License": "mit"}),
        record("org/deuxième", 60.0, Rank=2, **{"Former Names": ["org/ancien"]}),
        record("autre/troisieme", 58.0, Rank=3, **{"Type": "🤝 base merges and moerges", "#Params (B)": 0.5}),
        record(
            "org/perfect", 40.0, Rank=4,
            **{"BAC-fr": 100.0, "BAC-fr Raw": 1.0, "BAC-fr Stderr": 0.0, "Chat Template": False},
        ),
        record(
            "org/flagged", 90.0,
            **{
                "Flagged": True, "Moderation": "flagged", "Moderation Reason": HOSTILE,
                "Moderation Link": "javascript:alert(1)",
            },
        ),
        record("org/withdrawn", None, **{"Moderation": "withdrawn", "Average Stderr": None}),
    ]  # fmt: skip


def many(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """*count* models, made up."""
    draw = random.Random(seed)
    licenses = ("apache-2.0", "mit", "llama3.1", "cc-by-nc-4.0")
    rows = [
        record(
            f"{draw.choice(('mistralai', 'Qwen', 'org', 'labo'))}/model-{number:05d}-{draw.choice('abc')}",
            draw.uniform(5, 95),
            **{
                "Average Stderr": draw.uniform(0.5, 3),
                "#Params (B)": draw.choice((0.5, 1.5, 7.2, 32.0, 70.6)),
                "Hub License": draw.choice(licenses),
                "Precision": draw.choice(("bfloat16", "float16")),
                "Submission Date": f"2026-{draw.randint(1, 11):02d}-{draw.randint(1, 28):02d}",
            },
        )
        for number in range(count)
    ]
    rows.sort(key=lambda row: -row["Average ⬆️"])
    for place, row in enumerate(rows, start=1):
        row["Rank"] = place
    return rows


def parquet(rows: Iterable[Mapping[str, Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    output = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), output)
    return output.getvalue()


def request(model: str, status: str = "PENDING", **changes: Any) -> tuple[str, bytes]:
    """Path and content of a request file."""
    precision = changes.get("precision", "bfloat16")
    fields = {
        "model": model, "base_model": "", "revision": "main", "private": False, "precision": precision,
        "weight_type": "Original", "status": status, "submitted_time": "2026-01-03T04:05:06Z",
        "use_chat_template": True, "sender": "someone",
    } | changes  # fmt: skip
    return f"{model}_eval_request_False_{precision}_Original.json", json.dumps(fields).encode()


def requests() -> dict[str, bytes]:
    """One request of each state."""
    return dict(
        (
            request("org/attend"),
            request("org/attend2"),
            request("org/tourne", "RUNNING"),
            request("org/premier", "FINISHED"),
            request(
                "org/echoue",
                "FAILED",
                error_msg=f"not_found: There is no model {HOSTILE}. Check the spelling.",
            ),
            request("org/annule", "CANCELLED"),
            request("org/prive", private=True),
        )
    )


def queue() -> bytes:
    """``queue.json`` as the sweep publishes it."""
    why = {"en": ["First of its organisation."], "fr": ["Première de son organisation."]}
    rows = [
        {"path": request("org/attend")[0], "place": 2, "starts": "2026-12-01T03:00:00+00:00", "why": why},
        {"path": request("org/attend2")[0], "place": 1, "starts": "2026-12-01T03:00:00+00:00", "why": why},
        {"path": request("org/tourne")[0], "phase": "running", "rows_done": 40, "rows": 144},
    ]
    return json.dumps({"generated_at": "2026-11-30T12:00:00+00:00", "requests": rows}).encode()


def result() -> dict[str, bytes]:
    """Two results and a provenance of ``org/premier``."""

    def scores(value: float, version: str) -> bytes:
        score = {"value": value, "stderr": 0.03, "scorer": "bac-fr", "scorer_version": version}
        return json.dumps({"config_general": {}, "palmares": {"scores": {"bac-fr": score}}}).encode()

    return {
        "org/premier/results_2026-01-04T03-00-00.000000.json": scores(0.7, "1"),
        "org/premier/results_2026-02-04T03-00-00.000000.json": scores(0.8, "2"),
        "org/premier/provenance_2026-02-04T03-00-00.000000.json": json.dumps(
            {"reproduce": {"command": "palmares evaluate org/premier --suite fr"}}
        ).encode(),
    }


def publish(endpoint: str, token: str, rows: Iterable[Mapping[str, Any]], *, files: bool = True) -> None:
    """Write everything to the Hub at *endpoint*."""
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(endpoint=endpoint, token=token)
    contents = {"data/train-00000-of-00001.parquet": parquet(rows)}
    datasets: dict[str, dict[str, bytes]] = {CONTENTS: contents}
    if files:
        contents["queue.json"] = queue()
        datasets |= {REQUESTS: requests(), RESULTS: result()}
    for repo, content in datasets.items():
        api.create_repo(repo, repo_type="dataset", exist_ok=True)
        operations = [
            CommitOperationAdd(path_in_repo=path, path_or_fileobj=data) for path, data in content.items()
        ]
        api.create_commit(repo, operations, commit_message="Publish", repo_type="dataset")
