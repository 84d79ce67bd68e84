"""What a task's document keeps of its events: last values, extremes, means and counts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from devstack.servers.clearml.documents import Document, stamp

SINGLE_VALUE_ITERATION = -(2**31)
"""The iteration under which the SDK reports a value that has no iteration."""


def key_of(name: str) -> str:
    """The key of a metric or variant in a task's ``last_metrics``: names may hold dots."""
    return hashlib.md5(name.encode(errors="surrogatepass"), usedforsecurity=False).hexdigest()


def update_metrics(task: Document, events: Iterable[Document]) -> None:
    """Fold *events* into the task's ``last_metrics``, ``metric_stats``, ``unique_metrics`` and iteration."""
    for event in events:
        metric, variant = event["metric"] or "", event["variant"] or ""
        stats = task["metric_stats"].setdefault(key_of(metric), {"metric": metric, "event_stats_by_type": {}})
        stats["event_stats_by_type"][event["type"]] = {"last_update": stamp()}
        iteration = event.get("iter") or 0
        task["last_iteration"] = max(task["last_iteration"], iteration)
        if event["type"] != "training_stats_scalar":
            continue
        name = f"{metric}/{variant}"
        if name not in task["unique_metrics"]:
            task["unique_metrics"].append(name)
        variants = task["last_metrics"].setdefault(key_of(metric), {})
        variants[key_of(variant)] = _fold(variants.get(key_of(variant)), event, iteration)


def _fold(last: Document | None, event: Document, iteration: int) -> Document:
    value: Any = event["value"]
    if last is None:
        edges = {f"{edge}_value": value for edge in ("min", "max", "first")}
        iterations = {f"{edge}_value_iteration": iteration for edge in ("min", "max", "first")}
        names = {"metric": event["metric"], "variant": event["variant"]}
        return {**names, "value": value, "mean_value": value, "count": 1, **edges, **iterations}
    folded = {**last, "value": value, "count": last["count"] + 1}
    # Divided first: the sum of two large values may be infinite, their mean is not.
    count = folded["count"]
    folded["mean_value"] = last["mean_value"] * (last["count"] / count) + value / count
    for edge, better in (("min", value < last["min_value"]), ("max", value > last["max_value"])):
        if better:
            folded |= {f"{edge}_value": value, f"{edge}_value_iteration": iteration}
    return folded
