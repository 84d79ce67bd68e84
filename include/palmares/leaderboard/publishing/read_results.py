"""Reads results as they lie in folders, and puts those of one model and precision together."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from palmares.benchmarks.statistics import mean, normalize, wilson_interval
from palmares.contract import MANIFEST_NAME
from palmares.leaderboard.errors import LeaderboardError, ResultsFormatError
from palmares.leaderboard.git_lfs import is_lfs_pointer
from palmares.leaderboard.results.results_file import (
    MetricValue,
    ResultsFile,
    plain_precision,
    read_results_file,
    task_key,
    time_digits,
)
from palmares.leaderboard.results.verify import read_manifest
from palmares.leaderboard.scoring.score import score_results
from palmares.leaderboard.suites import Suite, SuiteTask

Schema = Literal["leaderboard", "lm-eval", "artifact"]
UNKNOWN = "?"
"""A precision that the file does not say."""
_NOT_RESULTS = ("samples_", "details_", "graded_", "provenance_", "manifest")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadScore:
    """One task's value."""

    value: float
    """Fraction, as measured."""
    shown: float
    """Fraction, rescaled so that guessing is 0."""
    stderr: float | None
    """Of *value*; None: the file does not say, or says 0, which no sample can claim."""
    interval: tuple[float, float] | None = None
    """Wilson's of *value*, 95 %, where there is no standard error; None: the number of rows is not known."""
    metric: str = ""
    """As it stands in the file; several joined by ``+``."""
    filter: str | None = None
    """lm-eval's; None: the writer has none."""
    other_filters: Mapping[str, float] = field(default_factory=dict)
    """Values of the same metric that were not taken, by filter."""
    shots: int | None = None
    """Few-shot examples; None: the file does not say."""
    rows: int | None = None
    """Rows that were scored; None: the file does not say."""
    of: int | None = None
    """Rows of the data set; None: the file does not say."""
    is_preliminary: bool = False
    """Of a limited run."""
    path: str = ""
    """The file that it is from."""

    @property
    def is_partial(self) -> bool:
        """Whether rows are missing though nobody asked for fewer."""
        return (
            not self.is_preliminary and self.rows is not None and self.of is not None and self.rows < self.of
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadResult:
    """Results of one model."""

    model: str
    revision: str
    precision: str
    schema: Schema
    path: str
    """The file, or the artifact's folder; of several the newest."""
    time: str
    """From the file's name; results of one model are ordered by it."""
    scores: Mapping[str, ReadScore]
    """By short task name; a task that the file lacks is not in it."""
    is_preliminary: bool
    """Of a limited run."""
    notes: tuple[str, ...] = ()
    """What a reader of the numbers should know: sentences that name the file."""

    @property
    def is_rankable(self) -> bool:
        """Whether its average may be compared with others: no limited run, no rows missing."""
        return not self.is_preliminary and not any(score.is_partial for score in self.scores.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A file whose numbers are in no row."""

    path: str
    why: str


class Unreadable(LeftOut):
    """A file that names itself a result and is none."""


def read_results(folder: Path, suite: Suite) -> Iterator[ReadResult | LeftOut]:
    """Read everything below *folder*, sorted by path; or the one file that it is.

    An artifact is graded as the leaderboard does, from its stored generations; its two JSON files, which
    hold the evaluator's own numbers, are not read beside it. Of other JSON files those with results are
    read, whatever their name: lm-eval takes names from ``--output_path``.
    """
    if folder.is_file():
        yield _tried(folder, lambda path: _file(path, suite))
        return
    artifacts = sorted(path.parent for path in folder.rglob(MANIFEST_NAME))
    for artifact in artifacts:
        yield _tried(artifact, lambda path: _artifact(path, suite))
    for path in sorted(folder.rglob("*.json")):
        if any(path.is_relative_to(artifact) for artifact in artifacts):
            continue
        if path.name.startswith(("results_", "lm_eval_")) or _looks_like_results(path):
            yield _tried(path, lambda one: _file(one, suite))


def combined(results: Iterable[ReadResult]) -> tuple[list[ReadResult], list[LeftOut]]:
    """Put the results of each model in each precision together: of every task the newest value.

    Full runs go before limited ones. Values of different revisions are never put together: the newest
    revision counts. Where one job wrote both schemas, the leaderboard's is taken: its scores went through
    the scorers.

    Returns:
        A row a model and precision, by name; and what is in no row, with the reason.
    """
    groups: defaultdict[tuple[str, str], list[ReadResult]] = defaultdict(list)
    for result in results:
        groups[result.model, result.precision].append(result)
    rows: list[ReadResult] = []
    left: list[LeftOut] = []
    for key in sorted(groups):
        group = sorted(
            groups[key], key=lambda one: (time_digits(one.time), one.schema != "lm-eval", one.path)
        )
        full = [one for one in group if not one.is_preliminary]
        if full:
            left += [_left(one, "a limited run, and there is a full one") for one in group if one not in full]
            group = full
        known = {one.revision for one in group if one.revision}
        if len(known) > 1:
            newest = next(one.revision for one in reversed(group) if one.revision)
            why = f"of another revision than the newest result ({newest})"
            left += [_left(one, why) for one in group if one.revision not in {"", newest}]
            group = [one for one in group if one.revision in {"", newest}]
        row, superseded = _merged(group)
        rows.append(row)
        left += superseded
    return rows, left


def _order(one: ReadResult) -> tuple[str, bool, str]:
    return time_digits(one.time), one.schema != "lm-eval", one.path


def _left(one: ReadResult, why: str) -> LeftOut:
    return LeftOut(path=one.path, why=why)


def _merged(group: Sequence[ReadResult]) -> tuple[ReadResult, list[LeftOut]]:
    scores: dict[str, ReadScore] = {}
    for one in group:
        scores |= one.scores
    used = {score.path for score in scores.values()}
    newest = group[-1]
    revision = next((one.revision for one in reversed(group) if one.revision), "")
    notes = [note for one in group if one.path in used or one is newest for note in one.notes]
    superseded = [
        _left(one, f"{newest.path} is taken instead")
        for one in group[:-1]
        if one.path not in used and one.scores
    ]
    row = replace(
        newest, scores=scores, revision=revision, notes=tuple(dict.fromkeys(notes)),
    )  # fmt: skip
    return row, superseded


def _looks_like_results(path: Path) -> bool:
    """Whether a JSON file of any other name has results in it, or a pointer in the place of a result."""
    if path.name.startswith(_NOT_RESULTS):
        return False
    try:
        if is_lfs_pointer(path):
            return bool(time_digits(path.stem))
        with path.open("rb") as file:
            if b'"results"' not in file.read(1 << 20):
                return False
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return bool(time_digits(path.stem))
    results = data.get("results") if isinstance(data, dict) else None
    return isinstance(results, dict) and any(isinstance(entry, dict) for entry in results.values())


def _tried(path: Path, read: Callable[[Path], ReadResult]) -> ReadResult | Unreadable:
    try:
        return read(path)
    except (LeaderboardError, OSError, ValueError, RecursionError) as error:
        return Unreadable(path=str(path), why=" ".join(str(error).split()))


def _artifact(folder: Path, suite: Suite) -> ReadResult:
    manifest = read_manifest(folder)
    if missing := [key for key in suite.task_keys if key not in manifest.tasks]:
        raise ResultsFormatError(f"{folder}: no results of {missing}. Evaluate these tasks, too.")
    scored = score_results(folder, manifest, suite)
    return ReadResult(
        model=manifest.model.id,
        revision=manifest.model.revision,
        precision=plain_precision(manifest.precision) or UNKNOWN,
        schema="artifact",
        path=str(folder),
        time=manifest.timestamp,
        scores={
            name: _score(
                one.value,
                one.stderr,
                suite.task(name),
                metric=one.metric,
                shots=task_key(one.key).shots,
                rows=one.n,
                of=manifest.tasks[one.key].expected_rows,
                is_preliminary=scored.preliminary,
                path=str(folder),
            )
            for name, one in scored.scores.items()
        },
        is_preliminary=scored.preliminary,
    )


def _file(path: Path, suite: Suite) -> ReadResult:
    file = read_results_file(path)
    notes: list[str] = []
    scores = {}
    for task in suite.tasks:
        score = _task_score(file, task, notes)
        if score is not None:
            scores[task.name] = score
    if not scores:
        present = ", ".join(file.tasks[:5]) + (", …" if len(file.tasks) > 5 else "")
        notes.append(f"{path}: has {present or 'no task'}; suite {suite.name} has none of it.")
    if file.limit is not None:
        most = f"{file.limit:g} rows" if file.limit >= 1 else f"{100 * file.limit:g} % of the rows"
        notes.append(f"{path}: preliminary, limited to {most} of a task.")
    model = file.model
    if model is None:
        model = _name_by_folder(path)
        notes.append(f"{path}: names no model; {model} is its folder's name.")
    return ReadResult(
        model=model,
        revision=file.revision or "",
        precision=file.precision or UNKNOWN,
        schema=file.writer,
        path=str(path),
        time=file.time,
        scores=scores,
        is_preliminary=file.limit is not None,
        notes=tuple(notes),
    )


def _name_by_folder(path: Path) -> str:
    name = path.absolute().parent.name
    return name.replace("__", "/", 1) if "__" in name.strip("_") else name


def _task_score(file: ResultsFile, task: SuiteTask, notes: list[str]) -> ReadScore | None:
    key = _key_of(file, task, notes)
    if key is None:
        return None
    found = [file.metric(key, task.benchmark.names_of(name)) for name in task.metric.of]
    if not all(found):
        missing = [name for name, one in zip(task.metric.of, found, strict=True) if not one]
        present = ", ".join(dict.fromkeys(one.key for one in file.metrics(key)))
        notes.append(f"{file.path}: {key} has no {' and no '.join(missing)}, found {present or 'nothing'}.")
        return None
    taken = [one[0] for one in found]
    values = [one.value for one in taken]
    if any(value is None or not 0 <= value <= 1 for value in values):
        said = ", ".join(f"{one.key} = {_quoted(file.results[key].get(one.key))}" for one in taken)
        notes.append(f"{file.path}: {key} is left out: {said} is no fraction.")
        return None
    others = {
        one.filter: one.value
        for one in (found[0][1:] if len(found) == 1 else ())
        if one.filter is not None and one.value is not None
    }
    if others:
        listed = ", ".join(f"{name} {100 * value:.1f}" for name, value in others.items())
        notes.append(
            f"{file.path}: {key} {taken[0].name} is of the filter {taken[0].filter}, the first in the "
            f"file; others: {listed}."
        )
    score = _score(
        mean([value for value in values if value is not None]),
        _stderr(file, key, taken),
        task,
        metric="+".join(one.name for one in taken),
        filtered=taken[0].filter,
        other_filters=others,
        shots=file.shots(key),
        rows=file.rows(key),
        of=file.rows_of_dataset(key),
        is_preliminary=file.limit is not None,
        path=str(file.path),
    )
    if score.is_partial:
        notes.append(f"{file.path}: {key}: {score.rows:,} of {score.of:,} rows were scored.")
    return score


def _quoted(value: object) -> str:
    """A value for a message, in at most 40 characters."""
    text = (
        f"an integer of {value.bit_length()} bits" if isinstance(value, int) and value > 1e15 else repr(value)
    )
    return text if len(text) <= 40 else f"{text[:39]}…"


def _key_of(file: ResultsFile, task: SuiteTask, notes: list[str]) -> str | None:
    """The key of *results* that means the task: its own, or else one with its number of shots."""
    keys = [key for key in file.tasks if task_key(key).name in {task.name, task.lm_eval_task}]
    if not keys:
        return None
    shots = task_key(task.key).shots
    keys.sort(key=lambda key: (key != task.key, file.shots(key) != shots))
    if len(keys) > 1:
        notes.append(f"{file.path}: {keys[0]} is taken for {task.name}, not {', '.join(keys[1:])}.")
    return keys[0]


def _stderr(file: ResultsFile, key: str, taken: Sequence[MetricValue]) -> float | None:
    if len(taken) == 1:
        return taken[0].stderr
    own = file.metric(key, ("mean",))
    return own[0].stderr if own else None


def _score(
    value: float,
    stderr: float | None,
    task: SuiteTask,
    *,
    metric: str,
    shots: int | None,
    rows: int | None,
    of: int | None,
    is_preliminary: bool,
    path: str,
    filtered: str | None = None,
    other_filters: Mapping[str, float] | None = None,
) -> ReadScore:
    # A standard error of 0 claims certainty, which no sample has.
    known = stderr if stderr is not None and stderr > 0 else None
    return ReadScore(
        value=value,
        shown=normalize(value, baseline=task.metric.baseline),
        stderr=known,
        interval=wilson_interval(value, rows) if known is None and rows else None,
        metric=metric,
        filter=filtered,
        other_filters=other_filters or {},
        shots=shots,
        rows=rows,
        of=of,
        is_preliminary=is_preliminary,
        path=path,
    )


def as_json(row: ReadResult) -> dict[str, Any]:
    """A row for programs; ``scores`` by short task name."""
    from dataclasses import asdict

    document = asdict(row)
    for name, score in row.scores.items():
        document["scores"][name]["is_partial"] = score.is_partial
    return document
