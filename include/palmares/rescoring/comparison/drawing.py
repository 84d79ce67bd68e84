"""The comparison report as a picture: how many verdicts changed, which way, and what the scores became."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from palmares.leaderboard.errors import ReportError
from palmares.rescoring.comparison.changes import ComparisonReport, Line

MOST_MOVERS = 25
"""Lines that are drawn; the rest are summed up in one."""
TO_RIGHT, TO_WRONG, NEUTRAL = "#0072B2", "#D55E00", "#595959"
"""Blue and vermilion of Okabe and Ito's palette: told apart with every common colour blindness."""
_LONGEST_NAME = 44


def chart(report: ComparisonReport, path: Path, *, most: int = MOST_MOVERS) -> None:
    """Draw the biggest movers, and one bar for all others.

    Args:
        report: What to draw.
        path: ``.svg`` or ``.png``.
        most: How many lines, at the most.

    Raises:
        ReportError: The file cannot be written, or has another ending.
    """
    if path.suffix.lower() not in {".svg", ".png"}:
        raise ReportError(f"{path}: charts are drawn as .svg or .png. Name the file so.")
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [line for line in report.lines if line.changes.changed][:most]
    rest = [line for line in report.lines if line.changes.changed][most:]
    # The same report gives the same bytes.
    with mpl.rc_context({"svg.hashsalt": "palmares", "svg.fonttype": "path", "font.size": 9}):
        figure = Figure(figsize=(11, 1.5 + 0.3 * (len(shown) + bool(rest))), layout="constrained")
        FigureCanvasAgg(figure)
        bars, scores = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        _draw_title(figure, report)
        if shown:
            _draw_bars(bars, shown, rest)
            _draw_scores(scores, report, shown)
        else:
            _draw_nothing(bars, scores)
        try:
            metadata: dict[str, str | None] = {"Title": "What the new scorer changes"}
            if path.suffix.lower() == ".svg":
                metadata["Date"] = None
            figure.savefig(path, dpi=150, metadata=metadata)
        except OSError as error:
            raise ReportError(
                f"{path}: cannot be written ({error.strerror}). Choose another folder for the report."
            ) from error


def _draw_title(figure: Any, report: ComparisonReport) -> None:
    pairs = sum(line.changes.pairs for line in report.lines)
    models = {line.changes.model for line in report.lines}
    touched = {line.changes.model for line in report.lines if line.changes.changed}
    figure.suptitle(
        f"What the new scorer changes: {report.changed:,} of {pairs:,} verdicts, "
        f"in {len(touched):,} of {len(models):,} models",
        fontsize=11,
        x=0.01,
        ha="left",
    )


def _draw_bars(axes: Any, shown: Sequence[Line], rest: Sequence[Line]) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    tasks = {line.changes.task for line in [*shown, *rest]}
    names = [_name(line, with_task=len(tasks) > 1) for line in shown]
    right = [float(len(line.changes.to_right)) for line in shown]
    wrong = [float(len(line.changes.to_wrong)) for line in shown]
    if rest:
        names.append(f"{len(rest):,} others, mean")
        right.append(sum(len(line.changes.to_right) for line in rest) / len(rest))
        wrong.append(sum(len(line.changes.to_wrong) for line in rest) / len(rest))
    places = range(len(names))
    axes.barh(places, right, color=TO_RIGHT, label="wrong → right")
    axes.barh(
        places,
        [-count for count in wrong],
        color=TO_WRONG,
        hatch="///",
        edgecolor="white",
        linewidth=0,
        label="right → wrong",
    )
    gap = 0.015 * (max(right) + max(wrong))
    for place in places:
        axes.text(right[place] + gap, place, _count(right[place]), va="center", color=TO_RIGHT)
        axes.text(-wrong[place] - gap, place, _count(wrong[place]), va="center", ha="right", color=TO_WRONG)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(list(places), names)
    for label in axes.get_yticklabels():
        label.set_parse_math(False)  # a model's name is text, dollar signs included
    axes.set_ylim(len(names) - 0.4, -0.6)
    # Room for the numbers beside the bars.
    axes.set_xlim(-max(wrong) - 8 * gap, max(right) + 8 * gap)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):,.0f}"))
    axes.set_xlabel("rows whose verdict changed")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, frameon=False, borderaxespad=0.2)
    _bare(axes)


def _draw_scores(axes: Any, report: ComparisonReport, shown: Sequence[Line]) -> None:
    ranks = {move.model: move for move in report.moves}
    values = []
    for place, line in enumerate(shown):
        if line.before is None or line.after is None:
            continue
        before, after = 100 * line.before.value, 100 * line.after.value
        values += [before, after]
        colour = NEUTRAL if before == after else TO_RIGHT if after > before else TO_WRONG
        axes.plot([before, after], [place, place], color=colour, linewidth=2, zorder=2)
        axes.errorbar(
            after,
            place,
            xerr=None if line.after.stderr is None else 100 * line.after.stderr,
            fmt="o",
            color=colour,
            markersize=6,
            elinewidth=0.8,
            capsize=2,
            zorder=3,
        )
        axes.plot(before, place, "o", markerfacecolor="white", color=colour, markersize=6, zorder=4)
        move = ranks.get(line.changes.model)
        if move is not None and move.up is not None:
            text = f"{move.before} → {move.after}" if move.up else f"{move.after} ="
            axes.annotate(
                text,
                (1.02, place),
                xycoords=("axes fraction", "data"),
                va="center",
                annotation_clip=False,
                fontweight="bold" if move.up else "normal",
            )
    axes.annotate(
        "rank",
        (1.02, 1.0),
        xycoords="axes fraction",
        va="bottom",
        annotation_clip=False,
        color=NEUTRAL,
        xytext=(0, 3),
        textcoords="offset points",
    )
    axes.plot([], [], "o", markerfacecolor="white", color=NEUTRAL, label="before")
    axes.plot([], [], "o", color=NEUTRAL, label="after ± standard error")
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=2,
        frameon=False,
        borderaxespad=0.2,
        handletextpad=0.2,
        columnspacing=1.2,
    )
    axes.set_xlabel("score in percent")
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.6)
    _bare(axes)


def _draw_nothing(bars: Any, scores: Any) -> None:
    scores.set_axis_off()
    bars.set_axis_off()
    bars.text(0.02, 0.5, "No verdict changed.", transform=bars.transAxes, fontsize=12)


def _bare(axes: Any) -> None:
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _name(line: Line, *, with_task: bool) -> str:
    model = "".join(character if character.isprintable() else " " for character in line.changes.model)
    if len(model) > _LONGEST_NAME:
        model = model[: _LONGEST_NAME // 2 - 1] + "…" + model[-_LONGEST_NAME // 2 :]
    return f"{model} · {line.changes.task}" if with_task else model


def _count(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
