"""Chooses the smallest reservation on which a model runs well."""

from __future__ import annotations

from dataclasses import dataclass

from include.leaderboard.clusters import Cluster, minutes
from include.leaderboard.errors import RefusedError
from include.leaderboard.planning.checks import (
    Check,
    Placement,
    placements,
    queue_of,
    reserved_gpus,
    run_checks,
)
from include.leaderboard.planning.memory import Budget, budget, gib
from include.leaderboard.planning.plan import JobPlan
from include.leaderboard.planning.shape import ModelShape, read_shape, weights_bytes
from include.leaderboard.planning.walltime import estimate_s, hours_minutes, walltime_minutes
from include.leaderboard.submissions.model_facts import ModelFacts
from include.leaderboard.submissions.refusals import refused
from include.leaderboard.submissions.submission import Submission
from include.leaderboard.suites import Suite


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    placement: Placement
    checks: tuple[Check, ...]
    budget: Budget
    reserved: int

    @property
    def legal(self) -> bool:
        return all(check.ok for check in self.checks)


def plan_job(facts: ModelFacts, submission: Submission, suite: Suite, cluster: Cluster) -> JobPlan:
    """Plan one model's job: least reserved GPUs first, subject to a concurrency that makes sense.

    Raises:
        RefusedError: ``incompatible`` (unknown or unsupported architecture, broken config) or ``too_large``
            (with the numbers).
    """
    shape = read_shape(facts)
    weights = weights_bytes(facts, shape, submission.precision)
    max_model_len = min(suite.max_tokens, shape.window or suite.max_tokens)
    candidates = [
        _Candidate(
            placement=placement,
            checks=run_checks(shape, placement, cluster),
            budget=budget(
                shape,
                placement,
                cluster,
                weights_bytes=weights,
                max_model_len=max_model_len,
                dtype=submission.precision,
            ),
            reserved=reserved_gpus(cluster, placement),
        )
        for placement in placements(cluster)
    ]
    chosen = _choose([candidate for candidate in candidates if candidate.legal], cluster)
    if chosen is None:
        raise _too_large(facts, weights, candidates, cluster)
    sequences = min(chosen.budget.concurrency, cluster.max_num_seqs)
    estimate = estimate_s(
        suite,
        cluster,
        chosen.placement,
        weights_bytes=weights,
        dtype=submission.precision,
        max_model_len=max_model_len,
        concurrency=sequences,
        limit_samples=submission.limit_samples,
    )
    walltime = walltime_minutes(estimate, cluster)
    reasons = _reasons(chosen, shape, suite, cluster, weights=weights, max_model_len=max_model_len)
    return JobPlan(
        cluster=cluster.name,
        queue=queue_of(cluster, chosen.placement) or "",
        nodes=chosen.placement.nodes,
        gpus_per_node=chosen.placement.gpus_per_node,
        tensor_parallel_size=chosen.placement.tensor_parallel,
        pipeline_parallel_size=chosen.placement.pipeline_parallel,
        gpu_memory_utilization=cluster.gpu_memory_utilization,
        max_model_len=max_model_len,
        max_num_seqs=sequences,
        dtype=submission.precision,
        enforce_eager=cluster.enforce_eager,
        backend=cluster.backend,
        walltime=hours_minutes(walltime),
        gpu_hours=round(min(estimate, walltime * 60) * chosen.reserved / 3600, 3),
        reasons=(*reasons, _walltime_reason(estimate, walltime, cluster)),
    )


def _choose(legal: list[_Candidate], cluster: Cluster) -> _Candidate | None:
    """The smallest reservation with the preferred concurrency; without one, the most sequences at all.

    On equal reservations fewer pipeline stages win (no idle bubbles), then more tensor parallelism (speed).
    """
    fitting = [candidate for candidate in legal if candidate.budget.concurrency >= 1]
    good = [
        candidate for candidate in fitting if candidate.budget.concurrency >= cluster.preferred_concurrency
    ]
    if good:
        return min(good, key=lambda candidate: (candidate.reserved, *_tie(candidate)))
    if fitting:
        return min(
            fitting,
            key=lambda candidate: (-candidate.budget.concurrency, candidate.reserved, *_tie(candidate)),
        )
    return None


