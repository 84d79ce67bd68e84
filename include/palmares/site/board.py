"""The rows of the leaderboard as the site shows them: values, rank intervals, ties, search."""

from __future__ import annotations

import math
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Z95 = 1.959964
"""Standard errors on each side of a 95 % interval."""
ONE_WORD_FIELDS = frozenset({"license", "precision", "revision", "flagged", "merged", "chat"})
"""Fields whose value is one word: what follows it is a name."""
FIELD_NAMES = {
    "license": "license", "licence": "license", "type": "type", "precision": "precision",
    "architecture": "architecture", "arch": "architecture", "org": "organisation",
    "organisation": "organisation", "organization": "organisation", "base": "base_model",
    "revision": "revision", "sha": "revision",
}  # fmt: skip
"""What a search may name, and the field that it means."""
_FIELD = re.compile(rf"@?\b({'|'.join(FIELD_NAMES)})\s*:\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One benchmark of a row."""

    shown: float | None
    """Per cent, rescaled so that guessing is 0; None: not scored."""
    raw: float | None
    """Per cent, as measured."""
    stderr: float | None
    """Of *shown*, in points; None: no estimator, also at 0 and 100 %, where the estimate collapses."""
    interval: tuple[float, float] | None
    """Of *shown*, per cent, 95 %; None: the table has none."""
    ranks: tuple[int, int] | None
    """First and last rank in this column that the evaluated rows allow; None: the table has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One model in one precision."""

    name: str
    """``organisation/model``, or a bare name."""
    eval_name: str
    revision: str
    precision: str
    weight_type: str
    type: str
    """In the contents table's words, e.g. ``💬 chat models (RLHF, DPO, IFT, ...)``."""
    architecture: str
    license: str
    likes: int
    parameters_b: float | None
    """Billions."""
    average: float | None
    """Per cent; None: withdrawn."""
    average_stderr: float | None
    values: Mapping[str, Value]
    """By the benchmark's title."""
    rank: int | None
    """The table's own; None: flagged or withdrawn."""
    best_rank: int | None
    """First rank that the evaluated rows allow, with 95 % confidence."""
    worst_rank: int | None
    tie_group: int | None
    """Models of one group are not told apart from its first; None: the table has no ranks."""
    interval: tuple[float, float] | None
    """Of the average, per cent, 95 %."""
    chat_template: bool
    is_mixture: bool
    moderation: str | None
    """``flagged`` or ``withdrawn``; None: neither."""
    moderation_reason: str | None
    moderation_link: str | None
    former_names: tuple[str, ...]
    base_model: str | None
    submitted: str | None
    evaluated: str | None
    uploaded: str | None
    gpu_hours: float | None
    carbon_kg: float | None
    suite_hash: str | None
    evaluator: str | None
    job_key: str | None
    haystack: str = field(default="", repr=False)
    """What a search for a name looks through, folded."""

    @property
    def organisation(self) -> str:
        return self.name.split("/")[0] if "/" in self.name else ""

    @property
    def is_merged(self) -> bool:
        return "merge" in self.type.lower()

    @property
    def rank_text(self) -> str:
        """``3``, ``2–5``, or a dash."""
        if self.rank is None:
            return "–"
        if self.best_rank is None or self.worst_rank is None:
            return str(self.rank)
        return ranks_text(self.best_rank, self.worst_rank)


def ranks_text(best: int, worst: int) -> str:
    """``3`` or ``2–5``."""
    return str(best) if best == worst else f"{best}–{worst}"


def rows_of(records: Iterable[Mapping[str, Any]], titles: Sequence[str]) -> tuple[Row, ...]:
    """Read the records of the contents table, ranked ones first, each with its rank interval.

    Args:
        records: Rows as dictionaries, in the table's columns; absent columns read as unknown.
        titles: Headings of the benchmarks.
    """
    rows = [_row(record, titles) for record in records]
    # A table that another leaderboard wrote has no ranks of its rows.
    return tuple(rows if any(row.best_rank for row in rows) else with_rank_intervals(rows))


def _row(record: Mapping[str, Any], titles: Sequence[str]) -> Row:
    values = {title: _value(record, title) for title in titles}
    name = str(record.get("fullname") or "")
    former = tuple(str(one) for one in _list(record.get("Former Names")))
    row = Row(
        name=name,
        eval_name=_text(record.get("eval_name")) or name,
        revision=_text(record.get("Model sha")) or "",
        precision=_text(record.get("Precision")) or "",
        weight_type=_text(record.get("Weight type")) or "Original",
        type=_text(record.get("Type")) or "?",
        architecture=_text(record.get("Architecture")) or "?",
        license=_text(record.get("Hub License")) or "?",
        likes=int(_number(record.get("Hub ❤️")) or 0),
        parameters_b=_number(record.get("#Params (B)")),
        average=_number(record.get("Average ⬆️")),
        average_stderr=_number(record.get("Average Stderr")),
        values=values,
        rank=_whole(record.get("Rank")),
        best_rank=_whole(record.get("Rank Best")),
        worst_rank=_whole(record.get("Rank Worst")),
        tie_group=_whole(record.get("Tie Group")),
        interval=_pair_of(record, "Average Low", "Average High"),
        chat_template=record.get("Chat Template") is True,
        is_mixture=record.get("MoE") is True,
        moderation=_text(record.get("Moderation")),
        moderation_reason=_text(record.get("Moderation Reason")),
        moderation_link=_web_address(record.get("Moderation Link")),
        former_names=former,
        base_model=_base(record, name),
        submitted=_text(record.get("Submission Date")),
        evaluated=_text(record.get("Evaluation Date")),
        uploaded=_text(record.get("Upload To Hub Date")),
        gpu_hours=_number(record.get("GPU-hours")),
        carbon_kg=_number(record.get("CO₂ cost (kg)")),
        suite_hash=_text(record.get("Suite Hash")),
        evaluator=_text(record.get("Evaluator")),
        job_key=_text(record.get("Job Key")),
    )
    return replace(row, haystack=fold(" ".join((name, *former))))


def _value(record: Mapping[str, Any], title: str) -> Value:
    raw = _number(record.get(f"{title} Raw"))
    stderr = _number(record.get(f"{title} Stderr"))
    ranks = _pair_of(record, f"{title} Rank Best", f"{title} Rank Worst")
    return Value(
        shown=_number(record.get(title)),
        raw=None if raw is None else 100 * raw,
        stderr=stderr or None,  # 0: every row has the same verdict, which says nothing of the error
        interval=_pair_of(record, f"{title} Low", f"{title} High"),
        ranks=None if ranks is None else (int(ranks[0]), int(ranks[1])),
    )


def _pair_of(record: Mapping[str, Any], first: str, second: str) -> tuple[float, float] | None:
    low, high = _number(record.get(first)), _number(record.get(second))
    return None if low is None or high is None else (low, high)


def with_rank_intervals(rows: Sequence[Row]) -> list[Row]:
    """Give each ranked row the ranks that the 95 % intervals of the averages allow.

    A model can be overtaken by whoever's interval is not wholly below its own. A row without an error keeps
    its interval open to the rows whose intervals hold its average.
    """
    ranked = [row for row in rows if row.rank is not None and row.average is not None]
    spans = {id(row): _interval(row) for row in ranked}
    lows = sorted(low for low, _ in spans.values())
    highs = sorted(high for _, high in spans.values())
    found = []
    for row in rows:
        if id(row) not in spans:
            found.append(row)
            continue
        low, high = spans[id(row)]
        best = 1 + len(lows) - bisect_right(lows, high)
        worst = len(highs) - bisect_left(highs, low)
        found.append(replace(row, best_rank=best, worst_rank=max(best, worst)))
    return found


def _interval(row: Row) -> tuple[float, float]:
    half = Z95 * (row.average_stderr or 0.0)
    assert row.average is not None
    return row.average - half, row.average + half


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a reader typed: names of which one has to match, and fields that all have to."""

    names: tuple[str, ...]
    fields: Mapping[str, tuple[str, ...]]
    """By field: the values of which one has to match."""

    @classmethod
    def parse(cls, text: str) -> Search:
        """Read ``qwen; mistral; license: mit``: names and fields in any order.

        Semicolons part alternatives; a field reaches to the next semicolon or field. Fields of one word
        (licence, precision, revision) end at the first space, what follows is a name.
        """
        names: list[str] = []
        fields: dict[str, list[str]] = {}
        for part in text.split(";"):
            pieces = _FIELD.split(part)
            names += [fold(pieces[0])]
            for label, value in zip(pieces[1::2], pieces[2::2], strict=True):
                key = FIELD_NAMES[label.lower()]
                if key in ONE_WORD_FIELDS:
                    value, _, rest = value.strip().partition(" ")
                    names.append(fold(rest))
                if folded := fold(value):
                    fields.setdefault(key, []).append(folded)
        wanted = tuple(name for name in names if name)
        return cls(names=wanted, fields={key: tuple(values) for key, values in fields.items()})

    def matches(self, row: Row) -> bool:
        """Tell whether *row* is wanted."""
        if self.names and not any(name in row.haystack for name in self.names):
            return False
        return all(
            any(value in fold(str(getattr(row, key) or "")) for value in values)
            for key, values in self.fields.items()
        )


def fold(text: str) -> str:
    """*text* in lower case, without accents and outer spaces, single-spaced."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(plain.lower().split())


def difference(one: Row, other: Row, title: str | None = None) -> tuple[float, float | None] | None:
    """Difference of two rows in points and half its 95 % interval, as of independent values.

    Args:
        one: Minuend.
        other: Subtrahend.
        title: Heading of a benchmark; None: of the averages.

    Returns:
        None: one of them has no value. Half width None: one of them has no error.
    """
    (a, ea), (b, eb) = ((_pair(row, title)) for row in (one, other))
    if a is None or b is None:
        return None
    half = None if ea is None or eb is None else Z95 * math.hypot(ea, eb)
    return a - b, half


def _pair(row: Row, title: str | None) -> tuple[float | None, float | None]:
    if title is None:
        return row.average, row.average_stderr or None
    value = row.values.get(title)
    return (None, None) if value is None else (value.shown, value.stderr)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _whole(value: object) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _base(record: Mapping[str, Any], name: str) -> str | None:
    base = _text(record.get("Base Model"))
    return None if base == name else base


def _web_address(value: object) -> str | None:
    """*value*, if a browser may be sent there: a ``javascript:`` link is none."""
    text = _text(value)
    return text if text is not None and text.startswith(("https://", "http://")) else None
