"""What a console's lines say about the cause of an outcome, each sign with its public source.

The order matters: the first signature of the table that any line shows decides. What a batch scheduler or a
GPU says comes before what a library makes of it, and a cause before the wrappers that follow it: an engine
that "failed to initialise", a collective that timed out because another rank had run out of memory.
Patterns match no free text: what they match may be shown (`console.safe_line`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from palmares.contract import FailureClass

_GITHUB: Final = "https://github.com/"
_SLURM: Final = r"\*\*\* (?:JOB|STEP) [\d._]{1,40} ON [\w.,\[\]-]{1,120} CANCELLED AT [\dT:-]{19} DUE TO "
_GIB: Final = r"[\d.]{1,12} ?[KMGT]i?B"


@dataclass(frozen=True, slots=True)
class Signature:
    """One sign."""

    pattern: re.Pattern[str]
    """Searched in each line."""
    failure_class: FailureClass
    sentence: str
    """For the request file and the logs; quotes nothing of the console."""
    source: str
    """Where such a line can be read in public."""


def _sign(failure_class: FailureClass, pattern: str, sentence: str, source: str) -> Signature:
    return Signature(re.compile(pattern), failure_class, sentence, source)


SCHEDULER: Final = (
    _sign(
        FailureClass.WALL_TIME,
        _SLURM + "TIME LIMIT",
        "The batch scheduler ended the job at its time limit.",
        _GITHUB + "ZettaAI/zetta_utils/issues/671",
    ),
    _sign(
        FailureClass.PREEMPTED,
        _SLURM + "PREEMPTION",
        "The batch scheduler gave the job's machine to another one.",
        _GITHUB + "SystemsGenetics/GEMmaker/pull/242",
    ),
    _sign(
        FailureClass.OUT_OF_MEMORY,
        r"slurmstepd: error: Detected \d+ oom[-_]kill event",
        "The job used more of the machine's memory than the batch scheduler allows.",
        _GITHUB + "chrisknewman/tusas/issues/149",
    ),
)
"""Said by the batch scheduler: it knows why it ended a job."""

MACHINE: Final = (
    _sign(
        FailureClass.NODE_LOST,
        r"(?:CUDA error: )?uncorrectable ECC error encountered",
        "A GPU's memory is defective.",
        _GITHUB + "vllm-project/vllm/issues/5222",
    ),
    _sign(
        FailureClass.NODE_LOST,
        r"NVRM: Xid \(PCI:[\da-f:.]{4,20}\): \d+|GPU has fallen off the bus",
        "A GPU failed.",
        _GITHUB + "wilicc/gpu-burn/issues/1",
    ),
    _sign(
        FailureClass.NODE_LOST,
        r"no CUDA-capable device is detected|No CUDA GPUs are available",
        "The machine's GPUs could not be seen.",
        _GITHUB + "vllm-project/vllm/issues/26774",
    ),
    _sign(
        FailureClass.NODE_LOST,
        r"\[Errno 28\] No space left on device|No space left on device \(os error 28\)",
        "The machine's disk is full.",
        _GITHUB + "huggingface/diffusers/issues/4957",
    ),
    _sign(
        FailureClass.NODE_LOST,
        rf"Free memory on device(?: cuda:\d+)? \([\d.]+/{_GIB}\) on startup is less than desired GPU memory",
        "Another process held the GPU's memory when the job started.",
        _GITHUB + "vllm-project/vllm/issues/20305",
    ),
    _sign(
        FailureClass.NODE_LOST,
        r"Tried to allocate more than 1EB memory",
        "Communication between the GPUs broke down.",
        _GITHUB + "NVIDIA/nccl/issues/1284",
    ),
)
"""Said by drivers and the operating system: nothing that runs on such a machine is to blame."""

MEMORY: Final = (
    _sign(
        FailureClass.OUT_OF_MEMORY,
        rf"CUDA out of memory(?:\. Tried to allocate {_GIB})?",
        "Memory ran out on a GPU.",
        _GITHUB + "vllm-project/vllm/issues/15598",
    ),
    _sign(
        FailureClass.OUT_OF_MEMORY,
        r"No available memory for the cache blocks",
        "The weights leave no GPU memory for the KV cache.",
        _GITHUB + "vllm-project/vllm/issues/27508",
    ),
    _sign(
        FailureClass.OUT_OF_MEMORY,
        r"max seq len \(\d+\) is larger than the maximum number of tokens that can be stored in KV cache",
        "The KV cache is too small for the model's context.",
        _GITHUB + "vllm-project/vllm/issues/2418",
    ),
    _sign(
        FailureClass.OUT_OF_MEMORY,
        rf"\(?{_GIB} KV cache is needed, which is larger than the available KV cache memory",
        "The KV cache is too small for the model's context.",
        _GITHUB + "kaito-project/kaito/issues/2132",
    ),
    _sign(
        FailureClass.OUT_OF_MEMORY,
        r"ray\.exceptions\.OutOfMemoryError|Workers \(tasks / actors\) killed due to memory pressure",
        "The machine's memory ran out.",
        _GITHUB + "ray-project/ray/issues/28776",
    ),
    _sign(
        FailureClass.OUT_OF_MEMORY,
        r"Out of memory: Killed process \d+",
        "The machine's memory ran out, and the system killed the job.",
        _GITHUB + "equinor/ert/issues/7797",
    ),
    _sign(
        FailureClass.OUT_OF_MEMORY,
        r"(?:^|[\s.])(?<!except )(?:_Array)?MemoryError(?::|$)|"
        r"DefaultCPUAllocator: (?:can't allocate|not enough) memory",
        "The machine's memory ran out.",
        _GITHUB + "pytorch/pytorch/pull/20618",
    ),
)

HUB: Final = (
    _sign(
        FailureClass.EVALUATOR_ERROR,
        r"\b5\d\d Server Error: [A-Z][A-Za-z -]{2,30} for url|Server error '5\d\d [\w -]{2,30}' for url",
        "The Hub, or another server that the job needs, did not answer. The model is not at fault.",
        _GITHUB + "huggingface/huggingface_hub/issues/1516",
    ),
    _sign(
        FailureClass.EVALUATOR_ERROR,
        r"Max retries exceeded with url|Failed to establish a new connection|"
        r"We couldn't connect to 'https?://[\w.:-]{3,80}' to load",
        "The Hub, or another server that the job needs, could not be reached. The model is not at fault.",
        _GITHUB + "yuh-zha/AlignScore/issues/17",
    ),
)
"""Before the model's faults: a Hub that is away looks like a model that is not there."""

