"""Chooses rows by the hash of their id: a bounded number, the same ones every time, from any stream."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable

from palmares.benchmarks.scorer import DetailsRow


def draw(row_id: str, *, salt: str = "") -> int:
    """A number that looks random and depends on the id only; 64 bits."""
    return int.from_bytes(hashlib.sha256(f"{salt}\0{row_id}".encode(errors="replace")).digest()[:8], "big")


def sample(rows: Iterable[DetailsRow], most: int) -> list[DetailsRow]:
    """At most *most* rows, in the order of their hashes; holds no more than these in memory."""
    # The place breaks ties: two rows of one id cannot be compared.
    numbered = ((draw(row.row_id), place, row) for place, row in enumerate(rows))
    return [row for _, _, row in heapq.nsmallest(most, numbered)]
