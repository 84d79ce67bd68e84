"""Charts as SVG, drawn from rows; every chart stands beside a table of the same numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from palmares.site.board import Z95, Row

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 16, 40
LINE_HEIGHT = 26
LABEL_WIDTH = 250
LONGEST_LABEL = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One model."""

    x: float
    y: float
    low: float
    """Left or lower end of the 95 % interval, in the chart's units."""
    high: float
    row: Row
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Everything in pixels."""

    width: int
    height: int
    dots: tuple[Dot, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def intervals(rows: Sequence[Row]) -> Chart | None:
    """Averages with their 95 % intervals, one line a model; None: nothing to draw."""
    drawn = [row for row in rows if row.average is not None]
    if not drawn:
        return None
    height = TOP + LINE_HEIGHT * len(drawn) + BOTTOM

    def x(value: float) -> float:
        return LABEL_WIDTH + (WIDTH - LABEL_WIDTH - RIGHT) * min(100.0, max(0.0, value)) / 100

    dots = []
    for index, row in enumerate(drawn):
        half = Z95 * (row.average_stderr or 0.0)
        average = row.average or 0.0
        low, high = row.interval or (average - half, average + half)
        dots.append(
            Dot(
                x=x(average),
                y=TOP + LINE_HEIGHT * (index + 0.5),
                low=x(low),
                high=x(high),
                row=row,
                label=_short(row.name),
            )
        )
    ticks = tuple(Tick(at=x(value), text=str(value)) for value in range(0, 101, 20))
    return Chart(width=WIDTH, height=height, dots=tuple(dots), x_ticks=ticks, y_ticks=())


def scatter(rows: Sequence[Row], field: str, *, logarithmic: bool = False) -> Chart | None:
    """Averages against a number or a day of the rows; None: fewer than one row has it.

    Args:
        rows: Ranked rows.
        field: Attribute of `Row`: a number above 0, or a day as ``2026-01-31``.
        logarithmic: The scale of *field*.
    """
    points = [
        (value, row) for row in rows if (value := _position(getattr(row, field), logarithmic)) is not None
    ]
    points = [(value, row) for value, row in points if row.average is not None]
    if not points:
        return None
    low, high = min(value for value, _ in points), max(value for value, _ in points)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    margin = 0.05 * (high - low)
    low, high = low - margin, high + margin

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / (high - low)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(100.0, max(0.0, value)) / 100

    dots = []
    for value, row in points:
        half = Z95 * (row.average_stderr or 0.0)
        average = row.average or 0.0
        dots.append(
            Dot(
                x=x(value),
                y=y(average),
                low=y(average - half),
                high=y(average + half),
                row=row,
                label=row.name,
            )
        )
    x_ticks = tuple(Tick(at=x(at), text=text) for at, text in _ticks(low, high, field, logarithmic))
    y_ticks = tuple(Tick(at=y(value), text=str(value)) for value in range(0, 101, 20))
    return Chart(width=WIDTH, height=HEIGHT, dots=tuple(dots), x_ticks=x_ticks, y_ticks=y_ticks)


def _position(value: object, logarithmic: bool) -> float | None:
    if isinstance(value, str):
        try:
            return float(date.fromisoformat(value[:10]).toordinal())
        except ValueError:
            return None
    if not isinstance(value, int | float) or (logarithmic and value <= 0):
        return None
    return math.log10(value) if logarithmic else float(value)


def _ticks(low: float, high: float, field: str, logarithmic: bool) -> list[tuple[float, str]]:
    if field == "submitted":
        days = sorted({round(low + (high - low) * part) for part in (0.1, 0.5, 0.9)})
        return [(float(one), date.fromordinal(max(1, one)).isoformat()) for one in days]
    if logarithmic:
        whole = range(math.floor(low), math.ceil(high) + 1)
        marks = [(power + math.log10(step), step * 10.0**power) for power in whole for step in (1, 2, 5)]
        shown = [(at, f"{value:g}") for at, value in marks if low <= at <= high]
        return shown[:: max(1, len(shown) // 8)]
    step = (high - low) / 4
    return [(low + step * part, f"{low + step * part:.3g}") for part in range(5)]


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_LABEL else f"…{name[-LONGEST_LABEL + 1 :]}"
