"""Makes lm-eval's results JSON public: keeps numbers and settings, drops samples, prompts and paths."""

from __future__ import annotations

import json
from typing import Any

from palmares.leaderboard.errors import ResultsFormatError

TOP_LEVEL = (
    "results", "groups", "group_subtasks", "configs", "versions", "n-shot", "higher_is_better", "n-samples",
    "config", "git_hash", "date", "transformers_version", "lm_eval_version", "task_hashes", "model_source",
    "system_instruction_sha", "fewshot_as_multiturn", "chat_template_sha", "start_time", "end_time",
    "total_evaluation_time_seconds",
)  # fmt: skip
"""Kept; ``samples`` holds hidden rows, ``chat_template`` and ``pretty_env_info`` say what nobody needs."""
TASK_CONFIG = (
    "task", "task_alias", "output_type", "num_fewshot", "repeats", "should_decontaminate", "test_split",
    "generation_kwargs",
)  # fmt: skip
"""Kept of a task's config: the rest can quote prompts, rows or paths of the machine."""
RUN_CONFIG = (
    "model", "model_num_parameters", "model_dtype", "model_revision", "model_sha", "batch_size", "device",
    "limit", "bootstrap_iters", "gen_kwargs", "random_seed", "numpy_seed", "torch_seed", "fewshot_seed",
)  # fmt: skip
"""Kept of the run's config: ``model_args`` and ``use_cache`` hold paths."""


def public_lm_eval_json(content: bytes, *, model_id: str) -> bytes:
    """Keep what is listed above, and name the model by its id: lm-eval's own name may be a folder.

    Raises:
        ResultsFormatError: *content* is not a JSON object.
    """
    try:
        data = json.loads(content)
    except ValueError as error:
        raise ResultsFormatError(f"The lm-eval JSON cannot be read ({error}). Evaluate again.") from error
    if not isinstance(data, dict):
        raise ResultsFormatError("The lm-eval JSON is not an object. Evaluate again.")
    kept = _only(data, TOP_LEVEL) | {
        "model_name": model_id,
        "model_name_sanitized": model_id.replace("/", "__"),
    }
    if isinstance(kept.get("configs"), dict):
        kept["configs"] = {task: _only(config, TASK_CONFIG) for task, config in kept["configs"].items()}
    if "config" in kept:
        kept["config"] = _only(kept["config"], RUN_CONFIG)
    return (json.dumps(kept, ensure_ascii=False, indent=2) + "\n").encode()


def _only(data: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: data[name] for name in names if name in data} if isinstance(data, dict) else {}
