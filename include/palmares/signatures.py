"""What the lines of a console, or an error, say about the cause of a failure, each with its public source.

The leaderboard reads consoles with this table, and the evaluator its own errors: both blame alike. The order
matters: the first signature of the table that any line shows decides. What a batch scheduler or a GPU says
comes before what a library makes of it, and a cause before the wrappers that follow it: an engine that
"failed to initialise", a collective that timed out because another rank had run out of memory. A model is
blamed only for what is in its files. Patterns match no free text: what they match may be shown. The module
needs the standard library only.
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
    """One sign of a cause."""

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
        _SLURM + "(?:PREEMPTION|JOB REQUEUE)",
        "The batch scheduler gave the job's machine to another one.",
        _GITHUB + "SystemsGenetics/GEMmaker/pull/242",
    ),
    _sign(
        FailureClass.NODE_LOST,
        _SLURM + "NODE FAILURE" + r"|srun: error: Node failure on [\w.,\[\]-]{1,120}",
        "The batch scheduler lost the job's machine.",
        _GITHUB + "SchedMD/slurm/blob/master/src/slurmd/slurmstepd/req.c",
    ),
    _sign(
        FailureClass.OUT_OF_MEMORY,
        r"(?:slurmstepd: error: )?Detected \d+ oom[-_ ]kill event|"
        r"killed by the cgroup out-of-memory handler|exceeded (?:job )?memory limit|"
        r"Exceeded job memory limit|"
        r"srun: error: [\w.-]{1,80}: tasks? [\d,-]{1,40}: Out Of Memory",
        "The job used more of the machine's memory than the batch scheduler allows.",
        _GITHUB + "chrisknewman/tusas/issues/149",
    ),
    _sign(
        FailureClass.PREEMPTED,
        r"\*\*\* (?:JOB|STEP) [\d._]{1,40} ON [\w.,\[\]-]{1,120} CANCELLED AT [\dT:-]{19} \*\*\*",
        "Somebody cancelled the batch job, or the scheduler took its machine back.",
        _GITHUB + "IT-Group-Trixie/trixie/issues/45",
    ),
    _sign(
        FailureClass.WALL_TIME,
        r"PBS: job killed: (?:walltime|cput) \d+ exceeded limit \d+|"
        r"TERM_RUNLIMIT: job killed after reaching LSF run time limit|"
        r'[Rr]eason"?: ?"?DeadlineExceeded|'
        r"active on the node longer than the specified deadline",
        "The batch scheduler ended the job at its time limit.",
        _GITHUB + "marbl/canu/issues/444",
    ),
    _sign(
        FailureClass.OUT_OF_MEMORY,
        r"PBS: job killed: p?v?mem \d+(?:[kmgt]?b)? exceeded limit \d+|"
        r"TERM_(?:MEMLIMIT|SWAP): job killed after reaching LSF (?:memory|swap) usage limit|"
        r"[Cc]group mem(?:ory)?(?:sw)? limit exceeded",
        "The job used more of the machine's memory than the batch scheduler allows.",
        _GITHUB + "adaptivecomputing/torque/blob/master/src/resmom/mom_main.c",
    ),
    _sign(
        FailureClass.PREEMPTED,
        r"TERM_(?:PREEMPT|OWNER|ADMIN|REQUEUE_OWNER|REQUEUE_ADMIN): job killed|"
        r"response to imminent node shutdown|DeletionByTaintManager|PreemptionByScheduler|"
        r"Preempted in order to admit critical pod|Spot Instance interruption",
        "The cluster took the job's machine back.",
        _GITHUB + "kubernetes/kubernetes/blob/master/pkg/kubelet/nodeshutdown/nodeshutdown_manager_linux.go",
    ),
    _sign(
        FailureClass.OUT_OF_MEMORY,
        r"\bOOMKilled\b|The node was low on resource: memory",
        "The job used more memory than its pod or its machine has.",
        _GITHUB + "kubernetes/kubernetes/blob/master/pkg/kubelet/eviction/helpers.go",
    ),
    _sign(
        FailureClass.NODE_LOST,
        r"The node was low on resource: [a-z-]{1,40}|\bNodeLost\b|\bNodeNotReady\b|"
        r"nodes are available: \d+ Insufficient [\w./-]{1,60}",
        "The cluster had no room for the job, or lost its machine.",
        _GITHUB + "kubernetes/kubernetes/blob/master/pkg/kubelet/eviction/helpers.go",
    ),
)
"""What a batch scheduler or Kubernetes says: it knows why it ended a job."""

MACHINE: Final = (
    _sign(
        FailureClass.NODE_LOST,
        r"(?:CUDA error: )?uncorrectable ECC error encountered|CUDA_ERROR_ECC_UNCORRECTABLE|"
        r"(?i:double[- ]bit ECC error)",
        "A GPU's memory is defective.",
        _GITHUB + "vllm-project/vllm/issues/5222",
    ),
    _sign(
        FailureClass.NODE_LOST,
        r"NVRM: Xid \(PCI:[\da-f:.]{4,20}\): \d+|GPU has fallen off the bus|GPU is lost\b|"
        r"CUDA error: (?:hardware stack error|unspecified launch failure)|"
        r"HSA_STATUS_ERROR_[A-Z_]{3,60}|Memory access fault by GPU node-\d+",
        "A GPU failed.",
        _GITHUB + "wilicc/gpu-burn/issues/1",
    ),
    _sign(
        FailureClass.NODE_LOST,
        r"no CUDA-capable device is detected|No CUDA GPUs are available|"
        r"(?<!CUDA initialization: )Found no NVIDIA driver on your system|"
        r"no ROCm-capable device is detected|libcuda\.so\.1: cannot open shared object file|"
        r"Failed to infer device type|CUDA error: invalid device ordinal|"
        r"CUDA driver initialization failed",
        "The machine's GPUs could not be seen.",
        _GITHUB + "vllm-project/vllm/issues/26774",
    ),
    _sign(
        FailureClass.NODE_LOST,
        r"(?<!CUDA initialization: )The NVIDIA driver on your system is too old|"
        r"(?i:CUDA driver version is insufficient for CUDA runtime version)|"
        r"forward compatibility was attempted on non supported HW|"
        r"unsupported display driver / cuda driver combination|CUDA error: unknown error|"
        r"(?<!CUDA initialization: )CUDA unknown error",
        "The machine's GPU driver is too old or broken.",
        _GITHUB + "vllm-project/vllm/issues/1772",
    ),
    _sign(
        FailureClass.NODE_LOST,
        r"(?i:NVML: Driver/library version mismatch|NVML/RM version mismatch)|"
        r"NVMLError_[A-Za-z]{3,40}|(?<!UserWarning: )Can't initialize NVML|"
        r"NVIDIA-SMI has failed because it couldn't communicate|"
        r"nvidia-container-cli: [a-z ]{3,60} error|could not select device driver",
        "The GPU driver and its libraries do not fit together on this machine.",
        _GITHUB + "mozilla/translations/issues/1167",
    ),
    _sign(
        FailureClass.NODE_LOST,
        r"(?:all )?CUDA-capable device(?:s|\(s\)) (?:are|is/are) busy or unavailable|"
        r"(?:Error 802: |CUDA error: )system not yet initialized|cudaErrorSystemNotReady|"
        r"cudaErrorDevicesUnavailable",
        "The machine's GPUs were busy or not ready.",
        _GITHUB + "cositools/cosipy/issues/631",
    ),
    _sign(
        FailureClass.NODE_LOST,
        r"No space left on device|Not enough free disk space to download",
        "The machine's disk is full.",
        _GITHUB + "huggingface/diffusers/issues/4957",
    ),
    _sign(
        FailureClass.NODE_LOST,
        r"Disk quota exceeded",
        "The job's disk quota is used up.",
        _GITHUB + "tloen/alpaca-lora/issues/280",
    ),
    _sign(
        FailureClass.NODE_LOST,
        r"\[Errno (?:5|30|107|112|116|121)\] |"
        r"(?:Input/output error|Read-only file system|Remote I/O error) \(os error \d+\)|"
        r"Transport endpoint is not connected|Stale (?:NFS )?file handle",
        "The machine's disk or network disk failed.",
        _GITHUB + "vllm-project/vllm-ascend/issues/6815",
    ),
    _sign(
        FailureClass.NODE_LOST,
        r"\[Errno 2[34]\] Too many open files|Too many open files \(os error 24\)|"
        r"can't start new thread|pthread_create failed|"
        r"\[Errno 11\] Resource temporarily unavailable",
        "The machine's limits on files or threads were reached.",
        _GITHUB + "ultralytics/ultralytics/issues/4413",
    ),
    _sign(
        FailureClass.NODE_LOST,
        r"insufficient shared memory \(shm\)|killed by signal: Bus error|"
        r"Error while creating shared memory segment|Bus error \(core dumped\)",
        "The machine's shared memory is too small.",
        _GITHUB + "nianticlabs/simplerecon/issues/3",
    ),
    _sign(
        FailureClass.NODE_LOST,
        r"\[Errno 98\] (?:Address already in use|error while attempting to bind)|EADDRINUSE|"
        r"failed to listen on any local network address",
        "Another process held a network port of the machine.",
        _GITHUB + "pytorch/pytorch/blob/main/torch/csrc/distributed/c10d/TCPStore.cpp",
    ),
    _sign(
        FailureClass.NODE_LOST,
        rf"Free memory on device(?: cuda:\d+)? \([\d.]+/{_GIB}\) on startup is less than desired",
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
"""What drivers and the operating system say: nothing that runs on such a machine is to blame."""

POINTERS: Final = (
    _sign(
        FailureClass.BAD_MODEL,
        r"f\.read\(length_of_metadata\)|fp\.read\(header_size\)|"
        r"version https://git-lfs\.github\.com/spec|git-lfs installed",
        "A file of the model is a Git LFS pointer or is cut: its weights were not uploaded.",
        _GITHUB + "vllm-project/vllm/pull/57975",
    ),
)
"""Before missing memory: who takes a pointer for weights asks for as much memory as its text says."""

MEMORY: Final = (
    _sign(
        FailureClass.OUT_OF_MEMORY,
        rf"(?:CUDA|HIP|XPU|NPU|MPS backend) out of memory(?:\. Tried to allocate {_GIB})?",
        "Memory ran out on a GPU.",
        _GITHUB + "vllm-project/vllm/issues/15598",
    ),
    _sign(
        FailureClass.OUT_OF_MEMORY,
        r"(?:CUDA|HIP)(?: driver)? error: out of memory|"
        r"Triton Error \[(?:CUDA|HIP)\]: out of memory|CUDA_ERROR_OUT_OF_MEMORY|"
        r"hipErrorOutOfMemory|cudaErrorMemoryAllocation|"
        r"Cuda failure (?:\d+ )?'out of memory'|"
        r"(?:CU|HIP)(?:BLAS|DNN|SOLVER|SPARSE)_STATUS_ALLOC_FAILED|"
        r"rocblas_status_memory_error|"
        r"CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate",
        "Memory ran out on a GPU.",
        _GITHUB + "vllm-project/vllm/issues/19865",
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
        r"ray\.exceptions\.OutOfMemoryError|"
        r"Workers \(tasks / actors\) killed due to memory pressure|"
        r"killed due to the node running low on memory",
        "The machine's memory ran out.",
        _GITHUB + "ray-project/ray/issues/28776",
    ),
    _sign(
        FailureClass.OUT_OF_MEMORY,
        r"(?:Out of memory|Memory cgroup out of memory): Kill(?:ed)? process \d+|"
        r"oom-kill:constraint=CONSTRAINT_[A-Z_]{3,30}|oom_reaper: reaped process|"
        r"DataLoader worker \(pid(?:\(s\))? [\d, ]{1,60}\) is killed by signal: Killed",
        "The machine's memory ran out, and the system killed the job.",
        _GITHUB + "equinor/ert/issues/7797",
    ),
    _sign(
        FailureClass.OUT_OF_MEMORY,
        r"(?:^|[\s.])(?<!except )(?:_Array)?MemoryError(?::|$)|"
        r"DefaultCPUAllocator: (?:can't allocate|not enough) memory|std::bad_alloc|"
        r"Cannot allocate memory|memory allocation of \d+ bytes failed",
        "The machine's memory ran out.",
        _GITHUB + "pytorch/pytorch/pull/20618",
    ),
)
"""Memory that ran out, on a GPU or on the machine."""

HUB: Final = (
    _sign(
        FailureClass.EVALUATOR_ERROR,
        r"\b5\d\d Server Error: [A-Z][A-Za-z -]{2,30} for url|"
        r"Server error '5\d\d [\w -]{2,30}' for url",
        "The Hub, or another server that the job needs, did not answer. The model is not at fault.",
        _GITHUB + "huggingface/huggingface_hub/issues/1516",
    ),
    _sign(
        FailureClass.EVALUATOR_ERROR,
        r"\b429 (?:Client Error|Too Many Requests)|Too Many Requests for url|"
        r"Client error '429 ",
        "The Hub asked for fewer requests. The model is not at fault.",
        _GITHUB + "huggingface/huggingface_hub/issues/2936",
    ),
    _sign(
        FailureClass.EVALUATOR_ERROR,
        r"Max retries exceeded with url|Failed to establish a new connection|"
        r"We couldn't connect to 'https?://[\w.:-]{3,80}' to load|"
        r"Temporary failure in name resolution|Name or service not known|"
        r"Could not resolve host|(?<!got error: )Connection reset by peer|"
        r"Remote end closed connection without response|"
        r"(?:Read|Connect|Pool)Timeout(?:Error)?\b|[Rr]ead timed out|ConnectionRefusedError|"
        r"\[Errno 11[01]\] Connection|Network is unreachable|ProxyError|IncompleteRead|"
        r"ChunkedEncodingError|CERTIFICATE_VERIFY_FAILED|certificate verify failed|"
        r"LocalEntryNotFoundError|OfflineModeIsEnabled|CAS service error|"
        r"Consistency check failed: file should be of size",
        "The Hub, or another server that the job needs, could not be reached. The model is not at fault.",
        _GITHUB + "yuh-zha/AlignScore/issues/17",
    ),
    _sign(
        FailureClass.EVALUATOR_ERROR,
        r"Invalid user token|Token is required|Token has expired|token seems invalid|"
        r"User Access Token \"?[\w.-]{1,60}\"? (?:is expired|has expired)",
        "The leaderboard's own token for the Hub is refused. The model is not at fault.",
        _GITHUB + "huggingface/huggingface_hub/blob/main/src/huggingface_hub/hf_api.py",
    ),
)
"""Before the model's faults: a Hub that is away looks like a model that is not there."""

