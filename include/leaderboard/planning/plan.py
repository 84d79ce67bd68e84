"""The decision: where and how one model runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """One job on one cluster; the ClearML task carries it as JSON."""

    cluster: str
    queue: str
    nodes: int
    gpus_per_node: int
    """GPUs that the engine uses on each node; the batch scheduler may reserve the whole node."""
    tensor_parallel_size: int
    pipeline_parallel_size: int
    gpu_memory_utilization: float
    max_model_len: int
    """Tokens, prompt and generation together."""
    max_num_seqs: int
    dtype: str
    enforce_eager: bool
    backend: Literal["vllm", "hf", "hf-seq2seq"]
    walltime: str
    """``HH:MM``: the batch scheduler ends the job then."""
    gpu_hours: float
    """Forecast, over the reserved GPUs."""
    reasons: tuple[str, ...]
    """Why, in sentences."""

    @property
    def run_limit_s(self) -> int:
        """The wall time in seconds: how long the job may be in progress."""
        hours, rest = self.walltime.split(":")
        return int(hours) * 3600 + int(rest) * 60

    def to_json(self) -> dict[str, Any]:
        """Plain JSON for XCom and the ClearML task."""
        return {**asdict(self), "reasons": list(self.reasons)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> JobPlan:
        """Read what :meth:`to_json` wrote; unknown members are ignored.

        Raises:
            pydantic.ValidationError: A member is missing or of the wrong kind.
        """
        return _ADAPTER.validate_python(dict(data))


_ADAPTER: TypeAdapter[JobPlan] = TypeAdapter(JobPlan)
