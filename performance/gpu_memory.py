"""Compares the planner's bytes per GPU with what vLLM really takes, where there is a GPU.

`.venv-evaluator/bin/python performance/gpu_memory.py [CONFIG …] [--gpus N] [--json]`, in the environment of
requirements-evaluator.txt (vLLM, CUDA). Needs no weights and no network: each model is made from its
config.json alone, with weights of random numbers. Without a GPU or vLLM it says so and exits 2.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "include")]

from palmares.cli.planning import inputs  # noqa: E402 - a script, run by its path
from palmares.leaderboard.clusters import Cluster  # noqa: E402 - needs the path
from palmares.leaderboard.errors import RefusedError  # noqa: E402 - needs the path
from palmares.leaderboard.planning import JobPlan, plan_job  # noqa: E402 - needs the path
from palmares.leaderboard.settings import DEFAULT_CONFIG_DIR, Settings, load_settings  # noqa: E402 - needs the path

LIKE = "musa"
"""The cluster whose constants are checked; memory and number of GPUs are this machine's."""
LONGEST_START_S = 1_200
GIB = 2**30
LINES = {
    "weights": re.compile(r"Model loading took ([0-9.]+) GiB"),
    "kv_available": re.compile(r"Available KV cache memory: (-?[0-9.]+) GiB"),
    "graphs": re.compile(r"Graph capturing finished in [0-9.]+ secs?, took ([0-9.]+) GiB"),
}
"""What vLLM's workers log as they start, in GiB a GPU (v1/worker/gpu_worker.py, gpu_model_runner.py)."""
CONFIGS: dict[str, dict[str, Any]] = {
    "llama-3.2-1b-like": {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 2048,
        "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32,
        "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128256, "max_position_embeddings": 131072,
        "tie_word_embeddings": True, "torch_dtype": "bfloat16", "rms_norm_eps": 1e-5,
    },
    "llama-3.1-8b-like": {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096,
        "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072,
        "tie_word_embeddings": False, "torch_dtype": "bfloat16", "rms_norm_eps": 1e-5,
    },
    "qwen3-30b-a3b-like": {
        "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "hidden_size": 2048,
        "intermediate_size": 6144, "num_hidden_layers": 48, "num_attention_heads": 32,
        "num_key_value_heads": 4, "head_dim": 128, "vocab_size": 151936, "max_position_embeddings": 40960,
        "num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768, "norm_topk_prob": True,
        "tie_word_embeddings": False, "torch_dtype": "bfloat16", "rms_norm_eps": 1e-6,
    },
}  # fmt: skip
"""Shapes of known models (tests/data/models.csv), small to large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One model: bytes a GPU as predicted, and as vLLM told."""

    model: str
    gpus: int
    predicted: Mapping[str, int]
    real: Mapping[str, int]

    @property
    def ratios(self) -> dict[str, float]:
        """Predicted over real; above 1 the planner was careful."""
        return {name: self.predicted[name] / real for name, real in self.real.items() if real > 0}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "configs", nargs="*", type=Path, help="config.json files; default: three known shapes"
    )
    parser.add_argument("--gpus", type=int, default=1, help="tensor parallel over this many GPUs")
    parser.add_argument("--json", action="store_true", dest="as_json")
    options = parser.parse_args()
    memory = gpu_memory_bytes()
    if memory is None or importlib.util.find_spec("vllm") is None:
        missing = "no GPU (nvidia-smi finds none)" if memory is None else "no vLLM in this environment"
        print(
            f"Not measured: {missing}. Run it on a GPU machine with requirements-evaluator.txt.",
            file=sys.stderr,
        )
        return 2
    settings = load_settings(DEFAULT_CONFIG_DIR)
    configs = {inputs.name_of(path): inputs.read_config(path) for path in options.configs} or CONFIGS
    found = [
        compare(name, config, machine(settings, memory=memory, gpus=options.gpus), settings)
        for name, config in configs.items()
    ]
    done = [one for one in found if one is not None]
    if options.as_json:
        print(
            json.dumps(
                [
                    {
                        "model": one.model,
                        "gpus": one.gpus,
                        "predicted": dict(one.predicted),
                        "real": dict(one.real),
                    }
                    for one in done
                ],
                indent=2,
            )
        )
        return 0
    print(f"GPU memory {memory / GIB:.1f} GiB, {options.gpus} GPU; GiB a GPU, predicted / real (ratio)")
    for one in done:
        cells = [
            f"{name} {one.predicted[name] / GIB:.2f} / {one.real[name] / GIB:.2f} ({ratio:.2f})"
            for name, ratio in one.ratios.items()
        ]
        print(f"{one.model:24} {'   '.join(cells)}")
    return 0


