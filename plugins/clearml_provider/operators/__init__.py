"""Operators: enqueue a ClearML task exactly once, and wait for it without holding a worker."""

from __future__ import annotations

from clearml_provider.operators.enqueue import ClearMLEnqueueOperator
from clearml_provider.operators.wait import ClearMLWaitOperator

__all__ = ["ClearMLEnqueueOperator", "ClearMLWaitOperator"]
