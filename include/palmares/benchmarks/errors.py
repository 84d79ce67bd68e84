"""What a benchmark may raise. Messages name files and row ids, never a text of a row.

BenchmarkError
├── DatasetError            a dataset is missing, or has other columns
├── RowError                a stored row lacks what its benchmark needs
└── UnknownBenchmarkError   no benchmark has that name
"""

from __future__ import annotations


class BenchmarkError(Exception):
    """A benchmark, or its data, is wrong."""


class DatasetError(BenchmarkError):
    """A dataset is missing, or has other columns."""


class RowError(BenchmarkError):
    """A stored row lacks what its benchmark needs."""


class UnknownBenchmarkError(BenchmarkError):
    """No benchmark has that name."""
