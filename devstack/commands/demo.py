"""`palmares demo`: the whole leaderboard on this machine, from request files to a ranking."""

from __future__ import annotations

import os
import sys
import time
from typing import Annotated, Any

import httpx
import typer
from palmares.cli.interrupts import checkpoint
from palmares.cli.options import Home
from palmares.cli.output import Progress, console
from palmares.cli.requests.jobs import live_jobs
from palmares.leaderboard.errors import StackError

from devstack.commands.stack import show_addresses, stop_visibly, watch_visibly
from devstack.demo.board import scored_rows, show_board, write_board
from devstack.demo.progress import SweepProgress
from devstack.demo.sweep import DAG_ID, Sweep, SweepState, TaskState
from devstack.supervisor.health import airflow_client, clearml_client
from devstack.supervisor.lifecycle import StartOptions, load, start_stack
from devstack.supervisor.paths import StackPaths
from devstack.supervisor.settings import storage_url
from devstack.supervisor.state import StackState
from devstack.supervisor.watch import Watcher

POLL_S = 1.0


def register(app: typer.Typer) -> None:
    app.command("demo")(demo)


def demo(
    home: Home = None,
    keep: Annotated[
        bool | None,
        typer.Option(
            "--keep/--stop",
            help="Leave the stack up and return, or stop it at the end.",
            show_default="on a terminal: up until Ctrl-C; elsewhere: stop what was started",
        ),
    ] = None,
    agents: Annotated[int | None, typer.Option(min=1, max=16, show_default="2")] = None,
    deadline_minutes: Annotated[int, typer.Option(min=1, help="For the sweep.")] = 30,
) -> None:
    """Evaluate three tiny models through the whole stack, and print the leaderboard.

    A second demo evaluates only what is new. Exit status 1: a model failed, and is named with its log.
    """
    from devstack.supervisor.checks import refuse_if_broken

    paths = StackPaths.locate(home)
    refuse_if_broken(paths)
    stays = sys.stdout.isatty() if keep is None else False
    stops = False  # a start that fails stops what it started itself
    try:
        with Progress() as progress:
            started = start_stack(paths, StartOptions(agents=agents), progress.step)
            stops = not started.was_running if keep is None else not keep
            progress.step("Filling the Hub")
            _seed(started.state)
        sweep = _run_sweep(paths, started.state, deadline_s=60 * deadline_minutes)
        board = _read_board(paths, started.state)
        write_board(board, paths.demo / "leaderboard.json")
        show_board(board)
        kept = len(scored_rows(board)) - sweep.published
        console.print(f"{sweep.published} new evaluations, {max(kept, 0)} results kept.")
        console.print(f"As a file: {paths.demo / 'leaderboard.json'}")
        _tell_red(paths, sweep)
        console.print("The pages:")
        show_addresses(started.state)
        if stays:
            console.print("Everything stays up until Ctrl-C.")
            watch_visibly(paths, started.state)
    finally:
        if stops:
            stop_visibly(paths)
    if _ended_badly(sweep):
        raise typer.Exit(1)


def _seed(state: StackState) -> None:
    from devstack.demo.seed import seed_hub

    if state.elsewhere.hub is not None:
        raise StackError(
            f"The stack uses the Hub {state.url('hub')}, and the demo fills the embedded one only. "
            f"Start it without --hub: palmares down, then palmares demo"
        )
    seed_hub(state.url("hub"), state.hub_token)


def _run_sweep(paths: StackPaths, state: StackState, *, deadline_s: float) -> SweepState:
    """Trigger the DAG and follow it to its end.

    Raises:
        StackError: A part of the stack is lost for good, or the deadline passed.
    """
    deadline = time.monotonic() + deadline_s
    now = SweepState(runs={}, tasks=())
    watcher = Watcher(paths, state)
    try:
        with airflow_client(state) as client, clearml_client(state) as clearml:
            sweep = Sweep(client)
            run_id = sweep.trigger()
            console.print(f"Run {run_id} of {DAG_ID}:")
            console.print(f"{state.url('airflow')}/dags/{DAG_ID}/runs/{run_id}")
            with SweepProgress() as progress:
                while True:
                    checkpoint()
                    try:
                        now = sweep.state()
                    except httpx.TimeoutException:
                        console.print(f"Airflow takes its time to answer, {load()}.", style="yellow")
                    else:
                        progress.show(now, {job.model: job for job in live_jobs(clearml).values()})
                        if now.is_finished:
                            return now
                    for line in watcher.poll():
                        console.print(line, style="yellow", markup=False)
                    if time.monotonic() > deadline:
                        raise StackError(_too_long(now, deadline_s))
                    time.sleep(POLL_S)
    except httpx.HTTPError as error:
        raise StackError(f"Airflow does not answer: {error}. Look at its parts: palmares status") from error


def _too_long(now: SweepState, deadline_s: float) -> str:
    where = ", ".join(f"{model.model} in {model.step} ({model.state})" for model in now.models)
    return (
        f"The sweep is not over after {deadline_s / 60:.0f} minutes: {where or 'no model yet'}. "
        f"Give it longer (palmares demo --deadline-minutes N), or look at it: palmares demo --keep"
    )


def _read_board(paths: StackPaths, state: StackState) -> dict[str, Any]:
    from palmares.steps.leaderboard.standings import read_leaderboard

    os.environ["PALMARES_STORAGE_URL"] = storage_url(paths)
    return read_leaderboard(
        hub_endpoint=state.url("hub"),
        hub_token=state.hub_token,
        store_url=state.store_url,
    )


def _ended_badly(sweep: SweepState) -> bool:
    return any(state != "success" for state in sweep.runs.values())


def _tell_red(paths: StackPaths, sweep: SweepState) -> None:
    """Name what failed, with its log."""
    names = {(model.run_id, model.map_index): model.model for model in sweep.models}
    for task in sweep.red:
        whose = names.get((task.run_id, task.map_index), "the run")
        console.print(f"{whose}: {task.task_id} failed. Log: {_log(paths, task)}", style="red", markup=False)


def _log(paths: StackPaths, task: TaskState) -> str:
    """Where Airflow keeps the log of a task instance's last try."""
    folder = paths.airflow / "logs" / f"dag_id={DAG_ID}" / f"run_id={task.run_id}"
    mapped = f"map_index={task.map_index}/" if task.map_index >= 0 else ""
    for group in ("evaluate_model.", ""):
        log = folder / f"task_id={group}{task.task_id}" / f"{mapped}attempt={task.try_number}.log"
        if log.exists():
            return str(log)
    return str(folder)
