"""Datasets and models on the Hugging Face Hub."""

from __future__ import annotations

from palmares.hub.hub import Hub, HubFile

__all__ = ["Hub", "HubFile"]
