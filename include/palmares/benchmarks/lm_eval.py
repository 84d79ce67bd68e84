"""Benchmarks that are lm-eval's own tasks: the name is enough, all else comes from an index."""

from __future__ import annotations

import difflib
import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from palmares.benchmarks.benchmark import Benchmark, Kind, Metric, StoredMetric
from palmares.benchmarks.errors import UnknownBenchmarkError

INDEX_PATH: Final = Path(__file__).with_name("lm_eval_tasks.json.gz")
"""Written by ``palmares.evaluator.lm_eval_index``; it names the version of lm-eval."""
_KINDS: Final[dict[str, Kind]] = {
    "generate_until": "generate",
    "multiple_choice": "loglikelihood",
    "loglikelihood": "loglikelihood",
}
_PREFERRED: Final = ("acc_norm", "acc", "exact_match")
"""The metric that a suite shows where it does not say which."""


@dataclass(frozen=True, kw_only=True)
class LmEvalBenchmark(Benchmark):
    """A task of lm-eval's own."""

    sha256: str
    """Of its definition in lm-eval, as the index has it."""
    source: str
    """Folder of its YAML, below lm-eval's folder of tasks."""

    def details_row(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        target = sample["target"]
        asked = [argument[1] for argument in sample["arguments"]]
        if self.kind == "loglikelihood":
            likelihoods = [float(response[0][0]) for response in sample["resps"]]
            best = max(range(len(likelihoods)), key=likelihoods.__getitem__)
            choices = [str(text).strip() for text in asked]
            is_place = isinstance(target, int) and 0 <= target < len(choices)
            return {
                "example": sample["arguments"][0][0],
                "choices": choices,
                "gold": [choices[target] if is_place else str(target)],
                "gold_index": [target] if is_place else [],
                "pred_logits": likelihoods,
                "predictions": [choices[best]],
            }
        return {
            "example": sample["arguments"][0][0],
            "choices": [],
            "gold": [str(one) for one in (target if isinstance(target, list) else [target])],
            "gold_index": [],
            "predictions": [str(text) for text in sample["resps"][0]],
        }

    def definition_sha256(self) -> str:
        return self.sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class LmEvalGroup:
    """A group or a tag of lm-eval: tasks under one name."""

    name: str
    members: tuple[str, ...]
    by_size: bool
    """Whether lm-eval weighs its members by their rows."""


def version() -> str:
    """The version of lm-eval whose tasks the index has."""
    return str(_index()["lm_eval"])


@cache
def find(name: str) -> LmEvalBenchmark | None:
    """A task of lm-eval as a benchmark; None: it has no such task, or one that is not scored row by row."""
    task = _index()["tasks"].get(name)
    if task is None or task["t"] not in _KINDS or not task["m"]:
        return None
    lower = set(task.get("l", ()))
    metrics = tuple(
        Metric(name=one, filter=by, higher_is_better=one not in lower, row_value="number")
        for one, _, by in (key.rpartition(",") for key in task["m"])
    )
    shown = next(
        (metric for preferred in _PREFERRED for metric in metrics if metric.name == preferred), metrics[0]
    )
    return LmEvalBenchmark(
        name=name,
        title=name,
        lm_eval_task=name,
        kind=_KINDS[task["t"]],
        definition=None,
        dataset=None,
        # lm-eval's own number is what a run without one gets: zero.
        num_fewshot=int(task["n"] or 0),
        any_fewshot=task["n"] != 0,
        source=str(task.get("p", "")),
        metrics=metrics,
        score_metrics=(shown.label,),
        stored=StoredMetric(names=(shown.label,)),
        sha256=str(task["sha"]),
    )


def find_group(name: str) -> LmEvalGroup | None:
    """A group or tag of lm-eval; None: it has none of that name."""
    group = _index()["groups"].get(name)
    if group is None:
        return None
    return LmEvalGroup(name=name, members=tuple(group["members"]), by_size=bool(group["by_size"]))


def leaves(name: str) -> Iterator[str]:
    """The tasks below a group, in its order; of a task, itself.

    Raises:
        UnknownBenchmarkError: lm-eval has neither a task nor a group of that name.
    """
    group = find_group(name)
    if group is None:
        if name not in _index()["tasks"]:
            raise UnknownBenchmarkError(f"lm-eval has no task or group {name!r}. {nearest(name)}")
        yield name
        return
    for member in group.members:
        yield from leaves(member)


def nearest(name: str) -> str:
    """A hint at the nearest name of lm-eval's."""
    names = (*_index()["tasks"], *_index()["groups"])
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"Nor is it one of the {len(names)} names of lm-eval {version()}."


@cache
def _index() -> dict[str, Any]:
    index: dict[str, Any] = json.loads(gzip.decompress(INDEX_PATH.read_bytes()))
    return index
