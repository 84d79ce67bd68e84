"""Sensor: wait for a ClearML task that somebody else enqueued."""

from __future__ import annotations

from clearml_provider.sensors.task import ClearMLTaskSensor

__all__ = ["ClearMLTaskSensor"]
