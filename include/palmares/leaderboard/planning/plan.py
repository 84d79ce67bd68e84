"""The decision: where and how one model runs; and as ClearML hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from pydantic import TypeAdapter

from palmares.contract import Hyperparameter
from palmares.leaderboard.submissions.submission import Submission
from palmares.leaderboard.suites import Suite
from palmares.texts import Message

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

    def because(self, reason: Message) -> JobPlan:
        """The same plan with a reason more."""
        return replace(self, reasons=(*self.reasons, reason.en), reasons_fr=(*self.reasons_fr, reason.fr))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> JobPlan:
        """Read what :meth:`to_json` wrote, today or by an older version; unknown members are ignored.

        Raises:
            pydantic.ValidationError: A member is missing or of the wrong kind.
        """
        return _ADAPTER.validate_python(dict(data))


_ADAPTER: TypeAdapter[JobPlan] = TypeAdapter(JobPlan)


def hyperparameters(submission: Submission, plan: JobPlan, suite: Suite) -> dict[str, str]:
    """Write the section ``General`` (docs/reference/formats.md, "ClearML task"); every value is a string.

    Booleans are ``True`` and ``False``, as Python and the original scripts do; an absent limit is empty.
    """
    of_plan = plan_parameters(plan)
    head = (
        Hyperparameter.CLUSTER,
        Hyperparameter.NODES,
        Hyperparameter.GPUS_PER_NODE,
        Hyperparameter.GPU_MEMORY_UTILIZATION,
    )
    limit = submission.limit_samples
    return _plain(
        {
            Hyperparameter.MODEL: submission.model_id,
            Hyperparameter.REVISION: submission.revision,
            **{name: of_plan[name] for name in head},
            Hyperparameter.TASKS: ",".join(suite.task_keys),
            Hyperparameter.MAX_MODEL_LENGTH: of_plan[Hyperparameter.MAX_MODEL_LENGTH],
            Hyperparameter.USE_CHAT_TEMPLATE: str(submission.use_chat_template),
            **{Hyperparameter(name): text for name, text in of_plan.items()},
            Hyperparameter.SUITE: suite.name,
            Hyperparameter.SUITE_HASH: submission.suite_hash,
            Hyperparameter.JOB_KEY: submission.job_key,
            Hyperparameter.LIMIT_SAMPLES: "" if limit is None else str(limit),
            Hyperparameter.SEED: str(submission.seed),
        }
    )


def plan_parameters(plan: JobPlan) -> dict[str, str]:
    """The part that the plan alone decides: what a next attempt may change."""
    return _plain(
        {
            Hyperparameter.CLUSTER: plan.cluster,
            Hyperparameter.NODES: str(plan.nodes),
            Hyperparameter.GPUS_PER_NODE: str(plan.gpus_per_node),
            Hyperparameter.GPU_MEMORY_UTILIZATION: str(plan.gpu_memory_utilization),
            Hyperparameter.MAX_MODEL_LENGTH: str(plan.max_model_len),
            Hyperparameter.WALLTIME: plan.walltime,
            Hyperparameter.DTYPE: plan.dtype,
            Hyperparameter.ENFORCE_EAGER: str(plan.enforce_eager),
            Hyperparameter.BACKEND: plan.backend,
        }
    )


def _plain(parameters: Mapping[Hyperparameter, str]) -> dict[str, str]:
    """Names as plain strings: XCom and ClearML take nothing else."""
    return {name.value: text for name, text in parameters.items()}
