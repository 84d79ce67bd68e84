"""The planner's answer about one model: a plan, or why there is none; the same members for both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from include.leaderboard.clusters import Cluster
from include.leaderboard.errors import Refusal, RefusedError
from include.leaderboard.planning import JobPlan, plan_job
from include.leaderboard.submissions.model_facts import ModelFacts
from include.leaderboard.submissions.refusals import refused
from include.leaderboard.submissions.submission import Submission
from include.leaderboard.suites import Suite

Verdict = Literal["placed", "too_large", "incompatible"]

_OF_A_PLAN = (
    "queue",
    "nodes",
    "reserved_gpus",
    "gpus_per_node",
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "gpu_memory_utilization",
    "max_model_len",
    "max_num_seqs",
    "dtype",
    "enforce_eager",
    "backend",
    "walltime",
    "gpu_hours",
    "carbon_kg",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A verdict on one cluster."""

    model_id: str
    suite: str
    cluster: Cluster
    plan: JobPlan | None
    """None: refused."""
    refusal: Refusal | None

    @property
    def verdict(self) -> Verdict:
        if self.plan is not None:
            return "placed"
        return (
            "too_large" if self.refusal is not None and self.refusal.code == "too_large" else "incompatible"
        )

    @property
    def reasons(self) -> tuple[str, ...]:
        if self.plan is not None:
            return self.plan.reasons
        return (self.refusal.message_en,) if self.refusal is not None else ()

    @property
    def reasons_fr(self) -> tuple[str, ...]:
        if self.plan is not None:
            return self.plan.reasons_fr
        return (self.refusal.message_fr,) if self.refusal is not None else ()

    def to_json(self) -> dict[str, Any]:
        """Every member is always there; what only a plan has is null in a refusal."""
        plan: Mapping[str, Any] = self.plan.to_json() if self.plan is not None else {}
        return {
            "verdict": self.verdict,
            "model": self.model_id,
            "suite": self.suite,
            "cluster": self.cluster.name,
            **{name: plan.get(name) for name in _OF_A_PLAN},
            "bytes_per_gpu": plan.get("bytes_per_gpu") or {},
            "reasons": list(self.reasons),
            "reasons_fr": list(self.reasons_fr),
            "alternatives": plan.get("alternatives") or [],
            "overridden": plan.get("overridden") or [],
            "warnings": plan.get("warnings") or [],
            "code": self.refusal.code if self.refusal is not None else None,
        }


def answer_on(
    cluster: Cluster, facts: ModelFacts, submission: Submission, suite: Suite, *, allow_custom_code: bool
) -> Answer:
    """Plan one model on one cluster; a model that brings code is refused unless it is allowed."""
    plan: JobPlan | None = None
    refusal: Refusal | None = None
    try:
        if facts.custom_code and not allow_custom_code:
            raise refused("custom_code", name=facts.model_id)
        plan = plan_job(facts, submission, suite, cluster)
    except RefusedError as error:
        refusal = error.refusal
    return Answer(model_id=facts.model_id, suite=suite.name, cluster=cluster, plan=plan, refusal=refusal)


def best_of(answers: Iterable[Answer]) -> Answer:
    """The plan of the fewest GPU-hours; without a plan, the cluster that came closest to one."""
    every = list(answers)
    placed = [one for one in every if one.plan is not None]
    if placed:
        return min(placed, key=lambda one: one.plan.gpu_hours if one.plan else 0.0)
    largest = sorted(
        every, key=lambda one: -one.cluster.nodes * one.cluster.gpus_per_node * one.cluster.gpu_memory_bytes
    )
    return next((one for one in largest if one.verdict == "too_large"), largest[0])


def with_others(best: Answer, others: Iterable[Answer]) -> dict[str, Any]:
    """The answer as JSON, with a line about each other cluster that was looked at."""
    return {
        **best.to_json(),
        "other_clusters": [
            {name: one.to_json()[name] for name in ("cluster", "verdict", "walltime", "gpu_hours")}
            for one in others
        ],
    }