ENVIRONMENT: Final = (
    _sign(
        FailureClass.EVALUATOR_ERROR,
        r"Error in inspecting model architecture|"
        r"Model architectures \[[\w', ]{1,200}\] failed to be inspected",
        "The engine could not read its own code for this architecture: its installation is broken.",
        _GITHUB + "vllm-project/vllm/issues/13332",
    ),
    _sign(
        FailureClass.EVALUATOR_ERROR,
        r"must be divisible by tensor parallel size|"
        r"User-specified max_model_len \(\d+\) is greater than|"
        r"World size \(\d+\) is larger than the number of available GPUs|"
        r"is only supported on GPUs with compute capability|"
        r"quantization method [\w.-]{1,40} is not supported for the current GPU|"
        r"does not match the quantization method specified in the `quantization` argument",
        "The plan or the machine does not fit the model: plan it anew.",
        _GITHUB + "vllm-project/vllm/issues/2652",
    ),
    _sign(
        FailureClass.EVALUATOR_ERROR,
        r"no kernel image is available for execution|hipErrorNoBinaryForGpu|"
        r"device kernel image is invalid|No module named '[\w.]{1,80}'|"
        r"undefined symbol: \w{1,200}|version `\w{3,30}[\d._]{1,12}' not found|"
        r"FlashAttention[\w ]{0,20} is not installed|"
        r"data did not match any variant of untagged enum Model(?:Wrapper|Untagged)",
        "A library of the evaluator is missing, too old, or built for other GPUs.",
        _GITHUB + "vllm-project/vllm/issues/4604",
    ),
)
"""Before the model's faults: what looks like one and is the evaluator's installation, or the plan."""

