"""The tables of `palmares results`: the leaderboard's, lm-eval's, and both as CSV and Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palmares.cli.output import console, in_per_cent, printable

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from palmares.leaderboard.groups import Group
    from palmares.leaderboard.publishing.read_results import ReadResult
    from palmares.leaderboard.results.results_file import MetricValue, ResultsFile
    from palmares.leaderboard.suites import Suite, SuiteTask

_PER_SCORE = ("value", "shown", "stderr", "low", "high", "metric", "filter", "shots", "rows", "of")


def ranked(read: Sequence[ReadResult], suite: Suite) -> list[dict[str, Any]]:
    """Rows for programs, the best first; limited and partial ones have no rank."""
    from palmares.leaderboard.publishing.ranking import rank
    from palmares.leaderboard.publishing.read_results import as_json
    from palmares.leaderboard.scoring import average

    rows = []
    for one in read:
        row = as_json(one) | {"is_rankable": one.is_rankable}
        groups = suite.group_scores(row["scores"])
        rows.append(row | {"groups": {name: asdict(score) for name, score in groups.items()}})
    return rank(rows, average=lambda row: average(row["scores"], suite) if row["is_rankable"] else None)


def leaderboard(rows: Sequence[Mapping[str, Any]], suite: Suite) -> Table:
    """The leaderboard's table for a terminal."""
    from rich.table import Table

    table = Table(title=f"Results, suite {suite.name}", title_justify="left")
    table.add_column("Rank", justify="right")
    table.add_column("Model", overflow="fold")
    table.add_column("Precision")
    for heading in ("Average", *_headings(suite)):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(*_cells(row, suite))
    return table


def _headings(suite: Suite) -> list[str]:
    return [column.title for column in suite.columns]


def _cells(row: Mapping[str, Any], suite: Suite) -> list[str]:
    note = " (preliminary)" if row["is_preliminary"] else ""
    return [
        str(row["rank"] or "–"),
        printable(row["model"]) + note,
        printable(row["precision"]),
        "–" if row["average"] is None else f"{100 * row['average']:.1f}",
        *(_cell(row, column) for column in suite.columns),
    ]


def _cell(row: Mapping[str, Any], column: SuiteTask | Group) -> str:
    from palmares.leaderboard.groups import Group

    if not isinstance(column, Group):
        return _score(row["scores"].get(column.name), column)
    group = row["groups"][column.name]
    if group["value"] is None:
        return "–"
    return in_per_cent({"shown": group["value"], "shown_stderr": group["stderr"] or None, "interval": None})


def _score(score: Mapping[str, Any] | None, task: SuiteTask) -> str:
    from palmares.leaderboard.publishing.shown import ShownScore

    if score is None:
        return "–"
    shown = ShownScore.of(score["value"], score["stderr"], rows=score["rows"], baseline=task.metric.baseline)
    text = in_per_cent(shown.to_json())
    return f"{text} ({score['rows']:,} of {score['of']:,} rows)" if score["is_partial"] else text


def foot_lines(rows: Sequence[Mapping[str, Any]], suite: Suite) -> list[str]:
    """The rule of the numbers."""
    from palmares.leaderboard.publishing.shown import rule_of

    lines = rule_of({task.title: task.metric.baseline for task in suite.tasks}, is_weighted=suite.is_weighted)
    shown = [score for row in rows for score in row["scores"].values()]
    if any(score["interval"] is not None for score in shown):
        lines.append("Where there is no standard error, brackets hold Wilson's 95 % interval.")
    if any(score["interval"] is None and score["stderr"] is None for score in shown):
        lines.append("A value without ± comes from a file that gives neither an error nor a number of rows.")
    return lines


def frame(rows: Sequence[Mapping[str, Any]], suite: Suite) -> pd.DataFrame:
    """One line a model, with what each value is: fractions, not per cent."""
    import pandas as pd

    lines = []
    for row in rows:
        line = {
            name: row[name]
            for name in ("rank", "model", "revision", "precision", "is_preliminary", "average")
        }
        for task in suite.tasks:
            score = row["scores"].get(task.name) or {}
            low, high = score.get("interval") or (None, None)
            values = {**score, "low": low, "high": high}
            line |= {f"{task.name} {name}": values.get(name) for name in _PER_SCORE}
        for name, group in row["groups"].items():
            line |= {f"{name} {member}": group[member] for member in ("value", "stderr", "rows")}
        lines.append(line | {"path": row["path"]})
    return pd.DataFrame(lines).astype({"rank": "Int64"}) if lines else pd.DataFrame(lines)


def csv(rows: Sequence[Mapping[str, Any]], suite: Suite) -> str:
    """The frame as comma-separated values."""
    return str(frame(rows, suite).to_csv(index=False))


def markdown(rows: Sequence[Mapping[str, Any]], suite: Suite) -> str:
    """The leaderboard's table as Markdown, with the rule of its numbers."""
    head = ("Rank", "Model", "Precision", "Average", *_headings(suite))
    table = _markdown_table(head, [_cells(row, suite) for row in rows], left={1, 2})
    return table + "\n" + "\n".join(foot_lines(rows, suite)) + "\n"


