"""Reads a statement into a value: scalars, equations, regions of the line, sets, tuples and matrices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from french_answers.values import french, intervals, regions
from french_answers.values.limits import MAX_CHARACTERS, UnreadableError
from french_answers.values.numerals import WORDS
from french_answers.values.scalars import read_scalar
from french_answers.values.significant_figures import rounds_to
from french_answers.values.structure import inside, label_of, split_at
from french_answers.values.text import clean, splitting_commas, tokens
from french_answers.values.tree import Node, has_letters, parse
from french_answers.values.units import unit_at_end
from french_answers.values.value_types import Equation, Members, Region, Scalar, Value

_EQUALITIES = frozenset({"=", "≈"})
_LIST_WORDS = frozenset({"ou", "et", "or", "and"})
_SEPARATORS = frozenset({";", ",", "ou", "et", "or", "and"})
_NAME_COLON = re.compile(r"^\s*\(?[A-Za-z][\w']{0,3}\)?\s*:(?=\s*[^\d\s])")
_ABOUT = frozenset("≈~")
_STRUCTURE = (
    _SEPARATORS
    | _EQUALITIES
    | intervals.COMPARISONS
    | {"∈", "∪", "[", "]", "(", "{", "\\{", "\\R", "R", "∅", "\\begin"}
)
"""Marks without which a statement is a scalar."""
_GLUED = re.compile(r"\d[A-Za-z]$")
_LEFT_EDGES, _RIGHT_EDGES = " .,;:!?", " .;:?"


def read(text: str, *, commas_separate: bool = False) -> Value:
    """Read a statement.

    Args:
        text: As written.
        commas_separate: Let no comma be a decimal mark.

    Raises:
        UnreadableError: It is none that this package knows.
    """
    if len(text) > MAX_CHARACTERS:
        raise UnreadableError("too long")
    text = clean(text)
    if text.count("{") != text.count("}"):
        raise UnreadableError("a brace is open")
    return read_clean(text, commas_separate=commas_separate)


def read_clean(text: str, *, commas_separate: bool = False) -> Value:
    """Read a statement whose marks are plain.

    Raises:
        UnreadableError: It is none that this package knows.
    """
    if text.endswith(".."):
        raise UnreadableError("digits that go on")
    text = _trimmed(text)
    about = text[:1] in _ABOUT
    if WORDS.search(text):
        text = french.translate(french.without_parameter(french.without_pleasantries(text)))
        text = _trimmed(french.after_verb(french.signed_change(text) or text))
        about = about or french.is_about(text)
    elif "∈" in text:
        text = french.without_parameter(text)
    if about:
        text = text.lstrip("≈~ ")
    if commas_separate or text.startswith("[["):
        text = splitting_commas(text)
    if ":" in text:
        text = _NAME_COLON.sub("", text)
    if not text.isascii():
        text = text[max(text.rfind("⇔"), text.rfind("⇒")) + 1 :]
    marks = tokens(text)
    if about and marks[-1:] in (["environ"], ["approximativement"]):
        marks = marks[:-1]
    return _statement(marks, glued=text[-1:].isalpha() and _GLUED.search(text) is not None)


def _trimmed(text: str) -> str:
    """Take punctuation off the edges; a comma at the end stays, since a decimal may be missing there."""
    text = text.lstrip(_LEFT_EDGES).rstrip(_RIGHT_EDGES)
    return text[:-1].rstrip() if text.endswith(" !") else text


def _statement(marks: list[str], *, glued: bool = False) -> Value:
    if _STRUCTURE.isdisjoint(marks):
        return _scalar(marks, glued=glued)
    if marks[:2] == ["[", "["] and marks[-2:] == ["]", "]"]:
        return _rows(marks)
    union = not _LIST_WORDS.isdisjoint(marks) and intervals.has_comparison(marks)
    region = None if union else intervals.read_region(marks, label_of)
    if region is not None:
        return region
    parts, separators = split_at(marks, _SEPARATORS)
    if len(parts) > 1:
        return _listed(parts, separators)
    members, signs = split_at(marks, _EQUALITIES)
    if len(members) > 1:
        return _chain(members, signs, glued=glued)
    grouped = _grouped(marks)
    if grouped is not None:
        return grouped
    return _scalar(marks, glued=glued)


def _scalar(marks: Sequence[str], *, glued: bool = False, label: str = "") -> Value:
    """A scalar, or the two of ``1 ± √2``."""
    if "±" not in marks:
        return read_scalar(marks, glued=glued, label=label)
    both = []
    end, at = unit_at_end(marks)[0], list(marks).index("±")
    unit = list(marks[end:])
    if unit and list(marks[at - len(unit) : at]) == unit:
        # "5,0 cm ± 0,2 cm" is (5,0 ± 0,2) cm.
        marks = ["(", *marks[: at - len(unit)], *marks[at:end], ")", *unit]
    for plus, minus in (("+", "-"), ("-", "+")):
        signs = {"±": plus, "∓": minus}
        both.append(read_scalar([signs.get(mark, mark) for mark in marks], label=label))
    return Members(items=tuple(both))


def _listed(parts: list[list[str]], separators: list[str]) -> Value:
    """``-1 et 2``, ``x = -1 ou x = 2``, ``x > 1 ou x < 0``, ``(1;2) et (3;4)``."""
    items: list[Value] = []
    for part in parts:
        if not part:
            raise UnreadableError("a member is missing")
        value = _statement(part)
        items.extend(value.items if isinstance(value, Members) and not value.ordered else [value])
    if any(isinstance(item, Region) for item in items):
        found = [item for item in items if isinstance(item, Region)]
        if len(found) == len(items):
            return regions.union(found) if "et" not in separators else regions.intersection(found)
        raise UnreadableError("regions among values")
    if any(isinstance(item, Equation) for item in items):
        return Members(items=tuple(items))
    total = _total(items, separators)
    if total is not None:
        return total
    labels = [item.label for item in items if isinstance(item, Scalar)]
    bases = {re.sub(r"_.*", "", label) for label in labels if label}
    if len(bases) > 1 and len(set(labels)) == len(items) and "ou" not in separators:
        ordered = sorted(items, key=lambda item: item.label if isinstance(item, Scalar) else "")
        return Members(items=tuple(ordered), ordered=True)
    if len(bases) > 1:
        raise UnreadableError("values of different things")
    return Members(items=tuple(items), bare=not _LIST_WORDS & set(separators))


def _total(items: list[Value], separators: list[str]) -> Scalar | None:
    """``2 heures et 30 minutes``: two quantities of one kind, the larger unit first."""
    first, last = items[0], items[-1]
    if (
        len(items) != 2
        or separators != ["et"]
        or not isinstance(first, Scalar)
        or not isinstance(last, Scalar)
    ):
        return None
    mine, other = first.unit, last.unit
    if mine is None or other is None or mine.dimensions != (("s", 1),) or mine.dimensions != other.dimensions:
        return None
    if mine.factor <= other.factor:
        return None
    scaled: Node = ("*", first.node, ("n", mine.factor / other.factor))
    return Scalar(node=("+", scaled, last.node), unit=other, label=first.label)


def _chain(members: list[list[str]], signs: list[str], *, glued: bool) -> Value:
    """``x = 8/2 = 4``: the last member's value; ``2x - y = 1``: an equation."""
    if not members[-1]:
        raise UnreadableError("an empty side")
    label = label_of(members[0])
    if len(members) == 2 and signs == ["="]:
        if not label:
            turned = label_of(members[1])
            if turned and turned[0].isalpha() and len(turned) == 1 and turned not in "ei":
                return _sided(members[1], members[0], turned)
            equation = _equation(members)
            if equation is not None:
                return equation
        if label:
            return _sided(members[0], members[1], label, glued=glued)
    last = _sided([], members[-1], label, glued=glued)
    stated = isinstance(last, Scalar) and not (label and len(members) == 2)
    before = _quiet_scalar(members[-2]) if stated else None
    if before is not None and isinstance(last, Scalar) and not _consistent(before, last, signs[-1]):
        raise UnreadableError("two numbers that are not equal")
    return replace(last, exact=before) if signs[-1] == "≈" and isinstance(last, Scalar) else last


