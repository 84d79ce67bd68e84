"""The outcome of one placement rule."""

from __future__ import annotations

from typing import NamedTuple


class Check(NamedTuple):
    """The outcome of one rule; its sentences are written when they are asked for."""

    rule: str
    source: str
    ok: bool
    english: str
    french: str
    values: tuple[object, ...] = ()
    applies: bool = True
    """False: the model has nothing that the rule is about."""

    @property
    def detail(self) -> str:
        return self.english.format(*self.values)

    @property
    def detail_fr(self) -> str:
        return self.french.format(*self.values)


def nothing(rule: str, source: str, english: str, french: str) -> Check:
    """A rule that a model keeps because it lacks what the rule is about."""
    return Check(rule, source, True, english, french, applies=False)
