"""`palmares grade`: verdicts on answers, one JSON line a case."""

from __future__ import annotations

import json
import sys
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from palmares.cli.output import console

if TYPE_CHECKING:
    from palmares.cli.rescoring.cases import GradedCase

UNUSABLE = 2
MOST_COMPLAINTS = 20
"""Bad lines that are named one by one; the others are counted."""
SMALL_BYTES = 4 << 20
"""A smaller file is graded sooner than further processes have started."""


def register(app: typer.Typer) -> None:
    app.command("grade")(grade)


def grade(
    cases: Annotated[
        str,
        typer.Argument(
            help="JSON lines with id, gold, prediction, and optionally instruction, question, choices."
        ),
    ],
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, max=256, help="Processes.", show_default="one a processor for large files, else 1"
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON lines on a terminal, too; elsewhere they are the default.")
    ] = False,
) -> None:
    """Grade exam answers: `-` reads standard input.

    Each case becomes a JSON line with id, correct, unsure, extracted, method, reason. Cases that say in
    `correct` what the verdict should be are counted at the end. Exit status 0: all graded, 1: bad lines were
    left out and are named, 2: unusable input, as a file without a usable line.
    """
    from rich.console import Console

    from palmares.cli.rescoring.cases import graded_cases
    from palmares.cli.rescoring.inputs import leaderboard, workers_of
    from palmares.rescoring.pool import Pool

    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        source: Any = nullcontext(sys.stdin.buffer) if cases == "-" else Path(cases).open("rb")  # noqa: SIM115 - the with statement below closes it
        large = cases != "-" and Path(cases).stat().st_size > SMALL_BYTES
    except OSError as error:
        errors.print(f"Error: {cases}: cannot be read ({error.strerror}).", markup=False)
        raise typer.Exit(UNUSABLE) from error
    _, _, policy = leaderboard()
    counts: Counter[str] = Counter()
    seen: set[str] = set()
    with source as stream, Pool(workers or (workers_of(None) if large else 1)) as pool:
        for case in graded_cases(stream, pool, policy):
            _count(case, counts, seen)
            if case.problem is not None:
                if counts["bad"] <= MOST_COMPLAINTS:
                    errors.print(f"line {case.number}: {case.problem}. It was left out.", markup=False)
            elif as_json or not console.is_terminal:
                print(_json_line(case.answer), flush=True)
            else:
                _show(case)
    _summary(counts, errors)
    if not counts["graded"]:
        errors.print(f"Error: {cases}: no line is a case that can be graded.", markup=False)
        raise typer.Exit(UNUSABLE)
    raise typer.Exit(1 if counts["bad"] else 0)


def _json_line(answer: Any) -> str:
    text = json.dumps(answer, ensure_ascii=False)
    return text if _is_unicode(text) else json.dumps(answer)


def _is_unicode(text: str) -> bool:
    """Whether it can be written: a generation may hold half a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_VERDICTS = {
    (True, False): ("right  ", "green"),
    (False, False): ("wrong  ", "red"),
    (False, True): ("unsure ", "yellow"),
}


def _show(case: GradedCase) -> None:
    from rich.text import Text

    assert case.answer is not None
    right = case.answer["correct"]
    extracted = " ".join(str(case.answer["extracted"] or "").split())
    wanted = "" if case.label is None or case.label == right else "  (labelled otherwise)"
    console.print(
        Text.assemble(
            _VERDICTS[right, case.answer["unsure"]],
            f"{case.answer['id']}  ",
            (extracted[:60] or "no answer", "bold"),
            (f"  {case.answer['method']}", "bright_black"),
            (wanted, "yellow"),
        )
    )


def _count(case: GradedCase, counts: Counter[str], seen: set[str]) -> None:
    if case.answer is None:
        counts["bad"] += 1
        return
    right = case.answer["correct"]
    counts["graded"] += 1
    counts["right"] += right
    counts["unsure"] += case.answer["unsure"]
    name = str(case.answer["id"])
    counts["again"] += name in seen
    seen.add(name)
    if case.label is not None:
        counts["labelled"] += 1
        counts["agree"] += right == case.label
        counts["false_positive"] += right and not case.label
        counts["false_negative"] += case.label and not right


def _summary(counts: Counter[str], errors: Any) -> None:
    if counts["bad"] > MOST_COMPLAINTS:
        errors.print(f"{counts['bad'] - MOST_COMPLAINTS:,} further bad lines were left out.")
    if counts["again"]:
        errors.print(f"{counts['again']:,} ids occur more than once.")
    errors.print(
        f"{counts['graded']:,} graded, {counts['right']:,} right, {counts['unsure']:,} unsure, "
        f"{counts['bad']:,} bad lines."
    )
    if counts["labelled"]:
        share = 100 * counts["agree"] / counts["labelled"]
        errors.print(
            f"Labels: {counts['agree']:,} of {counts['labelled']:,} agree ({share:.1f} %); "
            f"called right against the label: {counts['false_positive']:,}, "
            f"called wrong against it: {counts['false_negative']:,}."
        )
