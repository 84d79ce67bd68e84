"""`palmares rescore`: grades stored generations again and carries the scores into the results files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from palmares.cli.options import AsJson
from palmares.cli.output import console

UNUSABLE = 2


def register(app: typer.Typer) -> None:
    app.command("rescore")(rescore)


def rescore(
    details_path: Annotated[
        Path, typer.Argument(help="A details file, a model's folder, or a tree of them.")
    ],
    scores_dir: Annotated[Path, typer.Option(help="Folder of the results JSON files, at any depth.")],
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Processes.", show_default="one a processor")
    ] = None,
    task: Annotated[
        list[str] | None, typer.Option(help="Only this one, e.g. bac-fr; may be repeated.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Grade and report; write nothing there.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Grade again what is done.")] = False,
    report: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write what changed: Markdown, JSON and a chart."),
    ] = None,
    with_texts: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Private folder for the texts of the rows that changed."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Grade stored generations again, and update the scores.

    Details are never changed: graded records go beside them. A results file gets the new value, and keeps the
    old one under its version. What is done is skipped the next time. Exit status 0: all well, 1: some files
    were left out and are named, 2: unusable input.
    """
    from rich.console import Console

    from palmares.cli.rescoring import inputs, reports, show
    from palmares.cli.rescoring.progress import GradingProgress
    from palmares.leaderboard.errors import SettingsError
    from palmares.rescoring.files import Matcher, find_scores
    from palmares.rescoring.pool import Pool
    from palmares.rescoring.run import Options, Rescoring

    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        found = inputs.details_of(details_path, scores_dir, task or ())
        baselines, limits, policy = inputs.leaderboard()
    except (inputs.UnusableInputError, SettingsError) as error:
        errors.print("[bold red]Error:[/] ", end="")
        errors.print(str(error), markup=False)
        raise typer.Exit(UNUSABLE) from error
    options = Options(
        dry_run=dry_run,
        force=force,
        tasks=frozenset(task or ()),
        keep_ids=report is not None or with_texts is not None,
        baselines=baselines,
        limits=limits,
        policy=policy,
    )
    pool = Pool(inputs.workers_of(workers), isolated=True)
    run = Rescoring(found.files, Matcher(find_scores(scores_dir), scores_dir), pool, options)
    try:
        with GradingProgress(run.files, errors) as progress, pool:
            outcome = run.run(progress.advance)
    finally:
        run.sweep()
    outcome.problems[:0] = found.problems
    written = reports.write_report(reports.comparison_report(outcome, baselines), report) if report else []
    if with_texts:
        reports.write_texts(outcome, with_texts, policy)
    if as_json:
        print(json.dumps(outcome.to_json() | {"dry_run": dry_run}, indent=2, ensure_ascii=False))
    else:
        show.show(outcome, dry_run=dry_run, console=console)
        if written:
            show.show_written(written, console)
    show.show_problems(outcome, errors)
    raise typer.Exit(outcome.exit_status)
