"""Groups of tasks: nested weighted means with their standard errors, and what is missing of them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from palmares.benchmarks.statistics import normalize


class GroupMember(BaseModel):
    """One member of a group: a task's series, or another group."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    series: str | None = None
    """Metric and filter of the task, e.g. ``exact_match,strict-match``; None: the member's own score."""
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Not used where the group weighs by size."""
    normalize: bool = False
    """Rescale so that guessing scores 0, and not less."""
    random_score: float = Field(default=0.0, ge=0.0, lt=1.0)
    """What guessing scores."""


class Group(BaseModel):
    """A weighted mean of tasks and of other groups."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str = ""
    """For readers; not given: the name."""
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """In the suite's average, for a group that is in no other."""
    mean: Literal["weighted", "by_size"] = "weighted"
    """``weighted``: by the members' weights; ``by_size``: by their numbers of rows, as lm-eval does."""
    members: dict[str, GroupMember] = Field(min_length=1)
    """By the name of the task or of the group."""

    @model_validator(mode="before")
    @classmethod
    def _members_may_be_a_list(cls, data: object) -> object:
        if isinstance(data, Mapping) and isinstance(members := data.get("members"), list):
            if len(set(map(str, members))) != len(members):
                raise ValueError(f"group {data.get('name')!r} names a member twice: {members}")
            return {**data, "members": {str(one): {} for one in members}}
        return data

    @model_validator(mode="before")
    @classmethod
    def _a_group_without_a_title_has_its_name(cls, data: object) -> object:
        if isinstance(data, Mapping) and not data.get("title"):
            return {**data, "title": data.get("name", "")}
        return data

    def as_measured(self) -> Group:
        """The same mean of the members' values before any is rescaled."""
        members = {name: one.model_copy(update={"normalize": False}) for name, one in self.members.items()}
        return self.model_copy(update={"members": members})


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One measured value of a task."""

    value: float
    """Fraction, as measured."""
    stderr: float | None
    """Of *value*; None: not known."""
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupScore:
    """A group's value, or what it lacks."""

    name: str
    value: float | None
    """None: the group is incomplete."""
    stderr: float | None
    """None: a member has none, or the group is incomplete."""
    rows: int
    missing: tuple[str, ...] = ()
    """Members without a value, as ``group/task``; where there is one, there is no number."""


Series = Mapping[str, Mapping[str | None, Value]]
"""By task, then by ``metric,filter``; under None the task's own score."""


def score_groups(groups: Sequence[Group], values: Series) -> dict[str, GroupScore]:
    """Compute every group, those that others name first.

    Σ w·s / Σ w over the members' (normalised) scores. The standard error of a weighted mean takes the members
    as independent. That of a mean by size is pooled over the tasks' own samples, as lm-eval's
    ``pooled_sample_stderr`` does it (https://en.wikipedia.org/wiki/Pooled_variance).

    Args:
        groups: Without a cycle, see `check_groups`.
        values: Of the tasks.

    Returns:
        By name, in the order of *groups*.
    """
    found: dict[str, _Part] = {}
    for group in in_order(groups):
        parts = [
            found[name] if name in found else _of_task(group, name, member, values)
            for name, member in group.members.items()
        ]
        found[group.name] = _of_group(group, parts)
    return {
        group.name: GroupScore(
            name=group.name,
            value=part.value,
            stderr=part.stderr,
            rows=part.rows,
            missing=part.missing,
        )
        for group in groups
        for part in (found[group.name],)
    }


def check_groups(groups: Sequence[Group], tasks: Collection[str]) -> None:
    """Refuse groups that cannot be computed.

    Raises:
        ValueError: Two groups share a name, or a group a task's; a member is unknown (the nearest name is
            said); groups contain each other.
    """
    names = [group.name for group in groups]
    for name in names:
        if names.count(name) > 1 or name in tasks:
            raise ValueError(f"the name {name!r} is given twice: call the group something else")
    known = {*names, *tasks}
    for group in groups:
        for member in group.members:
            if member not in known:
                near = difflib.get_close_matches(member, sorted(known), n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known are {sorted(known)}"
                raise ValueError(f"group {group.name!r} has no member {member!r}: {hint}")
    in_order(groups)


def in_order(groups: Sequence[Group]) -> list[Group]:
    """Sort groups so that each comes after those that it contains.

    Raises:
        ValueError: Groups contain each other.
    """
    members = {group.name: set(group.members) for group in groups}
    known = {group.name: group for group in groups}
    try:
        order = list(TopologicalSorter(members).static_order())
    except CycleError as error:
        raise ValueError(f"groups contain each other: {' > '.join(map(str, error.args[1]))}") from error
    return [known[name] for name in order if name in known]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What a member gives to its group."""

    value: float | None
    stderr: float | None
    rows: int
    samples: tuple[tuple[float | None, int], ...]
    """Standard errors and numbers of rows that a pooled error is made of."""
    missing: tuple[str, ...] = ()


def _of_task(group: Group, name: str, member: GroupMember, values: Series) -> _Part:
    measured = values.get(name, {}).get(member.series)
    if measured is None or not math.isfinite(measured.value) or measured.rows < 1:
        return _Part(value=None, stderr=None, rows=0, samples=(), missing=(f"{group.name}/{name}",))
    return _Part(
        value=measured.value,
        stderr=measured.stderr,
        rows=measured.rows,
        samples=((measured.stderr, measured.rows),),
    )


def _of_group(group: Group, parts: Sequence[_Part]) -> _Part:
    rows = sum(part.rows for part in parts)
    if missing := tuple(name for part in parts for name in part.missing):
        return _Part(value=None, stderr=None, rows=rows, samples=(), missing=missing)
    scaled = [_scaled(part, member) for part, member in zip(parts, group.members.values(), strict=True)]
    by_size = group.mean == "by_size"
    weights = [
        float(part.rows) if by_size else member.weight
        for part, member in zip(scaled, group.members.values(), strict=True)
    ]
    total = math.fsum(weights)
    value = math.fsum(w * (part.value or 0.0) for w, part in zip(weights, scaled, strict=True)) / total
    if by_size:
        samples = tuple(sample for part in scaled for sample in part.samples)
        return _Part(value=value, stderr=_pooled(samples), rows=rows, samples=samples)
    stderr = None
    if all(part.stderr is not None for part in scaled):
        variance = math.fsum((w * (part.stderr or 0.0)) ** 2 for w, part in zip(weights, scaled, strict=True))
        stderr = math.sqrt(variance) / total
    return _Part(value=value, stderr=stderr, rows=rows, samples=((stderr, rows),))


def _scaled(part: _Part, member: GroupMember) -> _Part:
    """Rescale a member so that guessing scores 0; its errors grow in proportion."""
    if not member.normalize or part.value is None:
        return part
    factor = 1 / (1 - member.random_score)

    def grown(stderr: float | None) -> float | None:
        return None if stderr is None else stderr * factor

    return _Part(
        value=normalize(part.value, baseline=member.random_score),
        stderr=grown(part.stderr),
        rows=part.rows,
        samples=tuple((grown(stderr), rows) for stderr, rows in part.samples),
    )


def _pooled(samples: Sequence[tuple[float | None, int]]) -> float | None:
    """The error of the mean of all rows together; None: a member has none, or all have one row."""
    if any(stderr is None for stderr, _ in samples):
        return None
    rows = sum(size for _, size in samples)
    if rows == len(samples):
        return None
    variance = math.fsum((size - 1) * (stderr or 0.0) ** 2 * size for stderr, size in samples)
    return math.sqrt(variance / (rows - len(samples)) / rows)
