"""Evaluates one model without ClearML: ``python -m palmares.evaluator.run_local MODEL --datasets DIR …``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from palmares.contract import UserProperty
from palmares.evaluator.artifact import zip_artifact
from palmares.evaluator.console import say
from palmares.evaluator.evaluation import evaluate_model
from palmares.evaluator.failures import EvaluationFailure
from palmares.evaluator.rows import ignore_rows
from palmares.evaluator.settings import read_settings

SHOW_ERRORS = "PALMARES_SHOW_ERRORS"
"""Environment variable: ``1`` lets unexpected errors show their messages, which may quote rows."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m palmares.evaluator.run_local", description=__doc__)
    parser.add_argument("model", help="Hub id, or a folder (write ./folder)")
    parser.add_argument("--revision", default="main")
    parser.add_argument("--tasks", required=True, help="comma-separated keys, e.g. 'community|bac-fr|0'")
    parser.add_argument(
        "--datasets", default=os.environ.get("DATASETS_DIRECTORY"), help="folder of the datasets"
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="folder for the job; resumed if it is there"
    )
    parser.add_argument("--backend", default="hf", help="hf, hf-seq2seq or vllm")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--no-chat-template", action="store_true")
    parser.add_argument("--limit-samples", default="")
    parser.add_argument("--max-gen-toks", default="", help="tokens to generate at most, for every task")
    parser.add_argument("--max-model-length", default="")
    parser.add_argument("--batch-size", default="", help="rows at once, with the hf backends")
    parser.add_argument("--tensor-parallel-size", type=int, help="GPUs that share each layer, with vllm")
    parser.add_argument("--pipeline-parallel-size", type=int, help="groups of GPUs in a row, with vllm")
    parser.add_argument("--max-num-seqs", type=int, help="rows in flight, with vllm")
    parser.add_argument("--gpu-memory-utilization", default="", help="share of a GPU's memory, with vllm")
    parser.add_argument("--enforce-eager", action="store_true", help="start without compiling, with vllm")
    parser.add_argument("--seed", default="42")
    parser.add_argument("--zip", action="store_true", help="also write results.zip, as ClearML would get it")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run; print progress, then the single values.

    Returns:
        0, or 1 after a last line that begins with ``PALMARES_FAILURE``.
    """
    asked = _parser().parse_args(arguments)
    general = {
        "model": asked.model,
        "revision": asked.revision,
        "tasks": asked.tasks,
        "backend": asked.backend,
        "dtype": asked.dtype,
        "use_chat_template": str(not asked.no_chat_template),
        "limit_samples": asked.limit_samples,
        "max_gen_toks": asked.max_gen_toks,
        "max_model_length": asked.max_model_length,
        "batch_size": asked.batch_size,
        "seed": asked.seed,
        "gpu_memory_utilization": asked.gpu_memory_utilization,
        "enforce_eager": str(asked.enforce_eager),
        "suite": "fr",
    }
    plan = {
        name: getattr(asked, name)
        for name in ("tensor_parallel_size", "pipeline_parallel_size", "max_num_seqs")
    }
    try:
        settings = read_settings(
            {f"General/{name}": value for name, value in general.items()},
            {UserProperty.PLAN: json.dumps(plan)},
            datasets_directory=asked.datasets,
            allow_local=True,
        )
        done = evaluate_model(
            settings,
            asked.output,
            clearml_task_id="",
            progress=say,
            on_rows=ignore_rows,
            show_errors=os.environ.get(SHOW_ERRORS) == "1",
        )
    except EvaluationFailure as failure:
        print(failure.console_line, flush=True)
        return 1
    if asked.zip:
        zip_artifact(done.folder, asked.output / "results.zip")
    for name, value in done.single_values.items():
        print(f"{name} = {value:.4f}")
    print(done.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