def _consistent(before: Scalar, last: Scalar, sign: str) -> bool:
    """False for ``13 = 12`` and ``13 ≈ 12``: numbers in decimals that are another, or no rounding."""
    if before.decimals is None or last.decimals is None or before.unit != last.unit:
        return True
    if sign == "=":
        return bool(before.node == last.node)
    return rounds_to(before.node, Fraction(last.node[1]), last.decimals)


def _sided(left: Sequence[str], right: Sequence[str], label: str, *, glued: bool = False) -> Value:
    grouped = _grouped(right) or intervals.read_region(list(right), label_of)
    if grouped is not None:
        return grouped
    return _scalar(right, glued=glued, label=label)


def _quiet_scalar(marks: Sequence[str]) -> Scalar | None:
    try:
        return read_scalar(marks)
    except UnreadableError:
        return None


def _equation(members: list[list[str]]) -> Equation | None:
    try:
        left, right = parse(members[0]), parse(members[1])
    except UnreadableError:
        return None
    return Equation(left=left, right=right) if has_letters(left) or has_letters(right) else None


def _grouped(marks: Sequence[str]) -> Value | None:
    """A set in braces, a tuple in parentheses, a matrix; None for anything else."""
    if not marks:
        return None
    if marks[0] == "∅" and len(marks) == 1:
        return Members(items=())
    if marks[0] == "\\begin":
        return _matrix(marks)
    opening = 1 if len(marks) > 1 and marks[1] == "(" and marks[0].isalpha() and len(marks[0]) <= 3 else 0
    inner = inside(marks[opening:])
    if inner is None or "\\over" in inner:
        return None
    mark = marks[opening]
    parts, _ = split_at(inner, frozenset({";", ","}))
    if mark == "(" and len(parts) == 1:
        return None if opening else _grouped(inner)
    if len(parts) == 1 and not inner:
        return Members(items=())
    items = tuple(_statement(part) for part in parts)
    if mark == "(" and not all(isinstance(item, Scalar) for item in items):
        raise UnreadableError("a tuple of other things")
    return Members(items=items, ordered=mark == "(")


