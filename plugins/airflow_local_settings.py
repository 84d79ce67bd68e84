"""Airflow imports this file as it starts: whoever forks for every task loads what tasks need, once."""

from __future__ import annotations

import sys

FORKERS = frozenset({"scheduler", "celery"})
"""Commands whose children run tasks: LocalExecutor's workers are the scheduler's, Celery's its worker's."""

if FORKERS & set(sys.argv[1:2]):
    from palmares_airflow.preload import preload

    preload()