def _markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: set[int]) -> str:
    from palmares.leaderboard.publishing.safe_text import markdown_text

    marks = [":--" if column in left else "--:" for column in range(len(head))]
    lines = [head, marks, *([markdown_text(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


# lm-eval's table -----------------------------------------------------------------------------------------

LM_EVAL_COLUMNS = ("Tasks", "Version", "Filter", "n-shot", "Metric", "↑/↓", "Value", "±", "Stderr")


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricLine:
    """One line of lm-eval's table."""

    task: str
    """A key of the file's ``results``, or a group."""
    depth: int
    """0: a group or a task of no group."""
    version: str
    filter: str
    shots: int | None
    metric: str
    higher_is_better: bool | None
    value: float
    stderr: float | None
    is_computed: bool
    """A group's mean that the file does not hold."""

    def cells(self) -> tuple[str, ...]:
        arrow = "" if self.higher_is_better is None else "↑" if self.higher_is_better else "↓"
        name = f"{'  ' * self.depth}{'- ' if self.depth else ''}{self.task}{' *' if self.is_computed else ''}"
        shots = "" if self.shots is None else str(self.shots)
        stderr = "N/A" if self.stderr is None else f"{self.stderr:.4f}"
        return (
            name, self.version, self.filter, shots, self.metric, arrow, f"{self.value:.4f}", "±", stderr,
        )  # fmt: skip


def metric_lines(file: ResultsFile) -> list[MetricLine]:
    """Every metric of every task of a file: groups first, their members below them.

    A group without a value of its own gets the mean of its members, weighted by their rows where the file
    says them, as lm-eval does it.
    """
    members: dict[str, list[str]] = {
        group: [name for name in names if isinstance(name, str)]
        for group, names in (file.data.get("group_subtasks") or {}).items()
        if isinstance(names, list) and names
    }
    inner = {name for names in members.values() for name in names}
    tops = [name for name in dict.fromkeys([*members, *file.tasks]) if name not in inner]
    return [line for top in tops for line in _lines(file, top, members, depth=0, above=())]


def _lines(
    file: ResultsFile, name: str, members: Mapping[str, list[str]], *, depth: int, above: tuple[str, ...]
) -> Iterator[MetricLine]:
    if name in above:  # a group in itself
        return
    below = [
        line
        for member in members.get(name, ())
        for line in _lines(file, member, members, depth=depth + 1, above=(*above, name))
    ]
    own = [one for one in file.metrics(name) if one.value is not None] if name in file.tasks else []
    if own:
        yield from (_line(file, name, one, depth=depth) for one in own)
    else:
        yield from _group_means(file, name, [line for line in below if line.depth == depth + 1])
    yield from below


def _line(file: ResultsFile, name: str, one: MetricValue, *, depth: int) -> MetricLine:
    from palmares.leaderboard.results.results_file import member

    versions, better = member(file.data, "versions"), member(member(file.data, "higher_is_better"), name)
    known = better.get(one.name)
    assert one.value is not None
    return MetricLine(
        task=name,
        depth=depth,
        version=str(versions.get(name, "")),
        filter=one.filter or "",
        shots=file.shots(name),
        metric=one.name,
        higher_is_better=known if isinstance(known, bool) else None,
        value=one.value,
        stderr=one.stderr,
        is_computed=False,
    )


def _group_means(file: ResultsFile, name: str, members: Sequence[MetricLine]) -> Iterator[MetricLine]:
    """The means of a group's members, by metric and filter; none where a member lacks it."""
    from palmares.leaderboard.groups import Group, Value, score_groups

    tasks = list(dict.fromkeys(line.task for line in members))
    for metric, filtered in dict.fromkeys((line.metric, line.filter) for line in members):
        lines = {line.task: line for line in members if (line.metric, line.filter) == (metric, filtered)}
        rows = {task: file.rows(task) for task in tasks}
        by_size = all(rows.values())
        group = Group.model_validate(
            {"name": name, "mean": "by_size" if by_size else "weighted", "members": tasks}
        )
        values: dict[str, dict[str | None, Value]] = {
            task: {None: Value(value=line.value, stderr=line.stderr, rows=rows[task] or 1)}
            for task, line in lines.items()
        }
        score = score_groups([group], values)[name]
        if score.value is None:
            continue
        first = next(iter(lines.values()))
        yield replace(
            first, task=name, depth=first.depth - 1, version="", value=score.value, stderr=score.stderr,
            is_computed=True,
        )  # fmt: skip


def print_lm_eval(read: Sequence[ReadResult], *, as_json: bool, as_csv: bool, as_markdown: bool) -> None:
    """Print lm-eval's table of every file that a row is made of."""
    from palmares.leaderboard.results.results_file import read_results_file

    found: list[tuple[ReadResult, str, list[MetricLine]]] = []
    for row in read:
        paths = dict.fromkeys([*(score.path for score in row.scores.values()), row.path])
        found += [
            (row, path, metric_lines(read_results_file(Path(path)))) for path in paths if Path(path).is_file()
        ]
    if as_json or as_csv:
        lines = [
            {"model": row.model, "precision": row.precision, "path": path, **asdict(line)}
            for row, path, of_file in found
            for line in of_file
        ]
        if as_json:
            print(json.dumps({"lines": lines}, indent=2, ensure_ascii=False))
        else:
            import pandas as pd

            print(pd.DataFrame(lines).to_csv(index=False), end="")
        return
    for row, path, of_file in found:
        title = f"{printable(row.model)} ({printable(row.precision)}), {path}"
        cells = [line.cells() for line in of_file]
        if as_markdown:
            print(f"{title}\n\n{_markdown_table(LM_EVAL_COLUMNS, cells, left={0, 2, 4})}")
        else:
            console.print(_lm_eval_table(title, cells), soft_wrap=False)
        if any(line.is_computed for line in of_file):
            print("* computed here: mean of the members, weighted by rows where the file says them.")


def _lm_eval_table(title: str, rows: Sequence[Sequence[str]]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in LM_EVAL_COLUMNS:
        table.add_column(column, justify="left" if column in {"Tasks", "Filter", "Metric"} else "right")
    for row in rows:
        table.add_row(*map(printable, row))
    return table
