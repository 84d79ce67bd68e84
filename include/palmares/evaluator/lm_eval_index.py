"""Lists lm-eval's own tasks for the side that has no lm-eval.

Run ``python -m palmares.evaluator.lm_eval_index`` when lm-eval's pin in requirements-evaluator*.txt changes:
the file that it writes names that version, and the evaluator refuses lm-eval's tasks with another one.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from palmares.benchmarks.lm_eval import INDEX_PATH

_DEFAULT_METRICS = {
    "generate_until": ["exact_match"],
    "loglikelihood": ["perplexity", "acc"],
    "loglikelihood_rolling": ["word_perplexity", "byte_perplexity", "bits_per_byte"],
    "multiple_choice": ["acc", "acc_norm"],
}
"""What lm-eval computes for a task without ``metric_list`` (``lm_eval/api/registry.py``)."""


def describe(cfg: dict[str, Any], root: Path) -> dict[str, Any]:
    """Say what a suite needs to know of a task.

    Args:
        cfg: The task's YAML with what it includes; functions as ``<folder>/<module>.<name>``.
        root: lm-eval's folder of tasks: paths below it are written relatively.

    Returns:
        ``t`` output type, ``m`` metrics with their filters, ``l`` those where lower is better, ``n`` examples
        (null: as asked), ``sha`` the definition's hash. `build` adds ``p``, the folder of its YAML.
    """
    output_type = str(cfg.get("output_type") or "generate_until")
    listed = cfg.get("metric_list")
    metrics = [one for one in listed or [] if isinstance(one, dict)]
    names = [str(one["metric"]) for one in metrics] if metrics else _DEFAULT_METRICS.get(output_type, [])
    names = [name.rsplit(".", 1)[-1] if "/" in name else name for name in names]
    filters = [str(one["name"]) for one in cfg.get("filter_list") or []] or ["none"]
    lower = [str(one["metric"]).rsplit("/", 1)[-1] for one in metrics if one.get("higher_is_better") is False]
    found = {
        "t": output_type,
        "m": [f"{name},{one}" for name in names for one in filters],
        "n": cfg.get("num_fewshot"),
        "sha": definition_sha256(cfg, root),
    }
    return {**found, "l": lower} if lower else found


def definition_sha256(cfg: dict[str, Any], root: Path) -> str:
    """Hash a task's resolved YAML and the Python that it names; 32 hex digits."""
    modules: set[Path] = set()

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(key): plain(one) for key, one in value.items()}
        if isinstance(value, list):
            return [plain(one) for one in value]
        if isinstance(value, str) and value.startswith(str(root)):
            module = Path(value.rsplit(".", 1)[0] + ".py")
            if module.is_file():
                modules.add(module)
            return value.removeprefix(str(root))
        return value if isinstance(value, str | int | float | bool) or value is None else str(value)

    digest = hashlib.sha256(json.dumps(plain(cfg), sort_keys=True, ensure_ascii=False).encode())
    for module in sorted(modules):
        digest.update(module.relative_to(root).as_posix().encode() + b"\0" + module.read_bytes() + b"\0")
    return digest.hexdigest()[:32]


def build() -> dict[str, Any]:
    """Read every task of the lm-eval that is installed here."""
    import lm_eval.tasks
    from lm_eval.tasks._index import Kind, TaskIndex

    root = Path(lm_eval.tasks.__file__).resolve().parent
    tasks: dict[str, Any] = {}
    groups: dict[str, Any] = {}
    for name, entry in sorted(TaskIndex.build([root]).items()):
        cfg = entry.cfg or {}
        if entry.kind is Kind.TASK:
            tasks[name] = describe(cfg, root)
            if entry.yaml_path is not None:
                tasks[name]["p"] = entry.yaml_path.resolve().relative_to(root).parent.as_posix()
        elif entry.kind is Kind.GROUP:
            members = cfg.get("task") or []
            named = [one if isinstance(one, str) else one.get("task") or one.get("group") for one in members]
            weighted = any(
                one.get("weight_by_size", True)
                for one in cfg.get("aggregate_metric_list") or [{}]
                if isinstance(one, dict)
            )
            groups[name] = {"members": [str(one) for one in named], "by_size": weighted}
        elif entry.kind is Kind.TAG:
            groups[name] = {"members": sorted(entry.tags), "by_size": True, "tag": True}
        else:
            tasks[name] = {"t": "class", "m": None, "n": None, "sha": definition_sha256(cfg, root)}
    return {"lm_eval": version("lm_eval"), "tasks": tasks, "groups": groups}


def main() -> None:
    """Write the index beside the benchmarks; the same bytes for the same lm-eval."""
    index = build()
    text = json.dumps(index, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    INDEX_PATH.write_bytes(gzip.compress(text.encode(), mtime=0))
    counts = f"{len(index['tasks'])} tasks, {len(index['groups'])} groups"
    print(f"{INDEX_PATH}: {counts} of lm-eval {index['lm_eval']}")


if __name__ == "__main__":
    main()
