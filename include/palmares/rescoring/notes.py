"""What a person should know of a results file though nothing of it was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palmares.rescoring.scores import MetricAt, Scores, member

if TYPE_CHECKING:
    from palmares.rescoring.update import Change, NewScore


def stale_groups(scores: Scores, task_key: str, at: MetricAt) -> list[str]:
    """lm-eval's groups hold weighted means; their rule is the task's own."""
    members = member(scores.data, "group_subtasks")
    groups = member(scores.data, "groups")
    return [
        f"{scores.path.name}: group {group} holds an average of the old {at.key} of {task_key}; "
        "it was left as it is."
        for group, tasks in members.items()
        if isinstance(tasks, list) and task_key in tasks and at.key in member(groups, group)
    ]


def other_before(scores: Scores, score: NewScore, change: Change) -> list[str]:
    """The rows' old verdicts should come to the value that stands; half a row's difference is rounding."""
    if score.value_before is None or change.before is None:
        return []
    if abs(score.value_before - change.before) <= 0.5 / score.rows:
        return []
    return [
        f"{scores.path.name}: {change.task_key} {change.metric} was {change.before:.4f}, but the old "
        f"verdicts in {score.details_name} come to {score.value_before:.4f}. Re-scored before "
        "without a trace, or the details of another run? The new score is of these details."
    ]
