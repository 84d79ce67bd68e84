"""What a benchmark is: one object that says all that is true of it alone."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from palmares.benchmarks.scorer import Averager, Scorer
from palmares.contract import files_sha256

Kind = Literal["generate", "loglikelihood"]
_SHARED = Path(__file__).with_name("rows.py")
"""The Python that every dataset of ours is read with."""
_INCLUDE = re.compile(r"^include:\s*(\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric that a job reports."""

    name: str
    filter: str = "none"
    """Of lm-eval, e.g. ``strict-match``."""
    higher_is_better: bool = True
    row_value: Literal["flag", "flags", "number"] = "flag"
    """A row's value: 0 or 1; a list of these; any number."""

    @property
    def key(self) -> str:
        """As lm-eval's results name it."""
        return f"{self.name},{self.filter}"

    @property
    def label(self) -> str:
        """As suites, manifests and details name it: the filter is said where there is one."""
        return self.name if self.filter == "none" else self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMetric:
    """Where results files keep the score that a scorer's verdicts make."""

    names: tuple[str, ...]
    """As results files call it, the present name first."""
    shown_before: tuple[str, ...] = ()
    """Metrics that the leaderboard showed in its place while it was not there."""
    added: bool = False
    """Whether re-scoring adds it to a file that lacks it."""

    @property
    def all_names(self) -> tuple[str, ...]:
        """Every name of the score, the one that counts first."""
        return (*self.names, *self.shown_before)


@dataclass(frozen=True, kw_only=True)
class Benchmark(ABC):
    """A benchmark; a folder of this package holds one, or variants of one.

    A benchmark of ours derives from this class and says how a row of its dataset is laid out.
    """

    name: str
    """Short name, as suites, results and details files have it, e.g. ``bac-fr``."""
    title: str
    """Name of the leaderboard's column."""
    lm_eval_task: str
    kind: Kind
    definition: Path | None
    """The YAML of the lm-eval task, with its Python beside it; None: the task is lm-eval's own."""
    dataset: str | None
    """Folder below ``DATASETS_DIRECTORY``; None: lm-eval fetches the dataset itself."""
    columns: tuple[str, ...] = ()
    """Columns of the dataset that the task reads."""
    hidden_columns: tuple[str, ...] = ()
    """Those whose texts never leave private storage."""
    choices: int = 1
    """Requests a row: the number of choices of a log-likelihood task, else 1."""
    num_fewshot: int = 0
    """Examples in the prompt, where nobody asks for another number."""
    any_fewshot: bool = False
    """Whether a suite may ask for another number."""
    metrics: tuple[Metric, ...]
    """What a job reports."""
    score_metrics: tuple[str, ...]
    """Names of the metrics whose plain mean is the score."""
    random_score: float = 0.0
    """What guessing scores."""
    graded_by: Literal["scorer", "evaluator"] = "evaluator"
    """``scorer``: stored generations are graded; ``evaluator``: the rows' own metrics are averaged."""
    stored: StoredMetric
    """Where results files keep the score."""
    make_scorer: Callable[..., Scorer] | None = None
    """Makes what reads this benchmark's generations; takes the leaderboard's grading policy, or nothing for
    its default. None: nobody reads them."""
    averager: Averager | None = None
    """What averages the verdicts that the details hold; None: the mean of *score_metrics* does."""
    demo_rows: Path | None = None
    """JSON lines for the demo's dataset, none of them hidden: ``row`` (the dataset's columns), ``answer``
    (what a model that knows the row says) and ``kind`` (rows of one kind look alike)."""
    limits: Mapping[str, Any] = field(default_factory=dict)
    """This benchmark's own limits of the checks, as a suite's YAML writes them under ``sanity_baselines``."""

    @abstractmethod
    def details_row(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        """Fill the details' columns that depend on the dataset.

        Args:
            sample: lm-eval's sample: ``doc``, ``target``, ``arguments``, ``resps`` and the metrics' values.

        Returns:
            ``example``, ``choices``, ``gold``, ``gold_index`` and ``predictions``; also ``instruction``,
            ``pred_logits`` and ``specifics`` (a mapping) where the benchmark has them.
        """

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Names of the metrics that a job reports."""
        return tuple(metric.label for metric in self.metrics)

    def names_of(self, metric: str) -> tuple[str, ...]:
        """The names under which results files may keep a metric, the one that counts first."""
        return self.stored.all_names if self.score_metrics == (metric,) else (metric,)

    @property
    def shown_sets(self) -> tuple[tuple[str, ...], ...]:
        """Sets of metrics whose mean is the score in a results file: the first set that is there counts."""
        if len(self.score_metrics) > 1:
            return (self.score_metrics,)
        return tuple((name,) for name in self.stored.all_names)

    def definition_sha256(self) -> str:
        """Hash what decides the outputs: the task's YAML, what it includes, and the Python it runs.

        Raises:
            OSError: A file is missing.
        """
        if self.definition is None:
            raise NotImplementedError(f"{type(self).__name__} has to say its own")
        folder = self.definition.parent
        files = {self.definition, *folder.glob("*.py")}
        waiting = [self.definition]
        while waiting:
            found = _INCLUDE.findall(waiting.pop().read_text(encoding="utf-8"))
            waiting += [folder / name for name in found if folder / name not in files]
            files |= {folder / name for name in found}
        return files_sha256({**{path.name: path for path in files}, "../rows.py": _SHARED})
