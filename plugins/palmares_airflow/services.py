"""Our services at the addresses of Airflow's connections."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.sdk import Connection

if TYPE_CHECKING:
    from palmares.steps.services import Services

log = logging.getLogger(__name__)


def open_services() -> Services:
    """Open our store, the Hub and raw storage at the addresses of this Airflow's connections."""
    from palmares.steps.services import Services

    return Services.open(Connection.get)


@contextmanager
def form_errors() -> Iterator[None]:
    """End the task for what a person typed into the form: no retry (`waiting.FORM_POLICY`) and no traceback.

    Raises:
        SystemExit: The form names something that does not exist; says what, all together. Airflow shows the
            traceback of any other exception.
    """
    from palmares.leaderboard.errors import RunFormError

    try:
        yield
    except RunFormError as error:
        for line in str(error).splitlines():
            log.error("%s", line)  # noqa: TRY400 - a person reads it: no traceback
        raise SystemExit("The form is wrong: correct it, and start another run.") from None


@contextmanager
def step_services() -> Iterator[Services]:
    """The same for a step of one model, whose decided endings become Airflow's: no retry would change them.

    Raises:
        AirflowSkipException: The model was refused, or another run holds it by now.
        AirflowFailException: A gate quarantined it: a person decides.
    """
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
    from palmares.leaderboard.errors import ClaimLostError, GateError, RefusedError

    try:
        with open_services() as services:
            yield services
    except (ClaimLostError, RefusedError) as decided:
        raise AirflowSkipException(str(decided)) from decided
    except GateError as quarantined:
        raise AirflowFailException(str(quarantined)) from quarantined
