"""A plan in the words that worker scripts and dashboards read: section ``General`` of the ClearML task."""

from __future__ import annotations

from palmares.leaderboard.planning.plan import JobPlan
from palmares.leaderboard.submissions.submission import Submission
from palmares.leaderboard.suites import Suite


def hyperparameters(submission: Submission, plan: JobPlan, suite: Suite) -> dict[str, str]:
    """Write the section ``General`` (docs/architecture.md, "ClearML task"); every value is a string.

    Booleans are ``True`` and ``False``, as Python and the original scripts do; an absent limit is empty.
    """
    of_plan = plan_parameters(plan)
    head = ("cluster", "nb_nodes", "nb_gpus_per_node", "gpu_memory_utilization")
    return {
        "model": submission.model_id,
        "revision": submission.revision,
        **{name: of_plan[name] for name in head},
        "tasks": ",".join(suite.task_keys),
        "max_model_length": of_plan["max_model_length"],
        "use_chat_template": str(submission.use_chat_template),
        **of_plan,
        "suite": suite.name,
        "suite_hash": submission.suite_hash,
        "job_key": submission.job_key,
        "limit_samples": "" if submission.limit_samples is None else str(submission.limit_samples),
        "seed": str(submission.seed),
    }


def plan_parameters(plan: JobPlan) -> dict[str, str]:
    """The part that the plan alone decides: what a next attempt may change."""
    return {
        "cluster": plan.cluster,
        "nb_nodes": str(plan.nodes),
        "nb_gpus_per_node": str(plan.gpus_per_node),
        "gpu_memory_utilization": str(plan.gpu_memory_utilization),
        "max_model_length": str(plan.max_model_len),
        "walltime": plan.walltime,
        "dtype": plan.dtype,
        "enforce_eager": str(plan.enforce_eager),
        "backend": plan.backend,
    }
