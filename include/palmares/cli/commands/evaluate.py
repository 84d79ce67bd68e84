"""`palmares evaluate`: one model on a suite or on named tasks, here, without Airflow or ClearML."""

from __future__ import annotations

import json
import os
import subprocess
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from palmares.cli.output import console, printable

if TYPE_CHECKING:
    from rich.table import Table

    from palmares.leaderboard.scoring import ScoredResults
    from palmares.leaderboard.settings import Settings
    from palmares.leaderboard.suites import Suite

EVALUATOR_PYTHON = "PALMARES_EVALUATOR_PYTHON"
"""Environment variable: the Python of the evaluator's environment; default ``.venv-evaluator/bin/python``."""
UNUSABLE = 2
_HELP = """Evaluate MODEL on a suite, or on named tasks, and print its scores.

From nothing to a table:\n
  make install                                          (once: both environments)\n
  palmares evaluate ./my-model --tasks arc_easy --limit 20 --output out\n
  palmares results out
"""


class Backend(StrEnum):
    """What loads the model."""

    HF = "hf"
    HF_SEQ2SEQ = "hf-seq2seq"
    VLLM = "vllm"


def register(app: typer.Typer) -> None:
    app.command("evaluate", help=_HELP)(evaluate)


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Hub id, or a folder (write ./folder).")],
    output: Annotated[Path, typer.Option(help="Folder of the job; a stopped one goes on there.")],
    suite: Annotated[str | None, typer.Option(help="A suite of the configuration.")] = None,
    tasks: Annotated[
        str | None, typer.Option(help="Benchmarks, or tasks and groups of lm-eval: gsm8k,mmlu.")
    ] = None,
    num_fewshot: Annotated[
        int | None, typer.Option(min=0, help="Examples, for every task.", show_default="each task's own")
    ] = None,
    revision: Annotated[str, typer.Option(help="Commit, branch or tag on the Hub.")] = "main",
    backend: Annotated[Backend, typer.Option(help="What loads the model.")] = Backend.HF,
    dtype: Annotated[str, typer.Option(help="bfloat16, float16, float32 or auto.")] = "bfloat16",
    apply_chat_template: Annotated[bool, typer.Option(help="Prompt with the model's chat template.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Rows of each task, drawn by the seed: preliminary scores.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Rows at once.", show_default="8 on a GPU, 16 on a CPU")
    ] = None,
    max_gen_toks: Annotated[
        int | None, typer.Option(min=1, help="Longest generation.", show_default="each task's own")
    ] = None,
    max_model_length: Annotated[
        int | None, typer.Option(min=16, help="Longest prompt and answer.", show_default="the model's own")
    ] = None,
    tensor_parallel_size: Annotated[
        int | None, typer.Option(min=1, help="vllm: GPUs that share each layer.", show_default="1")
    ] = None,
    pipeline_parallel_size: Annotated[
        int | None, typer.Option(min=1, help="vllm: groups of GPUs, one after another.", show_default="1")
    ] = None,
    max_num_seqs: Annotated[
        int | None, typer.Option(min=1, help="vllm: rows in flight.", show_default="the engine's own")
    ] = None,
    gpu_memory_utilization: Annotated[
        float | None,
        typer.Option(min=0.01, max=1.0, help="vllm: share of a GPU's memory.", show_default="0.9"),
    ] = None,
    enforce_eager: Annotated[bool, typer.Option(help="vllm: start without compiling.")] = False,
    seed: Annotated[int, typer.Option(help="Of examples, samples and drawn rows.")] = 42,
    datasets: Annotated[
        Path | None, typer.Option(help="Folder of our own datasets.", envvar="DATASETS_DIRECTORY")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one JSON object.")] = False,
) -> None:
    """Check what is asked, run the evaluator in its own environment, grade, and print the table."""
    from palmares.leaderboard.settings import load_settings

    settings = load_settings()
    asked = _suite(settings, suite, tasks, num_fewshot)
    python = _python()
    options: dict[str, Any] = {
        "--revision": revision,
        "--tasks": ",".join(asked.task_keys),
        "--backend": backend.value,
        "--dtype": dtype,
        "--limit-samples": limit,
        "--batch-size": batch_size,
        "--max-gen-toks": max_gen_toks,
        "--max-model-length": max_model_length,
        "--tensor-parallel-size": tensor_parallel_size,
        "--pipeline-parallel-size": pipeline_parallel_size,
        "--max-num-seqs": max_num_seqs,
        "--gpu-memory-utilization": gpu_memory_utilization,
        "--seed": seed,
        "--datasets": datasets,
        "--output": output,
    }
    command = [str(python), "-m", "palmares.evaluator.run_local", model]
    for name, value in options.items():
        command += [] if value is None else [name, str(value)]
    command += ["--enforce-eager"] if enforce_eager else []
    command += [] if apply_chat_template else ["--no-chat-template"]
    # Progress is for people: with --json, standard output holds the object only.
    done = subprocess.run(command, stdout=2 if as_json else None, check=False)  # noqa: S603 - this project's own script
    if done.returncode:
        raise typer.Exit(done.returncode)
    scored = _graded(output / "artifact", asked, settings)
    if as_json:
        print(json.dumps(_document(output / "artifact", scored, asked), indent=2, ensure_ascii=False))
        return
    console.print(_table(scored, asked))
    if scored.preliminary:
        console.print("Preliminary: not all rows were answered.")
    console.print(f"Files: {printable(str(output / 'artifact'))}", soft_wrap=True)


