"""The canary: a string in every row of the demo's datasets, never to be seen outside private storage."""

from __future__ import annotations

CANARY = "[CANARI-PALMARES-7d41c9]"
"""Searched for in logs, XCom, ClearML's events, public Hub files and reports after the end-to-end test."""
