"""Benchmarks are found in the package and in the folders that a variable names."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from palmares.benchmarks import registry
from palmares.benchmarks.errors import BenchmarkError, UnknownBenchmarkError

OWN = Path(registry.__file__).parent


def copied(name: str, folder: Path) -> Path:
    return Path(shutil.copytree(OWN / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")))


def test_every_folder_of_the_package_is_a_benchmark():
    folders = {path.parent.name.replace("_", "-") for path in OWN.glob("*/benchmark.py")}

    assert folders <= set(registry.benchmarks())
    assert all((OWN / name.replace("-", "_") / "README.md").is_file() for name in folders)


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(UnknownBenchmarkError, match="Did you mean 'bac-fr'"):
        registry.benchmark("bac-rf")


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("community|bac-fr|0", "bac-fr"),
        ("community|bac-fr|0|0", "bac-fr"),
        ("bac-fr|0", "bac-fr"),
        ("bac-fr", "bac-fr"),
    ],
)
def test_the_short_name_is_read_from_every_form_of_a_task_key(key: str, name: str):
    assert registry.name_of(key) == name


@pytest.mark.parametrize(
    ("benchmark", "changed", "expected"),
    [
        ("bac-fr", "bac-fr.yaml", True),
        ("ifeval-fr", "french.py", True),
        ("gpqa-fr", "gpqa-fr-letters.yaml", False),
        ("gpqa-fr-letters", "gpqa-fr-letters.yaml", True),
        ("gpqa-fr-letters", "gpqa-fr.yaml", True),
    ],
)
def test_a_definition_s_hash_changes_with_the_files_that_decide_outputs(
    tmp_path: Path, benchmark: str, changed: str, expected: bool
):
    shipped = registry.benchmark(benchmark)
    assert shipped.definition is not None
    task = Path(shutil.copytree(shipped.definition.parent, tmp_path / "task"))
    own = replace(shipped, definition=task / shipped.definition.name)
    before = own.definition_sha256()
    (task / changed).write_bytes((task / changed).read_bytes() + b"\n# changed\n")

    assert before == shipped.definition_sha256()
    assert (own.definition_sha256() != before) is expected


def test_a_hash_needs_a_benchmark_for_each_task():
    with pytest.raises(UnknownBenchmarkError):
        registry.suite_hash(["community|no-such|0"])


def test_a_folder_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(tmp_path / "absent"))

    with pytest.raises(BenchmarkError, match="absent is no folder"):
        registry.benchmarks()


def test_a_second_benchmark_of_one_name_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    copied("bac_fr", tmp_path)
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(tmp_path))

    with pytest.raises(BenchmarkError, match="there is a benchmark 'bac-fr' already"):
        registry.benchmarks()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_module", "cannot be imported"),
        ("", "must be 'other'"),
        ("from palmares.benchmarks.bac_fr.benchmark import BENCHMARKS", "must be 'other'"),
    ],
)
def test_a_benchmark_file_that_is_wrong_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, message: str
):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "benchmark.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(tmp_path))

    with pytest.raises(BenchmarkError, match=message):
        registry.benchmarks()
