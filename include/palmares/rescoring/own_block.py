"""Keeps the ``palmares`` block of results files that this project published in step with new scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from palmares.benchmarks.statistics import mean, normalize
from palmares.leaderboard.json_patch import Path as Keys
from palmares.rescoring.naming import short_name

if TYPE_CHECKING:
    from palmares.rescoring.update import Change, NewScore


def own_block_changes(
    data: Mapping[str, Any],
    changes: Sequence[tuple[Change, NewScore]],
    baselines: Mapping[str, float],
) -> dict[Keys, Any]:
    """Edits of ``palmares.scores`` and ``palmares.average``; none for files of other programs.

    Args:
        data: The results file.
        changes: What changes in its ``results``.
        baselines: What guessing scores, by short task name.
    """
    block = data.get("palmares")
    own = block.get("scores") if isinstance(block, dict) else None
    if not isinstance(block, dict) or not isinstance(own, dict):
        return {}
    edits: dict[Keys, Any] = {}
    shown = {task: score.get("shown") for task, score in own.items() if isinstance(score, dict)}
    for change, score in changes:
        task = short_name(change.task_key)
        entry = own.get(task)
        if not isinstance(entry, dict):
            continue
        shown[task] = normalize(score.value, baseline=baselines.get(task, 0.0))
        values = {
            "value": score.value,
            "stderr": score.stderr,
            "shown": shown[task],
            "n": score.rows,
            "scorer": score.scorer.name,
            "scorer_version": score.scorer.version,
            "scorer_hash": score.scorer.hash,
        }
        edits |= {
            ("palmares", "scores", task, name): value
            for name, value in values.items()
            if entry.get(name) != value
        }
        if isinstance(entry.get("parts"), dict) and change.metric in entry["parts"]:
            edits["palmares", "scores", task, "parts", change.metric] = score.value
    if edits and isinstance(block.get("average"), int | float):
        known = [value for value in shown.values() if isinstance(value, int | float)]
        if len(known) == len(own):
            edits["palmares", "average"] = mean([float(value) for value in known])
    return edits
