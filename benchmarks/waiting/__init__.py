"""Parts of `benchmarks/waiting_triggers.py`."""

from __future__ import annotations
