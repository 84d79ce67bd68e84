"""What a gate stops is quarantined: kept for a person, with the evidence."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from palmares.leaderboard.errors import GateError
from palmares.steps.services import Services
from palmares.store.store import EvaluationState

log = logging.getLogger(__name__)


@contextmanager
def quarantining(services: Services, job_key: str, *, dag_run_id: str | None) -> Iterator[None]:
    """Quarantine the evaluation when the block raises `GateError`, and let the error through."""
    try:
        yield
    except GateError as error:
        log.error("parked: %s", error)  # noqa: TRY400 - evidence, and the traceback follows
        services.store.evaluations.update(
            job_key,
            state=EvaluationState.QUARANTINED,
            held_by=dag_run_id,
            reason_code="parked",
            reason=str(error),
        )
        raise