MODEL: Final = (
    _sign(
        FailureClass.GATED,
        r"Cannot access gated repo for url|Access to model [\w./-]{1,200} is restricted",
        "The model is gated and the leaderboard has no access. Grant it access, then submit again.",
        _GITHUB + "ariG23498/gemma3-object-detection/issues/5",
    ),
    _sign(
        FailureClass.NOT_FOUND,
        r"Repository Not Found for url|Revision Not Found for url",
        "The model, or its revision, is no longer on the Hub. Restore it, then submit again.",
        _GITHUB + "SAP-samples/sap-rpt-1-oss/pull/4",
    ),
    _sign(
        FailureClass.INCOMPATIBLE,
        r"model type `[\w.-]{1,80}` but Transformers does not recognize this architecture",
        "The evaluator does not know this architecture. Check model_type in config.json.",
        _GITHUB + "liyaxuanliyaxuan/TinyVLA/issues/17",
    ),
    _sign(
        FailureClass.INCOMPATIBLE,
        r"Model architectures \[[\w', ]{1,200}\] (?:are not supported for now|failed to be inspected)",
        "The engine does not serve this architecture.",
        _GITHUB + "vllm-project/vllm/issues/9515",
    ),
    _sign(
        FailureClass.INCOMPATIBLE,
        r"requires you to execute the (?:configuration|modeling|tokenizer) file in that repo|"
        r"contains custom code which must be executed to correctly ?load the model",
        "The model needs code of its own, which is not run here.",
        _GITHUB + "h2oai/h2o-llmstudio/issues/560",
    ),
    _sign(
        FailureClass.BAD_MODEL,
        r"SafetensorError: Error while deserializing header",
        "A safetensors file is cut or damaged. Upload it again.",
        _GITHUB + "QwenLM/Qwen3-VL/issues/264",
    ),
    _sign(
        FailureClass.BAD_MODEL,
        r"copying a param with shape torch\.Size\(\[[\d, ]*\]\) from checkpoint",
        "The weights do not match config.json.",
        _GITHUB + "deepspeedai/DeepSpeed/issues/5570",
    ),
    _sign(
        FailureClass.BAD_MODEL,
        r"Can't load tokenizer for '[\w./-]{1,200}'",
        "The tokenizer could not be loaded. Upload its files beside the weights.",
        _GITHUB + "philschmid/deep-learning-pytorch-huggingface/issues/33",
    ),
)

