"""How long a job may take: a throughput model, corrected by past jobs, with a margin."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from palmares.leaderboard.clusters import Cluster, minutes
from palmares.leaderboard.planning.placement import Placement
from palmares.leaderboard.suites import Suite, SuiteTask

PRIOR_ROWS: Final = 1.0
"""A level's rows weigh n / (n + this) against the wider level: few rows move little."""
PRIOR_SPREAD_ROWS: Final = 5.0
"""The same for the spread, which takes more rows to know."""
SAME_SIZE: Final = 1.0
"""Sizes within this many octaves (factors of two) are alike."""
LEAST_MARGIN: Final = 1.25
"""No history makes a wall time tighter than this many times the expected duration."""
ABSURD: Final = 1000.0
"""A job that took this many times more or less than forecast measured something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One past job that succeeded in one attempt."""

    family: str
    """``JobPlan.family``."""
    parameters: int
    """``JobPlan.parameters``."""
    predicted_s: float
    """``JobPlan.estimated_s``: before any correction."""
    actual_s: float
    """From the results' manifest."""

    @property
    def is_usable(self) -> bool:
        """Whether the row says something about speed."""
        return (
            self.parameters > 0
            and 0 < self.predicted_s < math.inf
            and 0 < self.actual_s < math.inf
            and 1 / ABSURD < self.actual_s / self.predicted_s < ABSURD
        )

    @property
    def log_ratio(self) -> float:
        return math.log(self.actual_s / self.predicted_s)

    @property
    def octave(self) -> float:
        return math.log2(self.parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What a forecast is multiplied by."""

    factor: float
    """To the expected duration; 1 without a history."""
    margin: float
    """From the expected duration to the wall time."""
    rows: int
    """Past jobs behind it; 0: none, and the margin is the cluster's."""
    family_rows: int = 0
    """Those of the same family."""


@dataclass(frozen=True)
class History:
    """Past jobs, ready to be asked; rows that cannot be used are left out.

    The factor is a median of log ratios (one job that hung moves nothing), refined level by level: all jobs,
    those of about this size, those of this family, those of both. Each level moves the one before by
    n / (n + 1) of the difference, so the first starts from 1 and few rows stay near the wider level.
    """

    rows: tuple[HistoryRow, ...] = ()
    _known: dict[tuple[str, float, float, float], Correction] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def of(cls, rows: Iterable[HistoryRow]) -> Self:
        """Keep the usable ones."""
        return cls(tuple(row for row in rows if row.is_usable))

    def correction(self, *, family: str, parameters: int, quantile: float, prior_margin: float) -> Correction:
        """Say what past jobs make of a forecast.

        Args:
            family: The model's class.
            parameters: The model's size.
            quantile: Share of jobs that should end within their wall time, 0 to 1.
            prior_margin: Wall time over expected duration that is used without a history.
        """
        if not self.rows:
            return Correction(factor=1.0, margin=prior_margin, rows=0)
        octave = round(4 * math.log2(max(1, parameters))) / 4  # so that the answers can be kept
        key = (family, octave, quantile, prior_margin)
        if key not in self._known:
            self._known[key] = self._correct(family, octave, quantile, prior_margin)
        return self._known[key]

    def _correct(self, family: str, octave: float, quantile: float, prior_margin: float) -> Correction:
        centre, rows = self._centre(family, octave)
        spread = _quantile(sorted(row.log_ratio - centre for row in rows), quantile)
        if len(rows) * (1 - quantile) < 1:  # that quantile is the maximum, which one job that hung decides
            spread = min(spread, math.log(prior_margin))
        weight = len(rows) / (len(rows) + PRIOR_SPREAD_ROWS)
        margin = math.exp(weight * max(0.0, spread) + (1 - weight) * math.log(prior_margin))
        return Correction(
            factor=math.exp(centre),
            margin=max(LEAST_MARGIN, margin),
            rows=len(self.rows),
            family_rows=sum(row.family == family for row in self.rows),
        )

    def _centre(self, family: str, octave: float) -> tuple[float, Sequence[HistoryRow]]:
        """The expected log ratio, and the rows of the narrowest level that has some."""
        levels: tuple[Callable[[HistoryRow], bool], ...] = (
            lambda row: True,
            lambda row: abs(row.octave - octave) <= SAME_SIZE,
            lambda row: row.family == family,
            lambda row: row.family == family and abs(row.octave - octave) <= SAME_SIZE,
        )
        centre, narrowest = 0.0, self.rows
        for level in levels:
            rows = tuple(row for row in self.rows if level(row))
            if rows:
                narrowest = rows
                median = statistics.median(row.log_ratio for row in rows)
                centre += len(rows) / (len(rows) + PRIOR_ROWS) * (median - centre)
        return centre, narrowest


def _quantile(values: Sequence[float], share: float) -> float:
    """The smallest of the sorted *values* that at least *share* of them do not exceed."""
    return values[min(len(values) - 1, max(0, math.ceil(share * len(values)) - 1))]


STEP_MINUTES: Final = 15
"""Wall times are rounded up to this."""


def estimate_s(
    suite: Suite,
    cluster: Cluster,
    placement: Placement,
    *,
    weights_bytes: int,
    active_parameters: int,
    kv_per_sequence: int,
    max_model_len: int,
    concurrency: int,
    limit_samples: int | None,
) -> float:
    """Estimate a job's duration, in seconds, start to end.

    Load by disk: the weights once. Prefill by FLOP/s: two operations an active parameter and token;
    attention's own, below a tenth at these lengths, are left to the margin. Decode by memory bandwidth: a
    step of all running sequences reads a rank's weights (of experts too: a batch touches nearly all), and
    each generated token its sequence's cache, stage after stage. More room never makes it slower. The
    constants are the cluster's.

    Args:
        suite: What is asked.
        cluster: Its ``speed``.
        placement: How the model is cut.
        weights_bytes: All weights, as they lie in memory.
        active_parameters: Those that one token passes through; all of them without experts.
        kv_per_sequence: Bytes a GPU that a sequence of *max_model_len* tokens caches.
        max_model_len: Tokens; longer prompts are cut.
        concurrency: Sequences at once.
        limit_samples: Rows a task; None: all.
    """
    speed = cluster.speed
    total = speed.startup_s + weights_bytes / speed.load_bytes_per_s
    read = weights_bytes / placement.tensor_parallel
    cached = kv_per_sequence * placement.pipeline_parallel / max_model_len
    for task in suite.tasks:
        requests = task.requests(limit_samples)
        prompt, generated = _lengths(task, max_model_len)
        total += 2 * active_parameters * prompt * requests / (speed.flops * placement.world)
        if generated:
            steps = math.ceil(requests / concurrency) * generated
            context = min(prompt + generated / 2, max_model_len)
            total += steps * (read / speed.memory_bytes_per_s + speed.step_s)
            total += requests * generated * context * cached / speed.memory_bytes_per_s
    return total


def _lengths(task: SuiteTask, max_model_len: int) -> tuple[int, int]:
    """Tokens of a prompt and of what follows, as far as the model's window goes."""
    generated = (
        task.max_generated_tokens if task.mean_generated_tokens is None else task.mean_generated_tokens
    )
    return (
        min(task.mean_prompt_tokens or task.max_prompt_tokens, max_model_len),
        min(generated + task.thinking_tokens, max_model_len),
    )


def wanted_minutes(expected_s: float, margin: float) -> int:
    """Apply a margin and round up."""
    return math.ceil(expected_s * margin / 60 / STEP_MINUTES) * STEP_MINUTES


def walltime_minutes(wanted: int, cluster: Cluster) -> int:
    """Stay within the cluster's bounds."""
    return max(minutes(cluster.min_walltime), min(wanted, minutes(cluster.max_walltime)))


def carbon_kg(gpu_hours: float, cluster: Cluster) -> float:
    """GPU-hours x kW a GPU x kg of CO2 equivalent a kWh; the constants are the cluster's."""
    return round(gpu_hours * cluster.gpu_power_kw * cluster.carbon_kg_per_kwh, 3)


def hours_minutes(value: int) -> str:
    """Write minutes as ``HH:MM``."""
    return f"{value // 60:02d}:{value % 60:02d}"