def _suite(settings: Settings, name: str | None, tasks: str | None, shots: int | None) -> Suite:
    """The suite that is named, or one made of the tasks that are.

    Raises:
        SettingsError: There is no such suite, task or group; the nearest name is said.
        BadParameter: Both are given, or shots for a suite, which has its own.
    """
    from palmares.benchmarks import lm_eval, registry
    from palmares.leaderboard.suites import Suite
    from palmares.leaderboard.yaml_files import parse_settings

    if tasks is None:
        if shots is not None:
            raise typer.BadParameter("--num-fewshot goes with --tasks: a suite has its own numbers.")
        return settings.suite(name)
    if name is not None:
        raise typer.BadParameter("--suite and --tasks exclude one another. Give one of them.")
    entries: list[dict[str, Any]] = []
    for one in filter(None, (part.strip() for part in tasks.split(","))):
        is_group = one not in registry.benchmarks() and lm_eval.find(one) is None and lm_eval.find_group(one)
        entry: dict[str, Any] = {"group" if is_group else "name": one}
        entries.append(entry if shots is None else {**entry, "num_fewshot": shots})
    data = {"name": "tasks", "title": "Tasks", "tasks": entries}
    return parse_settings(Suite, data, Path("--tasks"))


def _python() -> Path:
    from palmares.leaderboard.errors import SettingsError
    from palmares.leaderboard.settings import PROJECT_ROOT

    python = Path(
        os.environ.get(EVALUATOR_PYTHON) or PROJECT_ROOT / ".venv-evaluator" / "bin" / "python"
    ).expanduser()
    if not python.is_file():
        raise SettingsError(
            f"{python}: the evaluator's environment is not there. Run make install, or set "
            f"{EVALUATOR_PYTHON}."
        )
    return python


def _graded(artifact: Path, suite: Suite, settings: Settings) -> ScoredResults:
    from palmares.benchmarks.registry import text_scorers
    from palmares.leaderboard.results.verify import read_manifest
    from palmares.leaderboard.scoring import score_results

    return score_results(artifact, read_manifest(artifact), suite, scorers=text_scorers(settings.grading))


def _document(artifact: Path, scored: ScoredResults, suite: Suite) -> dict[str, Any]:
    scores = scored.scores_json()
    groups = suite.group_scores(scores)
    return {
        "artifact": str(artifact),
        "preliminary": scored.preliminary,
        "average": scored.average,
        "scores": scores,
        "groups": {
            name: {"value": group.value, "stderr": group.stderr, "rows": group.rows}
            for name, group in groups.items()
        },
    }


def _table(scored: ScoredResults, suite: Suite) -> Table:
    """Every column of the suite, and below a group its members."""
    from rich.table import Table

    from palmares.leaderboard.groups import Group

    table = Table(title=f"Scores, suite {suite.name}: per cent ± one standard error", title_justify="left")
    for heading in ("Task", "n-shot", "Metric"):
        table.add_column(heading)
    table.add_column("Value", justify="right")
    groups = suite.group_scores(scored.scores_json())
    known = {group.name: group for group in suite.groups}

    def add(name: str, depth: int) -> None:
        indent = "  " * depth
        if name in known:
            score = groups[name]
            title = known[name].title
            table.add_row(f"{indent}{title}", "", known[name].mean, _percent(score.value, score.stderr))
            for member in known[name].members:
                add(member, depth + 1)
            return
        task, found = suite.task(name), scored.scores[name]
        table.add_row(
            f"{indent}{task.title}",
            task.key.rsplit("|", 1)[1],
            task.metric.name,
            _percent(found.value, found.stderr),
        )

    for column in suite.columns:
        add(column.name, 0)
    if len(suite.columns) > 1 or any(isinstance(column, Group) for column in suite.columns):
        table.add_row("Average", "", "", _percent(scored.average, None), style="bold")
    return table


def _percent(value: float | None, stderr: float | None) -> str:
    if value is None:
        return "incomplete"
    return f"{100 * value:.2f}" + ("" if stderr is None else f" ± {100 * stderr:.2f}")
