"""The card's two charts: scores with their errors, cost against score; same rows, same bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from palmares.leaderboard.publishing.contents import Contents, ContentsRow
from palmares.texts import LANGUAGES, Message, message

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCORES_PATH = "charts/scores.png"
COST_PATH = "charts/cost.png"
PATHS = (SCORES_PATH, COST_PATH)

NORMAL_95 = 1.96
"""Standard errors to either side of a value in which 95 % of repetitions fall."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Okabe and Ito's palette, told apart by readers with every common kind of colour blindness."""
MARKERS = ("o", "s", "^", "v", "P", "X")
INK = "#222222"
GREY = "#999999"
PALE = "#DDDDDD"
DPI = 144
LONGEST_LABEL = 44
NAMED_POINTS = 10
"""Points of the second chart that are named at most."""


def charts(contents: Contents, *, most: int) -> dict[str, bytes]:
    """Draw both charts of the best *most* ranked models.

    Returns:
        PNG files by path; empty while there is no ranked model.
    """
    rows = contents.ranked[:most]
    if not rows:
        return {}
    return {SCORES_PATH: _png(_scores(rows, contents)), COST_PATH: _png(_cost(rows))}


def _figure(*, height: float) -> tuple[Figure, Axes]:
    # Not pyplot: it keeps figures in a global list, and asks the machine for a screen.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _scores(rows: Sequence[ContentsRow], contents: Contents) -> Figure:
    figure, axes = _figure(height=1.7 + 0.52 * len(rows))
    columns = contents.suite.columns
    places = range(len(rows))
    for number, column in enumerate(columns):
        shift = _lane(number + 1, len(columns) + 1)
        values = [(row.values or {})[column.name] for row in rows]
        _points(
            axes,
            [100 * value.shown for value in values],
            [place + shift for place in places],
            [None if value.stderr is None else 100 * value.stderr for value in values],
            color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[number % len(MARKERS)],
            markersize=5,
            alpha=0.9,
            label=column.title,
        )
    _points(
        axes,
        [100 * (row.average or 0.0) for row in rows],
        [place + _lane(0, len(columns) + 1) for place in places],
        [None if (error := row.average_stderr) is None else 100 * error for row in rows],
        color=INK,
        marker="D",
        markersize=6.5,
        elinewidth=2.2,
        label=_in_all_languages(message("Average")),
    )
    axes.set_yticks(list(places), [f"{row.rank}. {_name(row)}" for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(-1, 101)  # room for points at the ends
    axes.set_axisbelow(True)
    axes.grid(axis="x", color=PALE)
    for place in places:
        axes.axhline(place + 0.5, color=PALE, linewidth=0.6)
    axes.set_xlabel(_in_all_languages(message("Score (%), with 95 % intervals")))
    figure.legend(loc="outside upper center", ncols=len(columns) + 1, frameon=False, fontsize=9)
    return figure


def _in_all_languages(label: Message) -> str:
    """A chart is one picture for the readers of every language."""
    return " · ".join(label.text(language) for language in LANGUAGES)


def _lane(number: int, count: int) -> float:
    """Offset of one of *count* lanes within a model's row, so that no point hides another."""
    return 0.7 * ((number + 0.5) / count - 0.5)


def _points(
    axes: Axes, x: Sequence[float], y: Sequence[float], errors: Sequence[float | None], **look: Any
) -> None:
    """Draw points with 95 % intervals; those without an estimator have no line."""
    spread = [NORMAL_95 * error if error is not None else 0.0 for error in errors]
    low = [min(one, at) for one, at in zip(spread, x, strict=True)]
    high = [min(one, 100 - at) for one, at in zip(spread, x, strict=True)]
    axes.errorbar(x, y, xerr=[low, high], linestyle="none", **look)


def _cost(rows: Sequence[ContentsRow]) -> Figure:
    figure, axes = _figure(height=5.2)
    best = _frontier(rows)
    for is_best, colour, marker, label in (
        (False, COLOURS[0], "o", message("Ranked models")),
        (True, COLOURS[1], "D", message("No cheaper model scores as well")),
    ):
        some = [row for row in rows if (row in best) is is_best]
        if not some:
            continue
        x, y = [_hours(row) for row in some], [100 * (row.average or 0.0) for row in some]
        spread = [100 * NORMAL_95 * (row.average_stderr or 0.0) for row in some]
        axes.errorbar(
            x,
            y,
            yerr=[
                [min(one, at) for one, at in zip(spread, y, strict=True)],
                [min(one, 100 - at) for one, at in zip(spread, y, strict=True)],
            ],
            linestyle="none",
            color=colour,
            ecolor=GREY,
            marker=marker,
            markersize=7,
            label=_in_all_languages(label),
        )
    axes.step(
        [_hours(row) for row in best],
        [100 * (row.average or 0.0) for row in best],
        where="post",
        color=COLOURS[1],
        linestyle=":",
        linewidth=1.2,
        zorder=1,
    )
    _name_points(axes, best[-NAMED_POINTS:])
    hours = [_hours(row) for row in rows]
    # Within less than a decade a logarithmic axis has hardly a number to show.
    is_wide = max(hours) >= 10 * min(hours)
    if is_wide:
        axes.set_xscale("log")
    axes.set_ylim(0, 100)
    axes.margins(x=0.12)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_axisbelow(True)
    axes.grid(color=PALE, which="major")
    hours_label = (
        message("GPU-hours of the evaluation (log scale)")
        if is_wide
        else message("GPU-hours of the evaluation")
    )
    axes.set_xlabel(_in_all_languages(hours_label))
    axes.set_ylabel(_in_all_languages(message("Average (%)")))
    figure.legend(loc="outside upper center", ncols=1, frameon=False, fontsize=9)
    return figure


def _name_points(axes: Axes, rows: Sequence[ContentsRow]) -> None:
    """Name points to their upper left, where the frontier leaves room; the first to its right."""
    for number, row in enumerate(rows):
        name = _name(row).rpartition("/")[2]
        axes.annotate(
            name,
            (_hours(row), 100 * (row.average or 0.0)),
            xytext=(-6, 7) if number else (8, 5),
            textcoords="offset points",
            ha="right" if number else "left",
            fontsize=8,
            color=INK,
        )


def _frontier(rows: Sequence[ContentsRow]) -> list[ContentsRow]:
    """Models that no cheaper one equals, the cheapest first."""
    found: list[ContentsRow] = []
    for row in sorted(rows, key=lambda one: (one.result.cost.gpu_hours, -(one.average or 0.0), one.model_id)):
        if not found or (row.average or 0.0) > (found[-1].average or 0.0):
            found.append(row)
    return found


def _hours(row: ContentsRow) -> float:
    # A logarithm of nothing is none: a thousandth of a second at least.
    return max(row.result.cost.gpu_hours, 1e-6 / 3.6)


def _name(row: ContentsRow) -> str:
    # matplotlib reads a text between dollars as a formula.
    name = row.model_id.replace("$", r"\$")
    return name if len(name) <= LONGEST_LABEL else name[: LONGEST_LABEL - 1] + "…"


def _png(figure: Figure) -> bytes:
    output = io.BytesIO()
    # No version of the library among the metadata: a new one alone is no new chart.
    figure.savefig(output, format="png", dpi=DPI, metadata={"Software": None})
    return output.getvalue()
