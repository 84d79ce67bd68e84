"""Why a request stands where it stands in the queue, in sentences."""

from __future__ import annotations

from palmares.leaderboard.submissions.queue import Hold, Queued
from palmares.texts import Message, counted, message


def explain(queued: Queued) -> tuple[Message, ...]:
    """Say why a submission stands where it stands, with the numbers that decided it."""
    said = [_tried_again()] if queued.waiting.is_tried_again else _points_of(queued)
    if queued.hold is not None:
        said.append(_held_back(queued))
    return tuple(said)


def _tried_again() -> Message:
    return message("It is tried again first: the machines failed, not the model.")


def _points_of(queued: Queued) -> list[Message]:
    one = queued.waiting
    said = [
        message(
            "{live} of {organisation} under way and {others} in line before it: {points}.",
            live=queued.live,
            organisation=one.organisation,
            others=queued.before_it - queued.live,
            points=_points(queued.line_score),
        )
    ]
    if one.submitted is None:
        said.append(message("It has no submission time that can be read, so waiting does not count."))
    elif queued.days:
        said.append(
            message(
                "{days} of waiting: {points} less.",
                days=counted("{n:g} day", "{n:g} days", queued.days),
                points=_points(queued.waiting_bonus),
            )
        )
    if queued.popularity_boost:
        said.append(
            message(
                "{likes} and {votes}: {points} less.",
                likes=counted("{n:g} like", "{n:g} likes", one.submission.likes),
                votes=counted("{n:g} vote", "{n:g} votes", one.votes),
                points=_points(queued.popularity_boost),
            )
        )
    size = message("of unknown size")
    if one.gpu_hours is not None:
        size = message("of {hours:g} GPU-hours", hours=one.gpu_hours)
    said.append(
        message(
            "In all {points}, and a job {size}: fewest points first, then the smaller job.",
            points=_points(queued.priority_score),
            size=size,
        )
    )
    return said


def _held_back(queued: Queued) -> Message:
    has, may = queued.held_by or (0, 0)
    if queued.hold is Hold.PER_DAY:
        return message(
            "Held back: its sender has {has} of {may} evaluations begun in 24 hours, counting those before "
            "it.",
            has=has,
            may=may,
        )
    return message(
        "Held back: its sender has {has} of {may} evaluations under way at once, counting those before it.",
        has=has,
        may=may,
    )


def _points(number: float) -> Message:
    return counted("{n:g} point", "{n:g} points", number)
