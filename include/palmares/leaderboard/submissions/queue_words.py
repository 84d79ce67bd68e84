"""Why a submission stands where it stands in the queue, in English and French sentences."""

from __future__ import annotations

from palmares.leaderboard.submissions.queue import Hold, Queued

Sentence = tuple[str, str]
"""English and French."""


def explain(queued: Queued) -> tuple[Sentence, ...]:
    """Say why a submission stands where it stands, with the numbers that decided it."""
    said = [_tried_again()] if queued.waiting.is_tried_again else _points_of(queued)
    if queued.hold is not None:
        said.append(_held_back(queued))
    return tuple(said)


def _tried_again() -> Sentence:
    return (
        "It is tried again first: the machines failed, not the model.",
        "Elle est reprise en premier : les machines sont en cause, pas le modèle.",
    )


def _points_of(queued: Queued) -> list[Sentence]:
    one = queued.waiting
    others = queued.before_it - queued.live
    said = [
        (
            f"{queued.live} of {one.organisation} under way and {others} in line before it: "
            f"{_en(queued.line_score, 'point')}.",
            f"{queued.live} de {one.organisation} en cours et {others} avant elle dans sa file : "
            f"{_fr(queued.line_score, 'point')}.",
        )
    ]
    if one.submitted is None:
        said.append(
            (
                "It has no submission time that can be read, so waiting does not count.",
                "Sa date de soumission est illisible, donc son attente ne compte pas.",
            )
        )
    elif queued.days:
        said.append(
            (
                f"{_en(queued.days, 'day')} of waiting: {_en(queued.waiting_bonus, 'point')} less.",
                f"{_fr(queued.days, 'jour')} d'attente : {_fr(queued.waiting_bonus, 'point')} de moins.",
            )
        )
    if queued.popularity_boost:
        likes = one.submission.likes
        said.append(
            (
                f"{_en(likes, 'like')} and {_en(one.votes, 'vote')}: "
                f"{_en(queued.popularity_boost, 'point')} less.",
                f"{_fr(likes, 'mention')} « j'aime » et {_fr(one.votes, 'vote')} : "
                f"{_fr(queued.popularity_boost, 'point')} de moins.",
            )
        )
    size, size_fr = "of unknown size", "de taille inconnue"
    if one.gpu_hours is not None:
        size, size_fr = f"of {one.gpu_hours:g} GPU-hours", f"de {one.gpu_hours:g} heures de GPU"
    said.append(
        (
            f"In all {_en(queued.priority_score, 'point')}, and a job {size}: fewest points first, "
            "then the smaller job.",
            f"En tout {_fr(queued.priority_score, 'point')}, et un calcul {size_fr} : le moins de points "
            "d'abord, puis le calcul le plus petit.",
        )
    )
    return said


def _held_back(queued: Queued) -> Sentence:
    has, may = queued.held_by or (0, 0)
    words = {
        Hold.AT_ONCE: ("under way at once", "en cours à la fois"),
        Hold.PER_DAY: ("begun in 24 hours", "en 24 heures"),
    }[queued.hold or Hold.AT_ONCE]
    return (
        f"Held back: its sender has {has} of {may} evaluations {words[0]}, counting those before it.",
        f"Retenue : son auteur a {has} évaluations sur {may} {words[1]}, avec celles qui la précèdent.",
    )


def _en(number: float, noun: str) -> str:
    return f"{number:g} {noun}" if number == 1 else f"{number:g} {noun}s"


def _fr(number: float, noun: str) -> str:
    """French counts in the singular below two."""
    return f"{number:g} {noun}" if abs(number) < 2 else f"{number:g} {noun}s"
