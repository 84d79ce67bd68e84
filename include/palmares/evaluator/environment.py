"""Sets a job's process up before the heavy libraries are imported: quiet, few threads, private caches."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_QUIET_LOGGERS = (
    "lm_eval",
    "lm-eval",
    "transformers",
    "datasets",
    "huggingface_hub",
    "filelock",
    "urllib3",
    "evaluate",
)
_MOST_THREADS = 16
_TINY_PARAMETERS = 50_000_000


@contextmanager
def job_environment(scratch_parent: Path | None = None) -> Iterator[Path]:
    """Give the job a private scratch folder that is gone afterwards, and keep rows off the console.

    Must be entered before datasets, transformers or lm_eval are imported: they read these variables once.

    Args:
        scratch_parent: Where the scratch folder is made; None: the system's temporary folder.

    Yields:
        The scratch folder (mode 0700), which holds every cache of hidden rows.
    """
    with tempfile.TemporaryDirectory(prefix="palmares-", dir=scratch_parent) as name:
        scratch = Path(name)
        os.environ.update(
            {
                "HF_DATASETS_CACHE": str(scratch / "datasets"),
                "HF_EVALUATE_OFFLINE": "1",
                "HF_HUB_DISABLE_PROGRESS_BARS": "1",
                "HF_HUB_DISABLE_TELEMETRY": "1",
                "LM_HARNESS_CACHE_PATH": str(scratch / "requests"),
                "LMEVAL_LOG_LEVEL": "ERROR",
                "TOKENIZERS_PARALLELISM": "false",
                "TQDM_MININTERVAL": "30",
                "TRANSFORMERS_VERBOSITY": "error",
                "VLLM_NO_USAGE_STATS": "1",
            }
        )
        quiet_loggers()
        yield scratch


def quiet_loggers() -> None:
    """Silence libraries whose messages may quote a prompt; called again after imports that reset levels."""
    warnings.simplefilter("ignore")
    for name in _QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)


def set_threads(parameters: int | None) -> int:
    """Choose the number of CPU threads: ``OMP_NUM_THREADS``, or else what suits the model.

    Threads of a tiny model wait for each other longer than they compute: on two busy cores, two threads took
    eight times as long as one.

    Args:
        parameters: Of the model; None: not known, so not tiny.

    Returns:
        The number of threads: 1 for a tiny model, else as many as there are cores, 16 at most.
    """
    import torch

    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        threads = int(asked)
    elif parameters is not None and parameters < _TINY_PARAMETERS:
        threads = 1
    else:
        threads = min(len(os.sched_getaffinity(0)), _MOST_THREADS)
    torch.set_num_threads(threads)
    return threads
