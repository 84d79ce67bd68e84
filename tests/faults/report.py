"""The table of scenarios and outcomes, which the run of all of them writes into the page on reliability."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from tests.faults.observe import Outcome
from tests.faults.scenario import Row

TARGET = "PALMARES_RELIABILITY"
"""Environment variable: the file to write; without it nothing is written."""

AS_EXPECTED = "as expected"
INTRODUCTION = """\
# Reliability

What happens when something dies: every row was played with real processes, and looked at afterwards in four
places: our store, the ClearML server, the Hub's commits, and the machine's processes. *Accepted* counts the
results accepted for the key; *published* the commits that brought a results file of the model and, after
the slash, those that turned its request to FINISHED: `1/1` is right for a model that was evaluated, `0/0`
for a cancelled one. A scenario fails unless these are as expected, no ClearML task of the key is live, no
queue holds it, none of its job processes runs, and not more jobs were started than attempts are shown.

Repeat all of it with `make test-faults`, which writes this file anew. `make test` plays the quick ones, but
for those that only vary another.

- **quick**: the real DAG's tasks in order, with the real operators, triggers and steps, against PostgreSQL
  and the embedded ClearML and Hub in a process of their own. Airflow's part (rendering, deferring, retrying
  at once instead of after the retry's delay) is played by `tests/faults/airflow_part.py`; a task that is to
  be killed runs in a forked process, as Airflow's tasks do. The job is a process that runs the evaluator's
  script with the real SDK, its model replaced by prepared results; what an agent says is said over REST.
- **full**: a whole stack with Airflow's scheduler, triggerer and API server, two real `clearml-agent`s and
  the whole evaluation of a tiny model. What died is started again by the stack's supervisor. A silent job
  counts as lost after {lost_after_s} s.

*Cut off* means that the TCP connection ended without an answer; *after the effect*, that the server had
done what it was asked.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One row of the table."""

    row: Row
    outcome: Outcome | None
    """None: it did not come to its end."""
    problems: Sequence[str]

    @property
    def level(self) -> str:
        return "full" if self.row.id.startswith("full-") else "quick"


@contextmanager
def recorded(played: list[Played], row: Row) -> Iterator[Callable[[Outcome], Outcome]]:
    """Keep the outcome that the block hands over, and whatever it raises."""
    outcomes: list[Outcome] = []

    def record(outcome: Outcome) -> Outcome:
        outcomes.append(outcome)
        return outcome

    problem: BaseException | None = None
    try:
        yield record
    except BaseException as error:
        problem = error
        raise
    finally:
        outcome = outcomes[0] if outcomes else None
        problems = outcome.problems(row) if outcome else []
        if problem is not None and not problems:
            problems = [
                f"{type(problem).__name__}: {str(problem).splitlines()[0][:200] if str(problem) else ''}"
            ]
        played.append(Played(row=row, outcome=outcome, problems=problems))


def write_report(path: Path, played: Sequence[Played], *, seconds: float, ids: Sequence[str]) -> None:
    """Write the file anew with what this run saw; rows of scenarios that it did not play are kept.

    Args:
        ids: Of all scenarios, in the table's order.

    Raises:
        ValueError: A scenario was neither played now nor before.
    """
    from tests.faults.full.stack import LOST_AFTER_S

    now = {one.row.id: _line(one) for one in played}
    before = _rows_in(path) if len(now) < len(ids) else {}
    if missing := [one for one in ids if one not in now and one not in before]:
        raise ValueError(f"{path} has no row for {missing}: play all scenarios once")
    rows = [now.get(one) or before[one] for one in ids]
    good = sum(row.endswith(f"| {AS_EXPECTED} |") for row in rows)
    again = f" {len(now)} of them, the others as an earlier run left them." if before else ""
    lines = [
        INTRODUCTION.format(lost_after_s=LOST_AFTER_S),
        f"**{good} of {len(rows)} scenarios as expected**. Last run: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, "
        f"{seconds / 60:.0f} minutes.{again} {_versions()}. {_machine()}.",
        "",
        "| # | scenario | level | step | what was done | what happened | final state | attempts | accepted "
        "| published | seconds | outcome |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [f"| {number} {row}" for number, row in enumerate(rows, start=1)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def ids_in(path: Path) -> list[str]:
    """The scenarios that a report holds."""
    return list(_rows_in(path))


def _rows_in(path: Path) -> dict[str, str]:
    """A report's rows by scenario, without their numbers."""
    rows = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        number, _, row = line.removeprefix("| ").partition(" ")
        if line.startswith("| ") and number.isdecimal():
            rows[row.split("|")[1].strip().replace("\\", "")] = row
    return rows


def _line(one: Played) -> str:
    outcome = one.outcome
    seen = (
        [
            outcome.happened,
            outcome.final,
            ", ".join(outcome.attempts) or "none",
            str(outcome.accepted),
            f"{outcome.publications}/{outcome.finished}",
            f"{outcome.seconds:.0f}",
        ]
        if outcome is not None
        else ["", "", "", "", "", ""]
    )
    verdict = AS_EXPECTED if not one.problems else f"NOT as expected: {'; '.join(one.problems)}"
    cells = [one.row.id, one.level, one.row.step, one.row.what, *seen, verdict]
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    return re.sub(r"([|*_<>])", r"\\\1", " ".join(text.split()))


def _versions() -> str:
    names = ("apache-airflow", "clearml", "huggingface_hub", "psycopg")
    found = ", ".join(f"{name} {version(name)}" for name in names)
    return f"Python {platform.python_version()}, {found}"


def _machine() -> str:
    gib = psutil.virtual_memory().total / 2**30
    return f"Machine: {os.cpu_count()} cores, {gib:.0f} GiB, Linux {platform.release().split('-')[0]}"
