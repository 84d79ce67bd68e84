"""Degenerate predictors: texts made from a task's own rows, whose verdict is known beforehand."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from palmares.benchmarks.scorer import DetailsRow
from palmares.leaderboard.checks.equivalence import fold, integer, may_agree, opposite, value
from palmares.leaderboard.checks.sample import draw

_LETTER = re.compile(r"\(?([A-Ha-h])\)?[.)]?")
_SEVERAL = re.compile(r"[;{}∪±\n]|\b(?:ou|et)\b")
_TRIES = 24
"""Golds of other rows that are tried before a row is left out."""


@dataclass(frozen=True, slots=True)
class Known:
    """A row, and what the predictors need of its neighbours."""

    row: DetailsRow
    gold: str
    """The first accepted answer."""
    other: str | None
    """Another row's, which is certainly wrong here; None: none was found."""
    common: str
    """The most frequent one of all rows."""

    def wrong(self, text: str) -> str | None:
        """The text, if it is certainly wrong here."""
        return text if certainly_wrong(text, self.row) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictor:
    """A way to answer every row."""

    name: str
    """A field of ``ScorerLimits``."""
    meaning: str
    """For messages: "calls … right"."""
    right: bool
    """What the verdict has to be."""
    text: Callable[[Known], str | None]
    """None: the verdict on this row would not be certain."""


def certainly_wrong(text: str, row: DetailsRow) -> bool:
    """Whether none of the row's accepted answers may be meant by *text*: no answer, no letter of a choice."""
    given, expected = letter(text), expected_letter(row)
    if given is not None and (row.choices or expected is not None):
        return expected is not None and given != expected
    accepted = list(row.gold)
    if expected is not None and ord(expected) - ord("A") < len(row.choices):
        accepted.append(row.choices[ord(expected) - ord("A")])
    return not any(may_agree(text, one) for one in accepted)


def expected_letter(row: DetailsRow) -> str | None:
    """The right choice's letter; None: not a multiple choice, or the row does not tell."""
    for gold in row.gold:
        if (found := letter(gold)) is not None:
            return found
        if gold in row.choices:
            return chr(ord("A") + row.choices.index(gold))
    return None


def letter(text: str) -> str | None:
    """The letter that a text is, brackets and point apart; None: it is something else."""
    found = _LETTER.fullmatch(text.strip())
    return None if found is None else found[1].upper()


def known_rows(rows: Sequence[DetailsRow]) -> list[Known]:
    """Rows with an expected answer, each with another's that is certainly wrong for it."""
    usable = [row for row in rows if row.gold and row.gold[0].strip()]
    if not usable:
        return []
    golds = [row.gold[0].strip() for row in usable]
    # Among equally frequent ones the first in alphabetical order, so that it is always the same.
    common = min(Counter(golds).items(), key=lambda item: (-item[1], item[0]))[0]
    return [
        Known(row=row, gold=gold, other=_other(place, usable, golds), common=common)
        for place, (row, gold) in enumerate(zip(usable, golds, strict=True))
    ]


def _other(place: int, rows: Sequence[DetailsRow], golds: Sequence[str]) -> str | None:
    for step in range(1, min(_TRIES, len(golds) - 1) + 1):
        text = golds[(place + step) % len(golds)]
        if certainly_wrong(text, rows[place]):
            return text
    return None


