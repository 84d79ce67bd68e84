"""Finding the final answer: reasoning off, announcement or conclusion found, corrections obeyed."""

from __future__ import annotations