MODEL: Final = (
    _sign(
        FailureClass.GATED,
        r"Cannot access gated repo for url|Access to model [\w./-]{1,200} is restricted|"
        r"GatedRepoError|You are trying to access a gated repo|"
        r"request to access model [\w./-]{1,200} is awaiting a review",
        "The model is gated and the leaderboard has no access. Grant it access, then submit again.",
        _GITHUB + "ariG23498/gemma3-object-detection/issues/5",
    ),
    _sign(
        FailureClass.NOT_FOUND,
        r"Repository Not Found for url|Revision Not Found for url|"
        r"is not a valid model identifier listed on|"
        r"is not a valid git identifier \(branch name, tag name or commit id\)",
        "The model, or its revision, is no longer on the Hub. Restore it, then submit again.",
        _GITHUB + "SAP-samples/sap-rpt-1-oss/pull/4",
    ),
    _sign(
        FailureClass.INCOMPATIBLE,
        r"model type `[\w.-]{1,80}` but Transformers does not recognize this architecture|"
        r"Unrecognized configuration class <class \'[\w.]{1,200}\'> for this kind of AutoModel|"
        r"Unrecognized model in [\w./-]{1,200}\. Should have a `model_type` key",
        "The evaluator does not know this architecture. Check model_type in config.json.",
        _GITHUB + "liyaxuanliyaxuan/TinyVLA/issues/17",
    ),
    _sign(
        FailureClass.INCOMPATIBLE,
        r"Model architectures \[[\w', ]{1,200}\] are not supported for now|"
        r"has no vLLM implementation|No model architectures are specified|"
        r"This model does not support (?:the )?`?(?:--task )?generat|"
        r"Unknown quantization (?:method|type)",
        "The engine does not serve this architecture.",
        _GITHUB + "vllm-project/vllm/issues/9515",
    ),
    _sign(
        FailureClass.INCOMPATIBLE,
        r"Model architecture [\w']{1,100} was supported in vLLM until v?[\d.]{1,12}|"
        r"(?:are|is) not supported (?:in-tree )?anymore",
        "The engine does not serve this architecture any more.",
        _GITHUB + "vllm-project/vllm/blob/main/vllm/model_executor/models/registry.py",
    ),
    _sign(
        FailureClass.INCOMPATIBLE,
        r"requires you to execute the (?:configuration|modeling|tokenizer) file in that repo|"
        r"contains custom code which must be executed to correctly ?load the model|"
        r"This modeling file requires the following packages",
        "The model needs code of its own, which is not run here.",
        _GITHUB + "h2oai/h2o-llmstudio/issues/560",
    ),
    _sign(
        FailureClass.INCOMPATIBLE,
        r"Unsupported CPU attention configuration|[Hh]ead size \d+ is not supported|"
        r"[Nn]o valid attention backend|not supported by any attention backend",
        "The engine has no attention kernel for heads of this size.",
        _GITHUB + "vllm-project/vllm/blob/main/vllm/v1/attention/selector.py",
    ),
    _sign(
        FailureClass.INCOMPATIBLE,
        r"`rope_scaling`(?:'s [a-z ]{3,30})? must be|"
        r"Missing required keys in `rope_(?:scaling|parameters)`|Unknown RoPE scaling type",
        "rope_scaling in config.json is not one that the evaluator knows.",
        _GITHUB + "runpod-workers/worker-vllm/issues/89",
    ),
    _sign(
        FailureClass.INCOMPATIBLE,
        r"tokenizer\.chat_template is not set|default chat template is no longer allowed|"
        r"does not have a chat template|jinja2\.exceptions\.TemplateSyntaxError",
        "The model has no chat template that works: add one, or submit without use_chat_template.",
        _GITHUB + "huggingface/transformers/issues/33246",
    ),
    _sign(
        FailureClass.INCOMPATIBLE,
        r"The model type '[\w.-]{1,80}' does not support (?:float16|bfloat16|float32)",
        "The model does not work in the precision that was asked for: submit it in another one.",
        _GITHUB + "vllm-project/vllm/blob/main/vllm/config/model.py",
    ),
    _sign(
        FailureClass.BAD_MODEL,
        r"Error while deserializing header|(?:^|[\s.])SafetensorError: |"
        r"incomplete metadata, file not fully covered|"
        r"Unable to load weights from pytorch checkpoint file|"
        r"failed finding central directory|UnpicklingError: invalid load key",
        "A file of weights is cut or damaged. Upload it again.",
        _GITHUB + "QwenLM/Qwen3-VL/issues/264",
    ),
    _sign(
        FailureClass.BAD_MODEL,
        r"copying a param with shape torch\.Size\(\[[\d, ]*\]\) from checkpoint|"
        r"Attempted to load weight \(torch\.Size\(\[[\d, ]*\]\)\)|"
        r"Missing key\(s\) in state_dict|"
        r"Following weights were not initialized from checkpoint",
        "The weights do not match config.json.",
        _GITHUB + "deepspeedai/DeepSpeed/issues/5570",
    ),
    _sign(
        FailureClass.BAD_MODEL,
        r"does not appear to have (?:a file|files) named|Cannot find any model weights with|"
        r"Entry Not Found for url: https?://[\w./:-]{1,200}/config\.json|"
        r"no file named (?:model\.safetensors|pytorch_model\.bin)",
        "A file of the model is missing: upload config.json and the weights as safetensors.",
        _GITHUB + "meta-llama/llama/issues/1334",
    ),
    _sign(
        FailureClass.BAD_MODEL,
        r"is not a valid JSON file",
        "A JSON file of the model is not valid.",
        _GITHUB + "huggingface/transformers/blob/main/src/transformers/configuration_utils.py",
    ),
    _sign(
        FailureClass.BAD_MODEL,
        r"Can't load tokenizer for '[\w./-]{1,200}'|could not parse ModelProto|"
        r"Tokenizer class \w{1,100} does not exist or is not currently imported",
        "The tokenizer could not be loaded. Upload its files beside the weights.",
        _GITHUB + "philschmid/deep-learning-pytorch-huggingface/issues/33",
    ),
)
"""Known faults of the model's files; everything else is not the model's fault."""

