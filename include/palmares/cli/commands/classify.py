"""`palmares classify`: whose fault a console shows, and what the leaderboard would do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from palmares.cli.output import console, printable

if TYPE_CHECKING:
    from palmares.leaderboard.outcomes import AttemptOutcome

UNUSABLE = 2
_WIDEST_LINE = 300


def register(app: typer.Typer) -> None:
    app.command("classify")(classify)


def classify(
    path: Annotated[str, typer.Argument(metavar="CONSOLE.txt", help="The console of a job; - reads stdin.")],
    status: Annotated[str, typer.Option(help="ClearML's status of the task.")] = "failed",
    reason: Annotated[str, typer.Option(help="ClearML's status reason.")] = "",
    reported: Annotated[
        str, typer.Option(help="User property failure_class: what the evaluator reported.")
    ] = "",
    stop_cause: Annotated[
        str, typer.Option(help="Why the leaderboard stopped it, as in the user property stop_cause.")
    ] = "",
    attempt: Annotated[int, typer.Option(min=1, help="Which attempt: earlier ones' lines are left out.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say why a job failed: class, whose fault, the line that decided, what follows.

    Exit status 0: classified, 2: unusable input.
    """
    from palmares.leaderboard.outcomes import Termination
    from palmares.leaderboard.outcomes import classify as classify_termination

    outcome = classify_termination(
        Termination(
            status=status,
            succeeded=status in {"completed", "closed", "publishing", "published"},
            status_reason=reason,
            reported=reported,
            stop_cause=stop_cause or None,
            attempt=attempt,
            console=_lines(path),
        )
    )
    answer = _answer(outcome)
    if as_json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        _show(answer)


def _lines(path: str) -> list[str]:
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        typer.echo(f"Error: {path}: cannot be read ({error.strerror}).", err=True)
        raise typer.Exit(UNUSABLE) from error
    return data.decode("utf-8", errors="replace").splitlines()


def _answer(outcome: AttemptOutcome) -> dict[str, Any]:
    from palmares.leaderboard.outcomes import fault_of
    from palmares.leaderboard.settings import load_settings

    settings = load_settings()
    found = outcome.found
    return {
        "failure_class": outcome.failure_class.value,
        "fault": fault_of(outcome.failure_class),
        "reason": outcome.reason,
        "decision": outcome.decision,
        "line": found.line.strip()[:_WIDEST_LINE] if found else None,
        "signature": found.signature.pattern.pattern if found else None,
        "source": found.signature.source if found else None,
        "retries": settings.retries.of(outcome.failure_class) if outcome.decision == "retry" else 0,
        "retry_changes": _RETRY_CHANGES.get(outcome.failure_class.value, ""),
        "submitter_reads": _submitter_reads(outcome),
    }


_RETRY_CHANGES = {
    "node_lost": "nothing: the same plan, at once",
    "preempted": "nothing: the same plan, at once",
    "out_of_memory": "the fallback policy's next plan: fewer sequences, less context, then more GPUs",
    "wall_time": "twice the wall time, resumed",
    "evaluator_error": "nothing",
    "results_incomplete": "nothing",
}


def _submitter_reads(outcome: AttemptOutcome) -> str:
    """The request's status and message once retries are used up."""
    match outcome.decision:
        case "succeeded":
            return "FINISHED"
        case "skip":
            return f"FAILED, {outcome.failure_class}: {outcome.reason}"
        case "cancelled":
            return f"CANCELLED, {outcome.reason}"
        case _:
            return f"PENDING, {outcome.failure_class}: {outcome.reason} It is tried again next night."


def _show(answer: dict[str, Any]) -> None:
    rows = [
        ("class", f"{answer['failure_class']} ({answer['decision']})"),
        ("fault", answer["fault"]),
        ("reason", answer["reason"]),
        ("line", answer["line"] or "none decided: status, reason and what the evaluator reported did"),
        ("source", answer["source"] or "–"),
        ("retries", f"{answer['retries']} tonight"),
        ("a retry changes", answer["retry_changes"] or "–"),
        ("submitter reads", answer["submitter_reads"]),
    ]
    for name, value in rows:
        console.print(f"[bold]{name:<15}[/]  {printable(str(value))}")