def gpu_memory_bytes() -> int | None:
    """Memory of the smallest GPU, as the driver reports it; None: there is none."""
    try:
        said = subprocess.run(
            ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    sizes = [int(line) for line in said.split() if line.isdecimal()]
    return min(sizes) * 2**20 if sizes else None


def machine(settings: Settings, *, memory: int, gpus: int) -> Cluster:
    """This machine, with the constants of the cluster that is checked."""
    return settings.cluster(LIKE).model_copy(
        update={
            "name": "this-machine", "nodes": 1, "gpus_per_node": gpus, "gpu_memory_bytes": memory,
            "allocation": "node", "queues": {"*": "none"},
        }
    )  # fmt: skip


def compare(name: str, config: dict[str, Any], cluster: Cluster, settings: Settings) -> Comparison | None:
    """Plan a model, start it, and put both accounts side by side; None: it cannot be planned or started."""
    facts = inputs.facts_from_config(config, name=name, weights_bytes=None)
    suite = settings.suite()
    try:
        plan = plan_job(facts, inputs.submission_of(facts, suite, precision="bfloat16"), suite, cluster)
    except RefusedError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return None
    log = start(config, plan)
    real = real_bytes(log)
    if "kv_available" not in real:
        print(f"{name}: vLLM did not start. Its last lines:\n{log[-2_000:]}", file=sys.stderr)
        return None
    used = plan.bytes_per_gpu
    predicted = {
        "weights": used["weights"],
        "graphs": used["graphs"],
        "kv_available": used.get("kv", 0) + used["free"],
    }
    return Comparison(
        model=name,
        gpus=plan.tensor_parallel_size * plan.pipeline_parallel_size,
        predicted=predicted,
        real=real,
    )


def start(config: Mapping[str, Any], plan: JobPlan) -> str:
    """Start vLLM with random weights of this shape, as the plan says, and return what it logged."""
    with tempfile.TemporaryDirectory(prefix="palmares-gpu-memory-") as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config), encoding="utf-8")
        arguments = {
            "model": folder, "load_format": "dummy", "skip_tokenizer_init": True, "dtype": plan.dtype,
            "tensor_parallel_size": plan.tensor_parallel_size,
            "pipeline_parallel_size": plan.pipeline_parallel_size,
            "gpu_memory_utilization": plan.gpu_memory_utilization, "max_model_len": plan.max_model_len,
            "max_num_seqs": plan.max_num_seqs, "enforce_eager": plan.enforce_eager,
        }  # fmt: skip
        code = "import json, sys; from vllm import LLM; LLM(**json.loads(sys.argv[1]))"
        done = subprocess.run(
            [sys.executable, "-c", code, json.dumps(arguments)],
            env={**os.environ, "HF_HUB_OFFLINE": "1", "VLLM_LOGGING_LEVEL": "INFO"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST_START_S,
        )
    return done.stdout


def real_bytes(log: str) -> dict[str, int]:
    """Read the workers' accounts: of several, the fullest GPU's."""
    found: dict[str, int] = {}
    for name, pattern in LINES.items():
        sizes = [float(size) for size in pattern.findall(log)]
        if sizes:
            fullest = min(sizes) if name == "kv_available" else max(sizes)
            found[name] = int(fullest * GIB)
    return found


if __name__ == "__main__":
    sys.exit(main())