def _tie(candidate: _Candidate) -> tuple[int, int]:
    return candidate.placement.pipeline_parallel, -candidate.placement.tensor_parallel


def _reasons(
    chosen: _Candidate,
    shape: ModelShape,
    suite: Suite,
    cluster: Cluster,
    *,
    weights: int,
    max_model_len: int,
) -> list[str]:
    placement, memory = chosen.placement, chosen.budget
    rules = ", ".join(check.rule for check in chosen.checks)
    reasons = [
        f"{placement.nodes} x {placement.gpus_per_node} GPU on {cluster.name} is the smallest reservation "
        f"(GPUs taken: {chosen.reserved}) that holds the model with room for {memory.concurrency} sequences "
        f"of {max_model_len} tokens.",
        f"Of {gib(memory.usable)} usable a GPU, weights ({gib(weights)} in all) take {gib(memory.weights)}, "
        f"the engine and activations {gib(memory.fixed - memory.weights)}; {gib(memory.free)} are left for "
        f"the KV cache, {gib(memory.kv_per_sequence)} a sequence (M1, K1, K4).",
        f"Tensor parallel {placement.tensor_parallel} and pipeline parallel {placement.pipeline_parallel} "
        f"are legal for {shape.heads} heads, {shape.kv_heads} key-value heads of {shape.head_dim} and "
        f"{shape.layers} layers ({rules}, H1).",
    ]
    if max_model_len < suite.max_tokens:
        reasons.append(
            f"The model's window of {max_model_len} tokens is shorter than the suite's {suite.max_tokens}: "
            "longer prompts are cut on the left."
        )
    if memory.concurrency < cluster.preferred_concurrency:
        reasons.append(
            f"No placement on {cluster.name} holds the preferred {cluster.preferred_concurrency} sequences; "
            "this one holds the most."
        )
    return reasons


def _walltime_reason(estimate: float, walltime: int, cluster: Cluster) -> str:
    wanted = estimate * cluster.speed.margin / 60
    text = (
        f"Wall time {hours_minutes(walltime)}: estimated {estimate / 60:.0f} minutes, times "
        f"{cluster.speed.margin:g}; no history of past jobs was used."
    )
    if wanted > minutes(cluster.max_walltime):
        text += f" It is cut to the longest that {cluster.name} allows."
    return text


def _too_large(
    facts: ModelFacts, weights: int, candidates: list[_Candidate], cluster: Cluster
) -> RefusedError:
    legal = [candidate for candidate in candidates if candidate.legal]
    if not legal:
        return refused(
            "incompatible",
            name=facts.model_id,
            detail=f"no queue of {cluster.name} has a shape that its layers can be cut into",
            detail_fr=f"aucune file de {cluster.name} n'a de forme selon laquelle le découper",
            advice="Choose another cluster.",
            advice_fr="Choisissez une autre grappe.",
        )
    best = max(legal, key=lambda candidate: candidate.budget.free - candidate.budget.kv_per_sequence)
    need = best.budget.fixed + best.budget.kv_per_sequence
    gpus = best.placement.world
    return refused(
        "too_large",
        name=facts.model_id,
        cluster=cluster.name,
        detail=f"its weights take {gib(weights)}; spread over {gpus} GPUs it needs {gib(need)} on each, and "
        f"{gib(best.budget.usable)} are usable",
        detail_fr=f"ses poids font {gib(weights)} ; réparti sur {gpus} GPU il demande {gib(need)} sur "
        f"chacun, et {gib(best.budget.usable)} sont utilisables",
    )
