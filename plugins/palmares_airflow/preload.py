"""Modules that nearly every task imports, loaded before Airflow forks: a task then begins at once.

A task runs in a forked process, and what it imports is gone with it. Measured with 20 models: see
docs/reference/performance.md, "Overhead, side by side".
"""

from __future__ import annotations

import logging
from importlib import import_module

log = logging.getLogger(__name__)

MODULES = (
    "clearml_provider.artifacts",
    "clearml_provider.client",
    "clearml_provider.flows.enqueue",
    "clearml_provider.hook",
    "clearml_provider.operators.fetch",
    "clearml_provider.operators.tasks",
    "clearml_provider.operators.wait",
    "clearml_provider.triggers",
    "huggingface_hub.hf_api",
    "palmares.steps.sweep.admission",
    "palmares.steps.sweep.outcomes",
    "palmares.steps.sweep.planning",
    "palmares.steps.sweep.publishing",
    "palmares.steps.rescore.regrading",
    "palmares.steps.rescore.republishing",
    "palmares.steps.sweep.results",
    "palmares.steps.sweep.summary",
    "psycopg",
    "pyarrow.parquet",
    "sqlalchemy.dialects.postgresql.psycopg",
    "upath.implementations.local",
)
"""Nothing among them opens a connection or starts a thread when it is imported: neither outlives a fork."""


def preload() -> None:
    """Import what tasks import; one that is missing is the task's to report."""
    for name in MODULES:
        try:
            import_module(name)
        except ImportError as error:
            log.warning("%s is not loaded before tasks are forked: %s", name, error)
