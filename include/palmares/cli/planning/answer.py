"""The planner's answer about one model: a plan, or why there is none; the same members for both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from palmares.leaderboard.clusters import Cluster
from palmares.leaderboard.errors import Refusal, RefusedError
from palmares.leaderboard.planning import JobPlan, plan_job
from palmares.leaderboard.planning.choice import choose_cluster
from palmares.leaderboard.planning.memory import kv_bytes_per_token
from palmares.leaderboard.planning.model_config import ModelConfig
from palmares.leaderboard.planning.placement import Check, Placement, run_checks
from palmares.leaderboard.planning.reading import read_model_config
from palmares.leaderboard.settings import Settings
from palmares.leaderboard.submissions.model_facts import ModelFacts
from palmares.leaderboard.submissions.submission import Submission
from palmares.leaderboard.suites import Suite
from palmares.texts import message

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

NOT_SWEPT = message(
    "The sweep refuses encoder-decoders: policies.encoder_decoders in leaderboard.yaml is false."
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
    checks: tuple[Check, ...] = ()
    """The rules that the plan's placement keeps; empty in a refusal."""
    model: ModelConfig | None = None
    """The model's sizes; None: its config.json could not be read."""
    dtype: str = "bfloat16"
    """Of the cache, where it is not the plan's."""

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
            "parameters": self.model.parameters if self.model is not None else None,
            "kv_bytes_per_token": self.kv_bytes_per_token,
        }

    @property
    def kv_bytes_per_token(self) -> int | None:
        """Bytes that a token of one sequence takes on one GPU, in the cache's type; None: not known."""
        if self.model is None:
            return None
        whole = Placement(nodes=1, tensor_parallel=1, pipeline_parallel=1)
        return kv_bytes_per_token(self.model, whole, dtype=self.dtype)


def answer_on(
    cluster: Cluster, facts: ModelFacts, submission: Submission, suite: Suite, settings: Settings
) -> Answer:
    """Plan one model on one cluster, by the leaderboard's policies and what people set by hand.

    Encoder-decoders are planned even where the sweep's policy refuses them: the question is where they fit.
    """
    plan: JobPlan | None = None
    refusal: Refusal | None = None
    checks: tuple[Check, ...] = ()
    reading = replace(settings.policies.reading, encoder_decoders=True)
    model: ModelConfig | None = None
    try:
        model = read_model_config(facts, reading)
        plan = plan_job(
            facts,
            submission,
            suite,
            cluster,
            overrides=settings.overrides,
            reading=reading,
        )
        checks = run_checks(model, _placement(plan), cluster)
        if plan.backend == "hf-seq2seq" and not settings.policies.encoder_decoders:
            plan = plan.because(NOT_SWEPT)
    except RefusedError as error:
        refusal = error.refusal
    return Answer(
        model_id=facts.model_id,
        suite=suite.name,
        cluster=cluster,
        plan=plan,
        refusal=refusal,
        checks=checks,
        model=model,
        dtype=submission.precision,
    )


def _placement(plan: JobPlan) -> Placement:
    return Placement(
        nodes=plan.nodes,
        tensor_parallel=plan.tensor_parallel_size,
        pipeline_parallel=plan.pipeline_parallel_size,
    )


def best_of(answers: Sequence[Answer]) -> Answer:
    """The plan that is expected to end first, all queues being empty; else the most telling refusal."""
    clusters = {one.cluster.name: one.cluster for one in answers}
    plans: dict[str, JobPlan | RefusedError] = {}
    for one in answers:
        if one.plan is not None:
            plans[one.cluster.name] = one.plan
        elif one.refusal is not None:
            plans[one.cluster.name] = RefusedError(one.refusal)
    try:
        name = choose_cluster(plans, {}, clusters=clusters).plan.cluster
    except RefusedError as refused:
        return next(one for one in answers if one.refusal is refused.refusal)
    return next(one for one in answers if one.cluster.name == name)


def with_others(best: Answer, others: Iterable[Answer], *, explain: bool) -> dict[str, Any]:
    """The answer as JSON, with a line about each other cluster; with *explain* also each rule."""
    checks = [
        {
            "rule": one.rule,
            "ok": one.ok,
            "detail": one.detail.en,
            "detail_fr": one.detail.fr,
            "source": one.source,
        }
        for one in best.checks
    ]
    return {
        **best.to_json(),
        **({"checks": checks} if explain else {}),
        "other_clusters": [
            {name: one.to_json()[name] for name in ("cluster", "verdict", "walltime", "gpu_hours")}
            for one in others
        ],
    }