_MATRICES = frozenset({"matrix", "pmatrix", "bmatrix", "vmatrix", "array"})


def _matrix(marks: Sequence[str]) -> Value:
    """A column is a tuple, as a row is; anything else is a tuple of rows."""
    if marks[2:3] == ["cases"] and list(marks[-4:-2]) == ["\\end", "{"]:
        rows_of = [row for row in split_at(marks[4:-4], frozenset({"\\\\"}))[0] if row]
        return _listed(rows_of, ["et"] * (len(rows_of) - 1))
    if len(marks) < 9 or marks[2] not in _MATRICES - {"vmatrix"} or list(marks[-4:-2]) != ["\\end", "{"]:
        raise UnreadableError("an environment that is no matrix")
    lines = split_at(marks[4:-4], frozenset({"\\\\"}))[0]
    cells = frozenset({"&"})
    return _as_matrix([[_statement(cell) for cell in split_at(row, cells)[0]] for row in lines if row])


def _rows(marks: Sequence[str]) -> Members:
    rows: list[list[Value]] = []
    current: list[str] = []
    for mark in [*marks[1:-1], ","]:
        if mark == "[":
            current = []
        elif mark == "]":
            rows.append([_statement(cell) for cell in split_at(current, frozenset({",", ";"}))[0]])
        else:
            current.append(mark)
    return _as_matrix(rows)


def _as_matrix(rows: list[list[Value]]) -> Members:
    if not rows or len({len(row) for row in rows}) != 1:
        raise UnreadableError("rows of different lengths")
    if len(rows[0]) == 1:
        return Members(items=tuple(row[0] for row in rows), ordered=True)
    if len(rows) == 1:
        return Members(items=tuple(rows[0]), ordered=True)
    return Members(items=tuple(Members(items=tuple(row), ordered=True) for row in rows), ordered=True)
