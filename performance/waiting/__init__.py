"""Parts of `performance/waiting_triggers.py`."""

from __future__ import annotations
