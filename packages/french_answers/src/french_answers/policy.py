"""What a grader accepts where the right verdict is a choice and not a fact."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class GradingPolicy:
    """One field for each choice; True: the answer that the field describes counts as right.

    The defaults are those that ``tests/data/bac_fr_own_cases.md`` argues for; the page on grading has an
    example of each. ``leaderboard.yaml`` sets them under ``grading``, where an unknown name is refused.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    units: bool = True
    """The bare number, where the gold has a unit. Another unit or quantity never is right."""
    conversion: bool = True
    """The same quantity in another unit: 0,25 kg for 250 g. Never where the instruction names the unit."""
    percent: bool = True
    """A share said as a percentage for a decimal, and the other way round: 5 % and 0,05."""
    extra_precision: bool = False
    """More digits than the gold has, that round to it: 0,6827 for 0,683."""
    exact_for_rounded: bool = False
    """The exact value alone, where the gold is its rounding: 2/3 for 0,67."""
    approximation: bool = False
    """A rounding to three digits or more, where the gold is exact: 0,707 for √2/2."""
    rounding: bool = True
    """Zeros at the end left out: 4 for 4,0."""
    form: bool = True
    """An equal value in another form, where the instruction asks for none: 5! for 120, 2/4 for 1/2."""
    asked_form: bool = False
    """An equal value in another form, where the instruction asks for one: 4/6 for an irreducible 2/3."""
    notation: bool = True
    """Foreign notation with one reading only: ``[-2;5)`` and ``[-2,5[`` for [-2;5[."""
    broken_notation: bool = False
    """Marks that do not close around the right value: ``{{{12``, ``((12)``."""
    infinity_sign: bool = True
    """An infinity without its sign, for +∞. It never is −∞."""
    hedge: bool = True
    """One value with doubt: "sans doute 8". Two values ("7 ou 8") never are right."""
    truncated: bool = False
    """A text that stops after an intermediate result that equals the gold."""
    letter_and_text: bool = False
    """The right letter with the text of another choice."""
    abbreviation: bool = True
    """V and F alone for vrai and faux."""
    case: bool = False
    """A chemical formula in other letters' case: Co2 for CO2."""
    partial_date: bool = False
    """A date less exact than the gold: 1789 for 14 juillet 1789."""
    date_detail: bool = True
    """A date more exact than the gold that agrees with it: 14 juillet 1789 for 1789."""
    partial_name: bool = True
    """The usual short name of a person: Hugo for Victor Hugo."""

    def describe(self) -> str:
        """Name the fields that are not at their default, for a scorer's version; empty if all are."""
        changed = (field for field in fields(self) if getattr(self, field.name) != field.default)
        return ",".join(f"{field.name}={getattr(self, field.name)}" for field in changed)


DEFAULT = GradingPolicy()
