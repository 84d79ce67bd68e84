"""Response statistics: how many of a model's own answers are empty, cut off, or all the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from palmares.benchmarks.scorer import DetailsRow
from palmares.leaderboard.checks.cross_check import (
    after_trace,
    is_other_language,
    looks_cut_off,
    second_answer,
)
from palmares.leaderboard.checks.equivalence import fold
from palmares.leaderboard.checks.limits import Kind, SanitySettings
from palmares.leaderboard.checks.predictors import certainly_wrong
from palmares.leaderboard.checks.rates import Rate, ceiling, first_ids
from palmares.leaderboard.checks.sample import draw

if TYPE_CHECKING:  # scoring imports this package
    from palmares.benchmarks.scorer import Grade, Scorer

CountedRows = Iterable[tuple[DetailsRow, bool | None]]
"""Rows, each with whether the statistic counts it; None: cannot be told, and is not counted."""

_MEANINGS = {
    "empty": "the model wrote nothing on",
    "no_answer": "no final answer was found on",
    "unsure": "the scorer cannot tell whether the answer is right on",
    "unfinished_trace": "the reasoning never ends on",
    "at_token_limit": "the answer is cut off at the token limit on",
    "disagreement": "only one of two ways to find the answer finds the right one on",
    "constant": "the same wrong answer on",
    "other_language": "the answer is not in French on",
}


def answer_rates(
    rows: Sequence[DetailsRow],
    grades: Sequence[Grade] | None,
    settings: SanitySettings,
    *,
    scorer: Scorer | None,
    kind: Kind,
    max_generated_tokens: int,
) -> tuple[Rate, ...]:
    """Compute the response statistics over all rows of a model.

    Args:
        rows: Details of one task.
        grades: Of these rows, in their order; None: they are not graded here.
        settings: Limits; with fewer rows than ``min_rows`` none of them holds.
        scorer: Who graded; grades what a second extraction takes for the answer, on a sample of the rows.
        kind: Choices by log-likelihood are no texts: only their constancy is counted.
        max_generated_tokens: Of the task; 0: not known.

    Returns:
        One rate for each statistic that these rows allow.
    """
    statistics: list[tuple[str, CountedRows]] = [("constant", _constant(rows, grades))]
    if kind == "generate":
        texts = [(row, row.predictions[0] if row.predictions else "") for row in rows if row.generated]
        statistics += [
            ("empty", ((row, not text.strip()) for row, text in texts)),
            ("unfinished_trace", ((row, after_trace(text) is None) for row, text in texts)),
            ("at_token_limit", ((row, looks_cut_off(text, max_generated_tokens)) for row, text in texts)),
            ("other_language", ((row, is_other_language(text)) for row, text in texts)),
        ]
        if grades is not None:
            found = [(row, grade) for row, grade in zip(rows, grades, strict=True) if row.generated]
            statistics += [
                ("no_answer", ((row, grade.extracted is None) for row, grade in found)),
                ("unsure", ((row, grade.unsure) for row, grade in found)),
            ]
        if grades is not None and scorer is not None:
            statistics.append(("disagreement", _disagreements(rows, grades, scorer, settings.sample)))
    rates = (_rate(name, seen, settings) for name, seen in statistics)
    return tuple(rate for rate in rates if rate.rows)


def _rate(name: str, seen: CountedRows, settings: SanitySettings) -> Rate:
    known = [(row.row_id, has) for row, has in seen if has is not None]
    against = [row_id for row_id, has in known if has]
    share = getattr(settings.answers, name) if len(known) >= settings.min_rows else None
    return Rate(
        name=name,
        meaning=_MEANINGS[name],
        of="answers",
        count=len(against),
        rows=len(known),
        most=ceiling(share, len(known)),
        row_ids=first_ids(against),
    )


def _constant(rows: Sequence[DetailsRow], grades: Sequence[Grade] | None) -> CountedRows:
    """The most frequent answer, on the rows where it is wrong: many may rightly expect it."""
    judged: Sequence[Grade | None] = [None] * len(rows) if grades is None else grades
    answers = [_answer(row, grade) for row, grade in zip(rows, judged, strict=True)]
    counted = Counter(answer for answer in answers if answer)
    if not counted:
        return
    common = min(counted.items(), key=lambda item: (-item[1], item[0]))[0]
    for row, answer in zip(rows, answers, strict=True):
        expected = None if row.generated or not row.gold else _place(row.gold[0], row)
        wrong = expected != common if expected else not row.gold or certainly_wrong(common, row)
        if wrong:
            yield row, answer == common


def _answer(row: DetailsRow, grade: Grade | None) -> str:
    if grade is not None and grade.extracted is not None:
        return fold(grade.extracted)
    text = row.predictions[0] if row.predictions else ""
    return (None if row.generated else _place(text, row)) or fold(text)


def _place(text: str, row: DetailsRow) -> str | None:
    """A choice's place, since every row has choices of its own."""
    return f"choice {row.choices.index(text) + 1}" if text in row.choices else None


def _disagreements(
    rows: Sequence[DetailsRow], grades: Sequence[Grade], scorer: Scorer, most: int
) -> CountedRows:
    """Rows on which either way finds the right answer: where both fail, there is nothing to disagree on."""
    chosen = sorted(range(len(rows)), key=lambda place: draw(rows[place].row_id))[:most]
    for place in chosen:
        row, grade = rows[place], grades[place]
        second = second_answer(row.predictions[0], row.gold[0]) if row.predictions and row.gold else None
        if second is None or not row.generated:
            continue
        correct = scorer.grade(replace(row, predictions=(second,))).correct
        if correct or grade.correct:
            yield row, correct != grade.correct