NETWORK: Final = (
    _sign(
        FailureClass.NODE_LOST,
        r"The actor died because its node has died|"
        r"has been marked dead because the detector has missed too many heartbeats|Owner's node has crashed",
        "One of the job's machines was lost.",
        _GITHUB + "ray-project/ray/issues/45179",
    ),
    _sign(
        FailureClass.NODE_LOST,
        r"NCCL error: (?:unhandled (?:system|cuda) error|remote process exited or there was a network error)|"
        r"nccl(?:System|Remote|UnhandledCuda)Error",
        "Communication between the GPUs broke down.",
        _GITHUB + "pytorch/pytorch/issues/149984",
    ),
    _sign(
        FailureClass.NODE_LOST,
        r"Watchdog caught collective operation timeout",
        "Communication between the GPUs broke down.",
        _GITHUB + "vllm-project/vllm/issues/6042",
    ),
    _sign(
        FailureClass.NODE_LOST,
        r"ray\.exceptions\.(?:WorkerCrashedError|ActorDiedError|RayActorError)|"
        r"A worker died or was killed while executing a task by an unexpected system error",
        "One of the job's processes died on its machine.",
        _GITHUB + "ray-project/ray/issues/31398",
    ),
)
"""What other processes see when one of them has died: behind every cause that it may have died of."""

PROGRAM: Final = (
    _sign(
        FailureClass.EVALUATOR_ERROR,
        r"CUDA error: an illegal memory access was encountered",
        "A GPU kernel failed: a bug of the engine or a defective GPU.",
        _GITHUB + "vllm-project/vllm/issues/12233",
    ),
    _sign(
        FailureClass.EVALUATOR_ERROR,
        r"Engine core initialization failed|EngineCore (?:failed to start|encountered a fatal error)",
        "The engine did not start: see the console in ClearML.",
        _GITHUB + "vllm-project/vllm/issues/44411",
    ),
    _sign(
        FailureClass.EVALUATOR_ERROR,
        r"Traceback \(most recent call last\):",
        "The evaluator failed: see the console in ClearML.",
        "measured",
    ),
)

ONCE_LOADED: Final = (*SCHEDULER, *MACHINE, *MEMORY, *NETWORK, *PROGRAM)
"""For a job whose model was loaded: it is neither missing nor damaged, and the Hub is no longer needed."""
SIGNATURES: Final = (*SCHEDULER, *MACHINE, *MEMORY, *HUB, *MODEL, *NETWORK, *PROGRAM)


def find_signature(lines: Iterable[str], table: Iterable[Signature] = SIGNATURES) -> Signature | None:
    """The first signature of *table* that any of *lines* shows."""
    text = list(lines)
    for signature in table:
        if any(signature.pattern.search(line) for line in text):
            return signature
    return None
