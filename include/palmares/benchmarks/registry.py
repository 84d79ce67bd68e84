"""Finds benchmarks: the folders of this package, and those that an environment variable names."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from palmares import contract
from palmares.benchmarks import lm_eval
from palmares.benchmarks.benchmark import Benchmark
from palmares.benchmarks.errors import BenchmarkError, UnknownBenchmarkError
from palmares.benchmarks.scorer import Averager, Scorer

FOLDERS_VARIABLE: Final = "PALMARES_BENCHMARKS"
"""Environment variable: folders with one folder a benchmark, separated as ``PATH`` is. Airflow's components
and the evaluator's agents must agree on it."""
_PACKAGE: Final = Path(__file__).parent


def benchmarks() -> Mapping[str, Benchmark]:
    """Every benchmark, by short name.

    Raises:
        BenchmarkError: A folder cannot be loaded, or two benchmarks share a name.
    """
    return _discover(os.environ.get(FOLDERS_VARIABLE, ""))


def benchmark(name: str) -> Benchmark:
    """Find a benchmark by its short name: one with a folder, or a task of lm-eval's own.

    Raises:
        UnknownBenchmarkError: There is none; the nearest name is said.
    """
    known = benchmarks()
    if name in known:
        return known[name]
    if (own := lm_eval.find(name)) is not None:
        return own
    if near := difflib.get_close_matches(name, known, n=1):
        raise UnknownBenchmarkError(f"There is no benchmark {name!r}. Did you mean {near[0]!r}?")
    raise UnknownBenchmarkError(f"There is no benchmark {name!r}. {lm_eval.nearest(name)}")


def name_of(task_key: str) -> str:
    """The short name in a task key: ``bac-fr`` in ``community|bac-fr|0`` and in ``bac-fr|0``."""
    parts = task_key.split("|")
    return parts[1] if len(parts) > 2 or (len(parts) == 2 and not parts[1].isdigit()) else parts[0]


def task_folders() -> list[str]:
    """The folders that hold our lm-eval tasks, for lm-eval's ``include_path``."""
    folders = {one.definition.parent for one in benchmarks().values() if one.definition is not None}
    return sorted(str(folder) for folder in folders)


def suite_hash(task_keys: Iterable[str]) -> str:
    """Hash what decides the outputs of these tasks (``contract.suite_hash``).

    Raises:
        UnknownBenchmarkError: A task has no benchmark.
    """
    return contract.suite_hash({key: benchmark(name_of(key)).definition_sha256() for key in task_keys})


def text_scorers(policy: Any = None) -> dict[str, Scorer]:
    """Scorers of generated answers, by short name.

    Args:
        policy: The leaderboard's section ``grading``; None: each scorer's default.
    """
    given = () if policy is None else (policy,)
    return {
        name: one.make_scorer(*given) for name, one in benchmarks().items() if one.make_scorer is not None
    }


def averagers() -> dict[str, Averager]:
    """Scorers of rows that hold their verdicts already, by short name."""
    return {name: one.averager for name, one in benchmarks().items() if one.averager is not None}


def all_scorers(policy: Any = None) -> dict[str, Scorer]:
    """Every scorer, by short name."""
    return {**text_scorers(policy), **averagers()}


@cache
def _discover(variable: str) -> Mapping[str, Benchmark]:
    found: dict[str, Benchmark] = {}
    for module in _modules(variable):
        path = Path(str(module.__file__))
        own = tuple(getattr(module, "BENCHMARKS", ()))
        expected = path.parent.name.replace("_", "-")
        if not own or own[0].name != expected:
            raise BenchmarkError(f"{path}: the first of BENCHMARKS must be {expected!r}, like its folder.")
        if any(one.make_scorer or one.averager for one in own[1:]):
            raise BenchmarkError(f"{path}: only the first of BENCHMARKS may have a scorer. Give it a folder.")
        for one in own:
            if one.name in found:
                raise BenchmarkError(f"{path}: there is a benchmark {one.name!r} already. Rename it.")
            found[one.name] = one
    return found


def _modules(variable: str) -> Iterator[ModuleType]:
    for folder in _folders(_PACKAGE):
        yield importlib.import_module(f"palmares.benchmarks.{folder.name}.benchmark")
    for parent in filter(None, variable.split(os.pathsep)):
        if not Path(parent).is_dir():
            raise BenchmarkError(f"{FOLDERS_VARIABLE}: {parent} is no folder. Correct the variable.")
        for folder in _folders(Path(parent)):
            yield _load(folder)


def _folders(parent: Path) -> list[Path]:
    return sorted(path.parent for path in parent.glob("*/benchmark.py"))


def _load(folder: Path) -> ModuleType:
    """Import ``benchmark.py`` of a folder outside the package; it may import its neighbours relatively."""
    name = f"palmares_benchmark_{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    path = folder / "benchmark.py"
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=[str(folder)])
    if spec is None or spec.loader is None:
        raise BenchmarkError(f"{path}: cannot be imported. Check its name.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise BenchmarkError(
            f"{path}: cannot be imported ({type(error).__name__}: {error}). "
            "Correct it, or take the folder out."
        ) from error
    return module