def _digit_changed(known: Known) -> str | None:
    places = [place for place, character in enumerate(known.gold) if character in "0123456789"]
    if not places:
        return None
    number = draw(known.row.row_id, salt="digit")
    place = places[number % len(places)]
    digit = (int(known.gold[place]) + 1 + number // len(places) % 9) % 10
    text = f"{known.gold[:place]}{digit}{known.gold[place + 1 :]}"
    return text if value(text) is None or value(text) != value(known.gold) else None


def _appended(known: Known) -> str | None:
    if not integer(known.gold):
        return None
    return known.wrong(f"{known.gold}{1 + draw(known.row.row_id, salt='after') % 9}")


def _prepended(known: Known) -> str | None:
    if not integer(known.gold):
        return None
    sign, digits = ("-", known.gold[1:]) if not known.gold[0].isdigit() else ("", known.gold)
    return known.wrong(f"{sign}{1 + draw(known.row.row_id, salt='before') % 9}{digits}")


def _sign_changed(known: Known) -> str | None:
    number = value(known.gold)
    if not number:
        return None
    text = known.gold.lstrip("+-\u2212 ") if number < 0 else f"-{known.gold.lstrip('+ ')}"
    return known.wrong(text)


def _with_unit(known: Known) -> str | None:
    # An instruction may name the unit, and then centimetres are wrong.
    if value(known.gold) is None or "%" in known.gold or "unit" in fold(known.row.instruction or ""):
        return None
    if re.search(r"\ben\s+[^\W\d_]", known.row.instruction or "", re.IGNORECASE):
        return None
    return f"La réponse est {known.gold} cm."


def _sentence(known: Known) -> str | None:
    gold = known.gold.rstrip(" .")
    return f"La réponse est {gold}." if gold and "\n" not in gold else None


def _hedged(known: Known) -> str | None:
    """The answer and a rival of its own kind; a number beside a truth value would be no second answer."""
    rival = opposite(known.gold) or _digit_changed(known) or _next_letter(known)
    if rival is None or _SEVERAL.search(known.gold):
        return None
    return f"{known.gold} ou {rival}"


def _next_letter(known: Known) -> str | None:
    right = letter(known.gold)
    return None if right is None else "BCDA"["ABCD".index(right)] if right in "ABCD" else "A"


def _every_choice(known: Known) -> str | None:
    folded = {fold(choice) for choice in known.row.choices}
    if len(folded) < 2 or any(_SEVERAL.search(gold) for gold in known.row.gold):
        return None
    return " ou ".join(known.row.choices)


def _wrong_after_trace(known: Known) -> str | None:
    if known.other is None:
        return None
    return f"<think>\nOn trouve {known.gold}.\n</think>\n\nLa réponse est {known.other}."


def _gold_after_trace(known: Known) -> str | None:
    sentence = _sentence(known)
    if sentence is None:
        return None
    return f"<think>\nEssayons {known.other or 'autre chose'}. Non.\n</think>\n\n{sentence}"


PREDICTORS: tuple[Predictor, ...] = (
    Predictor(name="empty", meaning="an empty answer", right=False, text=lambda _: ""),
    Predictor(name="no_answer", meaning="no answer at all", right=False, text=lambda _: "Je ne sais pas."),
    Predictor(name="constant_0", meaning="the constant 0", right=False, text=lambda known: known.wrong("0")),
    Predictor(name="constant_a", meaning="the constant A", right=False, text=lambda known: known.wrong("A")),
    Predictor(
        name="constant_vrai", meaning="the constant vrai", right=False, text=lambda known: known.wrong("vrai")
    ),
    Predictor(
        name="constant_common",
        meaning="the most frequent answer",
        right=False,
        text=lambda known: known.wrong(known.common),
    ),
    Predictor(name="shuffled", meaning="another row's answer", right=False, text=lambda known: known.other),
    Predictor(name="digit_changed", meaning="a changed digit", right=False, text=_digit_changed),
    Predictor(name="digit_appended", meaning="a digit too many at the end", right=False, text=_appended),
    Predictor(name="digit_prepended", meaning="a digit too many in front", right=False, text=_prepended),
    Predictor(name="sign_changed", meaning="the other sign", right=False, text=_sign_changed),
    Predictor(
        name="negated",
        meaning="a negation of the answer",
        right=False,
        text=lambda known: f"Ce n'est pas {known.gold.rstrip(' .')}.",
    ),
    Predictor(name="hedged", meaning="two answers at once", right=False, text=_hedged),
    Predictor(name="every_choice", meaning="all choices at once", right=False, text=_every_choice),
    Predictor(
        name="unfinished_trace",
        meaning="a reasoning trace that never ends",
        right=False,
        text=lambda known: f"<think>\nCalculons pas à pas.\n{known.gold}",
    ),
    Predictor(
        name="wrong_after_trace",
        meaning="a wrong answer after the right one in a trace",
        right=False,
        text=_wrong_after_trace,
    ),
    Predictor(name="gold", meaning="the expected answer itself", right=True, text=lambda known: known.gold),
    Predictor(
        name="gold_in_sentence", meaning="the expected answer in a sentence", right=True, text=_sentence
    ),
    Predictor(name="gold_with_unit", meaning="the expected number with a unit", right=True, text=_with_unit),
    Predictor(
        name="gold_after_trace",
        meaning="the expected answer after a trace",
        right=True,
        text=_gold_after_trace,
    ),
)


def probes(predictor: Predictor, known: Sequence[Known]) -> Iterator[tuple[DetailsRow, str]]:
    """The rows on which a predictor's verdict is certain, each with what it answers."""
    for one in known:
        text = predictor.text(one)
        if text is not None:
            yield one.row, text
