"""The kinds of values that an answer may have."""

from __future__ import annotations

from dataclasses import dataclass

from french_answers.values.tree import Node
from french_answers.values.units import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A number, a quantity or an expression; an infinity is ``("c", "oo")``, negated for −∞."""

    node: Node
    unit: Unit | None = None
    noun: str = ""
    """What is counted, where it is no unit: ``habitants``."""
    decimals: int | None = None
    """Digits after the mark, of a number written out in decimals; None for anything else."""
    scientific: bool = False
    """Whether it is written as a number from 1 to 10 times a power of ten."""
    signed: bool = True
    """False for an infinity without a sign."""
    label: str = ""
    """What it is the value of, without spaces: ``x``, ``f(x)``."""
    exact: Scalar | None = None
    """What stands before ``≈``."""
    closed: bool = True
    """False: a mark was closed that the text leaves open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Equation:
    """Two sides that share letters; the solutions count."""

    left: Node
    right: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Of real numbers; an end at infinity is open."""

    low: Node
    high: Node
    low_open: bool
    high_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A union of intervals that neither touch nor overlap, in order."""

    parts: tuple[Interval, ...]
    unit: Unit | None = None
    """Of the ends: ``[10 cm;20 cm]`` or ``[10;20] cm``."""
    foreign: bool = False
    """Written with a parenthesis or a comma where French has a bracket or a semicolon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """A set, a list or a tuple."""

    items: tuple[Value, ...]
    ordered: bool = False
    """A tuple, a vector, a matrix's row."""
    bare: bool = False
    """Written without braces or parentheses, only with semicolons or commas."""


Value = Scalar | Equation | Region | Members
