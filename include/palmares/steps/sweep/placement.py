"""Where a submission's job is planned: on the cluster asked for, or on the one that should end it first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from palmares.leaderboard.clusters import Cluster
from palmares.leaderboard.errors import RefusedError
from palmares.leaderboard.planning import JobPlan, plan_job
from palmares.leaderboard.planning.adapters import with_base
from palmares.leaderboard.planning.choice import choose_cluster
from palmares.leaderboard.submissions.model_facts import ModelFacts
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.services import Services
from palmares.steps.sweep.history import history_of

log = logging.getLogger(__name__)

QueueDepths = Callable[[], Mapping[str, int]]
"""Jobs that wait or run, by each queue that an agent serves; empty: nobody knows."""


def best_plan(
    services: Services,
    submission: Submission,
    *,
    cluster: str | None,
    queue_depths: QueueDepths | None = None,
) -> JobPlan:
    """Plan a submission's job, corrected by past jobs and by what people set by hand.

    Args:
        services: Settings, and the store that knows past jobs.
        submission: What is evaluated.
        cluster: Where; None: of the clusters with the submission's backend (another would make another
            result), the one that should end the job first.
        queue_depths: Asked only if there is a choice. None, or an empty answer: the default cluster, if the
            model fits there.

    Raises:
        RefusedError: The model fits nowhere or cannot be served.
        SettingsError: There is no such cluster.
    """
    facts = pinned_facts(services, submission)
    candidates = _candidates(services, submission, cluster)
    plans: dict[str, JobPlan | RefusedError] = {}
    for one in candidates:
        try:
            plans[one.name] = _plan_on(one, services, submission, facts)
        except RefusedError as error:
            plans[one.name] = error
    first = plans[candidates[0].name]
    if len(candidates) > 1:
        depths = dict(queue_depths()) if queue_depths is not None else {}
        if depths or isinstance(first, RefusedError):
            return _chosen(_served(plans, depths), depths, services)
    if isinstance(first, RefusedError):
        raise first
    return first


def pinned_facts(services: Services, submission: Submission) -> ModelFacts:
    """Ask the Hub about the commit that was admitted; about an adapter's base too.

    Raises:
        HubError: The Hub does not answer, or has the model no more.
    """
    own = services.hub.model_facts(submission.model_id, submission.revision)
    if submission.base_model is None or submission.base_revision is None:
        return own
    return with_base(own, services.hub.model_facts(submission.base_model, submission.base_revision))


def _candidates(services: Services, submission: Submission, cluster: str | None) -> list[Cluster]:
    """The cluster asked for; else the default one, then the others whose backend is the submission's."""
    settings = services.settings
    first = settings.cluster(cluster)
    if cluster:
        return [first]
    others = [
        one
        for name, one in settings.clusters.items()
        if name != first.name and one.backend == first.backend == submission.backend
    ]
    return [first, *others]


def _plan_on(cluster: Cluster, services: Services, submission: Submission, facts: ModelFacts) -> JobPlan:
    settings = services.settings
    return plan_job(
        facts,
        submission,
        settings.suite(submission.suite),
        cluster,
        history=history_of(services.store, cluster=cluster.name),
        overrides=settings.overrides,
        reading=settings.policies.reading,
    )


def _served(
    plans: Mapping[str, JobPlan | RefusedError], depths: Mapping[str, int]
) -> Mapping[str, JobPlan | RefusedError]:
    """Leave out clusters whose queue no agent serves, unless that would leave none."""
    served = {
        name: plan for name, plan in plans.items() if isinstance(plan, JobPlan) and plan.queue in depths
    }
    return served or plans


def _chosen(
    plans: Mapping[str, JobPlan | RefusedError], depths: Mapping[str, int], services: Services
) -> JobPlan:
    choice = choose_cluster(plans, depths, clusters=services.settings.clusters)
    log.info("%s", choice.reason.en)
    return choice.plan.because(choice.reason)
