"""`palmares plan`: where and how a model would run, what of a GPU it would take, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from palmares.cli.options import AsJson
from palmares.cli.output import console

if TYPE_CHECKING:
    from palmares.cli.planning.answer import Answer

UNUSABLE = 2


def register(app: typer.Typer) -> None:
    app.command("plan")(plan)


def plan(
    model_id: Annotated[
        str | None,
        typer.Argument(help="A model of the Hub at HF_ENDPOINT, read with HF_TOKEN: organisation/name."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Plan from this config.json instead, without the Hub.")
    ] = None,
    weights_bytes: Annotated[
        str | None, typer.Option(metavar="N", help="Size of the weights. Default: from the files or shapes.")
    ] = None,
    revision: Annotated[str, typer.Option(help="Branch, tag or commit of MODEL_ID.")] = "main",
    precision: Annotated[
        str | None,
        typer.Option(help="To load it in. Default: the model's own if of 16 bits, or bfloat16."),
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Of clusters.yaml. Default: the best of all of them.")
    ] = None,
    clusters: Annotated[Path | None, typer.Option(help="Another clusters.yaml.")] = None,
    suite: Annotated[
        str | None, typer.Option(help="Of leaderboard.yaml.", show_default="its default")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also each rule, every alternative, and the reasons in French.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say where and how a model would run, and why. Exit status 0: a verdict, 2: unusable input."""
    from palmares.cli.planning.inputs import UnusableInputError, one_line
    from palmares.leaderboard.errors import SettingsError

    try:
        answers = _answers(
            model_id=model_id,
            config=config,
            weights_bytes=weights_bytes,
            revision=revision,
            precision=precision,
            cluster=cluster,
            clusters=clusters,
            suite=suite,
        )
    except (UnusableInputError, SettingsError) as error:
        from rich.console import Console

        errors = Console(stderr=True, highlight=False, soft_wrap=True)
        errors.print("[bold red]Error:[/] ", end="")
        errors.print(one_line(error), markup=False)
        raise typer.Exit(UNUSABLE) from error
    from palmares.cli.planning.answer import best_of, with_others
    from palmares.cli.planning.show import show

    best = best_of(answers)
    others = [one for one in answers if one is not best]
    if as_json:
        print(json.dumps(with_others(best, others, explain=explain), indent=2, ensure_ascii=False))
    else:
        show(best, others, explain=explain, console=console)


def _answers(
    *,
    model_id: str | None,
    config: Path | None,
    weights_bytes: str | None,
    revision: str,
    precision: str | None,
    cluster: str | None,
    clusters: Path | None,
    suite: str | None,
) -> list[Answer]:
    from palmares.cli.planning import inputs
    from palmares.cli.planning.answer import answer_on
    from palmares.leaderboard.settings import load_settings

    if (model_id is None) == (config is None):
        given = "neither was given" if config is None else "both were given"
        raise inputs.UnusableInputError(f"Give either MODEL_ID or --config FILE: {given}.")
    size = inputs.weights_bytes_from(weights_bytes)
    settings = load_settings()
    what = settings.suite(suite)
    machines = settings.clusters if clusters is None else inputs.read_clusters(clusters)
    chosen = inputs.clusters_named(machines, cluster)
    if config is not None:
        facts = inputs.facts_from_config(
            inputs.read_config(config), name=inputs.name_of(config), weights_bytes=size
        )
    else:
        assert model_id is not None
        facts = inputs.facts_from_hub(model_id, revision)
        if size is not None:
            facts = inputs.with_weights(facts, size)
    submission = inputs.submission_of(facts, what, precision=inputs.precision_for(facts, precision, settings))
    return [answer_on(one, facts, submission, what, settings) for one in chosen]