NETWORK: Final = (
    _sign(
        FailureClass.NODE_LOST,
        r"The actor died because its node has died|"
        r"has been marked dead because the detector has missed too many heartbeats|"
        r"Owner's node has crashed|ray\.exceptions\.(?:NodeDiedError|LocalRayletDiedError)|"
        r"Failed to connect to GCS|Cannot provide a placement group|"
        r"Waiting for creating a placement group of specs for \d{3,6} seconds|"
        r"available GPUs in the placement group|The current node timed out during startup",
        "One of the job's machines was lost.",
        _GITHUB + "ray-project/ray/issues/45179",
    ),
    _sign(
        FailureClass.NODE_LOST,
        r"NCCL error(?: in)?: (?:[\w./:+-]{1,160}, )?(?:unhandled (?:system|cuda) error|internal error)|"
        r"remote process exited or there was a network error|"
        r"(?:nccl|rccl)(?:System|Remote|UnhandledCuda|Internal)Error|"
        r"is setting up NCCL communicator|Gloo connectFullMesh failed|ibv_\w{3,40} failed|"
        r"NET/IB : Got completion|Connection closed by peer|failed to recv, got 0 bytes|"
        r"client socket has timed out after \d+|"
        r"Timed out after \d+ seconds waiting for clients|DistNetworkError|DistStoreError",
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
"""What other processes see when one of them has died: after every cause that it may have died of."""

PROGRAM: Final = (
    _sign(
        FailureClass.EVALUATOR_ERROR,
        r"CUDA error: an illegal (?:memory access|instruction) was encountered|"
        r"CUDA error: misaligned address|CUDA error: device-side assert triggered",
        "A GPU kernel failed: a bug of the engine or a defective GPU.",
        _GITHUB + "vllm-project/vllm/issues/12233",
    ),
    _sign(
        FailureClass.EVALUATOR_ERROR,
        r"[Ff]ailed cloning repository|Repository cloning failed|"
        r"Host key verification failed|Could not install task requirements|"
        r"Could not find a version that satisfies the requirement",
        "The agent could not install what the job needs.",
        _GITHUB + "allegroai/clearml-agent/issues/33",
    ),
    _sign(
        FailureClass.EVALUATOR_ERROR,
        r"Engine core initialization failed|"
        r"EngineCore (?:failed to start|encountered (?:a fatal error|an issue))",
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
"""Says only where the job stopped, not why."""

ONCE_LOADED: Final = (*SCHEDULER, *MACHINE, *MEMORY, *NETWORK, *PROGRAM)
"""For a job whose model was loaded: it is neither missing nor damaged, and the Hub is no longer needed."""
SIGNATURES: Final = (
    *SCHEDULER,
    *MACHINE,
    *POINTERS,
    *MEMORY,
    *HUB,
    *ENVIRONMENT,
    *MODEL,
    *NETWORK,
    *PROGRAM,
)


@dataclass(frozen=True, slots=True)
class Found:
    """A signature, and the first line that shows it."""

    signature: Signature
    line: str


def find(lines: Iterable[str], table: Iterable[Signature] = SIGNATURES) -> Found | None:
    """The first signature of *table* that any of *lines* shows, with that line."""
    text = list(lines)
    for signature in table:
        for line in text:
            if signature.pattern.search(line):
                return Found(signature, line)
    return None
