"""The decision: where and how one model runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter

Backend = Literal["vllm", "hf", "hf-seq2seq"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """Another way to lay the same job, and why it lost."""

    nodes: int
    gpus_per_node: int
    tensor_parallel_size: int
    pipeline_parallel_size: int
    reserved_gpus: int
    why: str
    """English."""
    why_fr: str = ""


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
    backend: Backend
    walltime: str
    """``HH:MM``: the batch scheduler ends the job then."""
    gpu_hours: float
    """Forecast, over the reserved GPUs."""
    reasons: tuple[str, ...]
    """Why, in sentences."""
    reasons_fr: tuple[str, ...] = ()
    """The same in French."""
    carbon_kg: float = 0.0
    """Forecast, kg of CO2 equivalent; 0 where clusters.yaml gives no constants."""
    reserved_gpus: int = 0
    """What the batch scheduler takes, whole nodes or GPUs; 0: a plan older than this member."""
    bytes_per_gpu: Mapping[str, int] = field(default_factory=dict)
    """The fullest GPU's memory by use; ``total`` and ``usable`` (M1) beside."""
    alternatives: tuple[Alternative, ...] = ()
    family: str = ""
    """The model's class, by which past durations correct the forecast."""
    parameters: int = 0
    """The model's size, for the same; 0: a plan older than this member."""
    estimated_s: float = 0.0
    """The throughput model's duration before any correction: what a history compares with the real one."""
    expected_s: float = 0.0
    """The duration after the correction."""
    overridden: tuple[str, ...] = ()
    """Members that a person set in overrides.yaml."""
    warnings: tuple[str, ...] = ()
    """What a person should look at; each is among the reasons too."""

    @property
    def run_limit_s(self) -> int:
        """The wall time in seconds: how long the job may be in progress."""
        hours, rest = self.walltime.split(":")
        return int(hours) * 3600 + int(rest) * 60

    def to_json(self) -> dict[str, Any]:
        """Plain JSON for XCom and the ClearML task."""
        return {
            "verdict": "placed",
            **asdict(self),
            "bytes_per_gpu": dict(self.bytes_per_gpu),
            "alternatives": [asdict(other) for other in self.alternatives],
            **{
                name: list(getattr(self, name))
                for name in ("reasons", "reasons_fr", "overridden", "warnings")
            },
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> JobPlan:
        """Read what :meth:`to_json` wrote, today or by an older version; unknown members are ignored.

        Raises:
            pydantic.ValidationError: A member is missing or of the wrong kind.
        """
        return _ADAPTER.validate_python(dict(data))


_ADAPTER: TypeAdapter[JobPlan] = TypeAdapter(JobPlan)
