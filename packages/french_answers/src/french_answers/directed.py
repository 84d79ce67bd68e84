"""Looks for the expected answer in what a generation concludes, led by what kind of thing is expected."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from french_answers import dates, formulas, truth, wording
from french_answers.extraction.candidates import (
    Candidate,
    candidates,
    concludes_words,
    given_values,
    main_clause,
)
from french_answers.extraction.markup import readable, without_markup
from french_answers.extraction.roles import Statement, conclusions, read_statements
from french_answers.extraction.statements import is_unfinished, is_unknown, obey_corrections, without_hedge
from french_answers.policy import GradingPolicy
from french_answers.values import Expected
from french_answers.values.limits import UnreadableError
from french_answers.values.reading import read
from french_answers.values.value_types import Members, Region, Scalar, Value

MAX_VALUE = 200
"""Characters of a value in a sentence; a longer formula is working."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a generation concludes about the expected answer."""

    correct: bool
    text: str
    """The statement that decided; as private as the generation."""
    unsure: str = ""
    """Why a person should look; empty: nobody needs to."""


_EITHER = re.compile(r"\b(?:ou(?: bien| peut-[êe]tre)?|soit|or|either)\b", re.IGNORECASE)
_COUNTED = re.compile(
    r"\b(solutions?|racines?|valeurs?|points?|issues?|possibilit[ée]s?|fa[çc]ons?|mani[èe]res?"
    r"|[ée]l[èe]ves?)\b",
    re.IGNORECASE,
)
_HOW_MANY = re.compile(r"\bcombien\b|\bnombre (?:de|d')|how many", re.IGNORECASE)
_EQUIVALENT = re.compile(
    r"^\s*[,(]?\s*(?:soit|c'est-[àa]-dire|ou encore|autrement dit|ou bien encore|ce qui (?:donne"
    r"|fait|[ée]quivaut [àa])|≈|or about|i\.e\.)",
    re.IGNORECASE,
)
_RELATION = re.compile(r"[<>≤≥]|\\(?:leq?|geq?|leqslant|geqslant|lt|gt)(?![A-Za-z])")
_REALS_BUT = re.compile(
    r"(?:(?:pour|sur|par|de|à)\s+)?(?:tou[st]|l'ensemble|chaque|les)\s+(?:les\s+"
    r"|des\s+)?(?:nombres?\s+)?r[ée]els?\s+(?:\$?[a-z]\$?\s+)?(?:différents? de|distincts? de|sauf"
    r"|autres? que|priv[ée]s? de|hormis|except[ée])\s+\$?(-?[\d,]+)\$?",
    re.IGNORECASE,
)
_NO_SOLUTION = re.compile(
    r"\b(?:aucune?|pas de|pas d')\s+(?:solutions?|racines?|r[ée]els?|valeurs?|couple|point)"
    r"|\bensemble vide\b|∅|\\(?:emptyset|varnothing)|\bimpossible\b|no (?:real )?solution",
    re.IGNORECASE,
)


_YEAR = re.compile(r"[12]\d{3}")
_NUMBER_OF = re.compile(r"\d+\s+(?:solutions?|racines?|valeurs?|r[ée]ponses?|[ée]tapes?)\b", re.IGNORECASE)
"""« Il y a 7 solutions » does not say that the solution is 7."""
_ALTERNATIVE = re.compile(r"\W*(?:ou\b|peut-[êe]tre|à moins que|voire)", re.IGNORECASE)
_EITHER_OR = re.compile(
    r"\bsoit\b[^.;]*[\d$][^.;]*\bsoit\b[^.;]*[\d$]|\bà moins que\b"
    r"|\d[\s$.…]*(?:\.\.\.|…)\s*ou\b|mais le corrig[ée]|\bpuis,? apr[èe]s correction",
    re.IGNORECASE,
)


_REALS_BEYOND = re.compile(
    r"(?:(?:pour|sur|par|de|à)\s+)?(?:tou[st]|l'ensemble|les)\s+(?:les\s+|des\s+)?(?:nombres?\s+)?r[ée]els?"
    r"\s+(?:\$?[a-z]\$?\s+)?(?P<strictly>strictement\s+)?(?P<side>sup[ée]rieurs?|inf[ée]rieurs?)\s+"
    r"(?P<equal>ou [ée]ga(?:l|ux)\s+)?[àa]\s+\$?(?P<end>-?[\d,]+)\$?",
    re.IGNORECASE,
)


_MEMBER = r"[A-Za-z]\s*(?:\\in|∈)\s*(?:\\mathbb\s*\{?\s*[RZNC]\}?|[ℝℤℕℂ])"
_BELONGS = re.compile(
    rf"(?<=\$),?\s*(?:où|avec|pour tout|with|where)\s+\${_MEMBER}\$(?=[\s.]*$)"
    rf"|(?:,|\\[,;]|\\q?quad|\s)+(?:(?:où|avec)\s+)?{_MEMBER}(?=[\s.$]*$)"
)
"""« où $k \\in \\mathbb{R}$ » at the end says what a letter stands for."""
_PARTS = re.compile(
    r"(?:de |a pour )?partie réelle (?:est |égale à )?\$?(?P<real>-?[\d,/]+)\$?,? et (?:de |pour )?(?:la )?"
    r"partie imaginaire (?:est |égale à )?\$?(?P<imaginary>-?[\d,/]*\d)\$?",
    re.IGNORECASE,
)


def _complex_of_words(found: re.Match[str]) -> str:
    return f"égal à ${found['real']} + ({found['imaginary']}) i$"


def _with_regions(text: str) -> str:
    """Write « tous les réels supérieurs ou égaux à 3 » as an interval, and a complex number's parts as it."""
    text = _BELONGS.sub("", text)
    text = _PARTS.sub(_complex_of_words, text)
    if "réel" not in text:
        return text
    text = _REALS_BUT.sub(r"$ℝ∖\\{\1\\}$", text)
    return _REALS_BEYOND.sub(_interval_of_words, text)


def _interval_of_words(found: re.Match[str]) -> str:
    equal = found["equal"] and not found["strictly"]
    if found["side"].casefold().startswith("s"):
        return f"${'[' if equal else ']'}{found['end']};+∞[$"
    return f"$]-∞;{found['end']}{']' if equal else '['}$"


def find_value(
    gold: str, text: str, asked: str | None, policy: GradingPolicy, question: str | None
) -> Finding | None:
    """Judge the values that a generation concludes with.

    Returns:
        None if its conclusions hold no value.
    """
    expected = Expected(gold, instruction=asked, policy=policy)
    value = _read(gold)
    labelled = "=" in gold
    asks_number = asked is not None and _HOW_MANY.search(asked) is not None
    name = _NAME.match(gold)

    def fits(candidate: Candidate) -> bool:
        other = _NAME.match(candidate.texts[0])
        if name is not None and other is not None and name[1] != other[1]:
            return False
        return _fits(expected, value, candidate, labelled=labelled)

    def fits_anyhow(candidate: Candidate) -> bool:
        return fits(candidate) or (
            asked is not None and _fits(Expected(gold, policy=policy), value, candidate)
        )

    statements = read_statements(text)
    order = conclusions(statements, question=question)
    if labelled and value is not None:
        label = _label(gold)
        order = sorted(order, key=lambda one: label not in _label(one.text, whole=True))
    if _YEAR.fullmatch(gold):
        found = find_date(dates.Date(year=int(gold)), text, policy, question)
        if found is not None and found.correct and not _offers_another(found.text, fits):
            return found
    if statements and is_unfinished(text) and order[0].strength < 3:
        return Finding(correct=False, text=order[0].text, unsure="The text breaks off.")
    for one in statements[1:]:
        if _ALTERNATIVE.match(one.text) and candidates(one.text):
            return Finding(correct=False, text=one.text, unsure="Another value is offered.")
    for place, statement in enumerate(order):
        if is_unknown(statement.text):
            return Finding(correct=False, text=statement.text, unsure="The text gives up.")
        if _EITHER_OR.search(statement.text):
            return Finding(correct=False, text=statement.text, unsure="Two values are given.")
        if concludes_words(statement.text):
            continue
        clause, rest = main_clause(_without_remarks(_with_regions(readable(statement.text))))
        found = _judged(
            clause,
            rest,
            statement,
            value,
            fits,
            expected,
            order[place:],
            asks_number=asks_number,
            named=_LETTERS_OF.search(gold) is not None and not isinstance(value, Region),
        )
        if found is not None:
            alternatives = isinstance(value, Members) and not value.ordered
            if found.correct and not alternatives and _offers_another(statement.text, fits_anyhow):
                return replace(found, correct=False, unsure="Another value is offered.")
            return found
    return None


_LETTERS_OF = re.compile(r"(?<![A-Za-z\\])[a-z](?![A-Za-z])")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉ₙ", "0123456789n", " _{}$\\")


def _label(text: str, *, whole: bool = False) -> str:
    """What stands before an equality's sign, or the whole text, in one spelling."""
    return (text if whole else text.partition("=")[0] + "=").translate(_SUBSCRIPTS)


_REMARK = re.compile(r"\s\((?=[^()$]*[^\W\d_]{4})[^()]*\)")


def _without_remarks(text: str) -> str:
    """Take remarks in parentheses off, where a value stands outside: « 4 (racine double x = -2) »."""
    bare = _REMARK.sub("", text)
    return bare if bare != text and candidates(bare) and not _EQUIVALENT_INSIDE.search(text) else text


_EQUIVALENT_INSIDE = re.compile(r"\((?:soit|ou|environ|c'est|i\.e|≈|en)\b", re.IGNORECASE)
_OR = re.compile(r"\bou\b(?!\s+(?:encore|[ée]ga))", re.IGNORECASE)


def _offers_another(text: str, fits: Callable[[Candidate], bool]) -> bool:
    """Tell « 45 min ou 50 min »; « 0,75 ou trois quarts » offers the same value twice."""
    for found in _OR.finditer(text):
        other = candidates(text[found.end() : found.end() + 60])[:1]
        if other and other[0].start <= 14 and not fits(other[0]):
            return True
    return False


def _judged(
    clause: str,
    rest: str,
    statement: Statement,
    value: Value | None,
    fits: Callable[[Candidate], bool],
    expected: Expected,
    order: Sequence[Statement],
    *,
    asks_number: bool,
    named: bool,
) -> Finding | None:
    given = [one for one in given_values(clause) if asks_number or not _NUMBER_OF.match(clause, one.start)]
    if isinstance(value, Scalar) and value.unit is not None:
        given = [one for one in given if not _counts_things(one)]
    if _NOT_THAT.match(statement.text) and not given:
        return Finding(correct=False, text=statement.text)
    if not any(one.given for one in given) and _NO_SOLUTION.search(statement.text):
        return Finding(correct=expected.compare("∅").equal, text=statement.text)
    if isinstance(value, Members) and len(value.items) != 1:
        several = [one for one in given if "(" in one.texts[0] or ";" in one.texts[0]]
        if value.ordered and _listed(clause, several):
            return Finding(correct=False, text=statement.text, unsure="Two values are given.")
        return _members(statement, expected, order, len(value.items), fits)
    if not given:
        return None
    stressed = _STRESSED.search(statement.text)
    if stressed is not None:
        given = [one for one in given if one.texts[-1] in stressed[1]] or given
    matches = [one for one in given if fits(one)]
    if matches and len(matches) < len(given):
        given = [one for one in given if one in matches or not any(_equal(one, same) for same in matches)]
    with_unit = isinstance(value, Scalar) and value.unit is not None
    if (
        matches
        and with_unit == _literal(matches[-1])[1]
        and any(_equal(one, matches[-1]) for one in candidates(rest)[:1])
    ):
        rest = ""
    if named and all(_INTERVAL.match(one.texts[0].lstrip("$ ")) for one in given):
        return None
    if not matches:
        if _EQUIVALENT.match(rest) and any(one.given and fits(one) for one in candidates(rest)[:1]):
            return Finding(correct=True, text=statement.text)
        if all(not one.given for one in given):
            return None
        return Finding(correct=False, text=statement.text)
    if _listed(clause, given):
        return Finding(correct=False, text=statement.text, unsure="Two values are given.")
    if len(matches) == len(given):
        others = [one for one in candidates(rest)[:1] if not fits(one)]
        another = bool(others)
        if with_unit and _EQUIVALENT.match(rest) and any(_has_unit(one) for one in others):
            return Finding(
                correct=False, text=statement.text, unsure="The same value is given in another unit."
            )
        if another and _EITHER.match(rest.lstrip(" ,;$(")) and not _EQUIVALENT.match(rest):
            return Finding(correct=False, text=statement.text, unsure="Two values are given.")
        return Finding(correct=True, text=statement.text)
    return _among_rivals(clause, given, matches, statement)


_STRESSED = re.compile(r"[^\s*]\s+\*\*(?!\s)([^*\n]{1,80})(?<![:\s])\*\*(?!\s*:)")


def _literal(one: Candidate) -> tuple[str, bool]:
    """A candidate's value as written, and whether it has a unit."""
    for way in one.texts[:-1]:
        said = _read(way) if len(way) <= MAX_VALUE else None
        if isinstance(said, Scalar) and said.unit is not None:
            return way, True
    return one.texts[-1], False


def _has_unit(one: Candidate) -> bool:
    said = (_read(way) for way in one.texts if len(way) <= MAX_VALUE)
    return any(isinstance(value, Scalar) and value.unit is not None for value in said)


def _equal(one: Candidate, other: Candidate) -> bool:
    """Tell the same value in two forms or units: « 45 min, soit 0,75 h »."""
    (way, unit), (same, other_unit) = _literal(one), _literal(other)
    return unit == other_unit and len(way + same) <= MAX_VALUE and Expected(way).compare(same).equal


_THING = re.compile(r"\S+\s+[^\W\d_]{4,}")


def _counts_things(candidate: Candidate) -> bool:
    """Tell a number of things, « 12 molécules », from a quantity."""
    if not any(_THING.match(way) for way in candidate.texts[:-1]):
        return False
    read = [_read(way) for way in candidate.texts[:-1]]
    return not any(isinstance(said, Scalar) and said.unit is not None and _is_physical(said) for said in read)


def _is_physical(said: Scalar) -> bool:
    """Tell units of quantities from things that are counted, whose dimensions are their names."""
    return said.unit is not None and all(len(name) <= 3 for name, _ in said.unit.dimensions)


def _among_rivals(
    clause: str, given: list[Candidate], matches: list[Candidate], statement: Statement
) -> Finding:
    equalities = [one for one in given if one.equality]
    verb = [one for one in given if one.start >= _last_verb(clause, given)]
    first = equalities[-1] if equalities else verb[0] if verb else given[0]
    if first in matches:
        return Finding(correct=True, text=statement.text)
    return Finding(correct=False, text=statement.text, unsure="Another value stands beside the expected one.")


_JOINT = re.compile(
    r"[\s$)\\]*,?\s*(?:;|et|ou|puis|voire|à|–|/|ou bien|or|and|\(ou|soit)?\s*(?:[ée]ventuellement"
    r"|peut-[êe]tre|m[êe]me|bien)?[\s$]*(?:peut-[êe]tre"
    r"|soit)?[\s$]*(?:[A-Za-z]{1,4}(?:_\{?\w\}?)?\s*=)?[\s$]*",
    re.IGNORECASE,
)


_OF_MULTIPLE = re.compile(r"\$?-?\d[\d,]*\s*[a-z]\s*=")
"""« 3k = -12 et k = -4 »: the first is a step to the second."""


def _listed(clause: str, given: Sequence[Candidate]) -> bool:
    """Tell values that stand beside each other as equals: « 7 ou 8 », « 12 ; 13 »."""
    return any(
        other.start == one.start
        or (
            not _OF_MULTIPLE.match(one.texts[0])
            and other.start >= one.end
            and _JOINT.fullmatch(clause[one.end : other.start]) is not None
        )
        for one, other in pairwise(given)
    )


def _last_verb(clause: str, given: list[Candidate]) -> int:
    end = 0
    for found in re.finditer(
        r"\b(?:est|sont|vaut|valent|obtient|trouve|donne|reste|a|ont|admet|poss[èe]de|faut|faudra"
        r"|mesure|co[ûu]te|revient|utiliser|is|are|equals)\b",
        clause[: given[-1].start],
        re.IGNORECASE,
    ):
        end = found.end()
    return end


_AND_ONE = re.compile(r"[\s$]*(?:,|;|et|,\s*et)[\s$]*")
_ONLY = re.compile(r"\b(?:unique|seule?)\b", re.IGNORECASE)
_WRITTEN = re.compile(r"[\d∞√π\\]")


def _members(
    statement: Statement,
    expected: Expected,
    order: Sequence[Statement],
    count: int,
    fits: Callable[[Candidate], bool],
) -> Finding | None:
    text = obey_corrections(readable(statement.text))
    if _NO_SOLUTION.search(text):
        if _NOT_THAT.match(text):
            return Finding(correct=False, text=statement.text)
        return Finding(correct=expected.compare("∅").equal, text=statement.text)
    text = _without_remarks(text)
    found = [one for one in candidates(text) if not one.denied]
    found = [one for one in found if any(_WRITTEN.search(way) for way in one.texts)] or found
    if not found:
        return None
    for one, following in zip(found, [*found[1:], None], strict=True):
        goes_on = (
            following is not None
            and following.start >= one.end
            and following.given
            and following.texts[-1] not in one.texts[0]
        )
        if fits(one) and not (goes_on and following and _AND_ONE.fullmatch(text[one.end : following.start])):
            return Finding(correct=True, text=statement.text)
    for pick in (-1, 0, 1):
        ways = [_member(one, pick) for one in found if one.given]
        if len(ways) > 1 and any(expected.compare(joint.join(ways)).equal for joint in (" ; ", " et ")):
            return Finding(correct=True, text=statement.text)
    singles: list[Candidate] = []
    for other in order[:count]:
        given = given_values(main_clause(readable(other.text))[0])
        if len(given) != 1:
            break
        singles.insert(0, given[0])
    if len(singles) == count and expected.compare(" ; ".join(_member(one, -1) for one in singles)).equal:
        return Finding(correct=True, text=statement.text)
    given = [one for one in found if one.given]
    decides = len(given) >= count or not order[1:] or (given and _ONLY.search(statement.text) is not None)
    return Finding(correct=False, text=statement.text) if decides else None


def _member(candidate: Candidate, pick: int) -> str:
    labelled = [way for way in candidate.texts if way.count("=") == 1]
    if pick == 1 and labelled:
        return labelled[-1]
    bare = [way for way in candidate.texts if "=" not in way]
    return (bare or list(candidate.texts))[0 if pick < 0 else -1]


_NAME = re.compile(r"(?:\\mathcal\s*\{?\s*)?([A-Z])\}?\s*\(")


def _read(text: str) -> Value | None:
    try:
        return read(text)
    except (UnreadableError, RecursionError):
        return None


def _fits(expected: Expected, value: Value | None, candidate: Candidate, *, labelled: bool = False) -> bool:
    """Compare a candidate; the longest reading with a unit, if there is one, is the only one."""
    ways = candidate.texts
    if isinstance(value, Region):
        ways = tuple(_INTERVAL.sub(_french_interval, way) for way in ways)
    if isinstance(value, Scalar):
        for way in ways:
            said = _read(way) if way[-1:].isalpha() or way[-1:] in "€$%°²³‰" else None
            if isinstance(said, Scalar) and (said.unit is not None or _MULTIPLIED.search(way) is not None):
                ways = (way,)
                break
    if labelled and any("=" in way for way in ways):
        ways = tuple(way for way in ways if "=" in way)
    if any(expected.compare(way).equal for way in ways[:8] if len(way) <= MAX_VALUE):
        return True
    if not candidate.members or len(ways[-1]) > MAX_VALUE or (isinstance(value, Scalar) and value.unit):
        return False
    last = Expected(ways[-1])
    return any(
        expected.compare(way).equal and last.compare(way).equal
        for way in candidate.members[-4:]
        if len(way) <= MAX_VALUE
    )


_MULTIPLIED = re.compile(
    r"\b(?:millions?|milliards?|milliers?|mille|douzaines?|centaines?|dizaines?"
    r"|fois)\b",
    re.IGNORECASE,
)
_INTERVAL = re.compile(r"([(\]\[])\s*([^()\[\];,]+(?:,\d+)?)\s*[;,]\s*([^()\[\];]+?)\s*([)\]\[])")


def _french_interval(found: re.Match[str]) -> str:
    """``(2, +∞)`` is ``]2 ; +∞[`` where an interval is expected."""
    opening = "]" if found[1] == "(" else found[1]
    closing = "[" if found[4] == ")" else found[4]
    return f"{opening}{found[2]};{found[3]}{closing}"


_DATE = re.compile(
    r"(?:\b\d{1,2}(?:er)?\s+)?\b(?:janvier|f[ée]vrier|mars|avril|mai|juin|juillet|ao[ûu]t|septembre"
    r"|octobre|novembre|d[ée]cembre)\b(?:\s+-?\d{1,4})?"
    r"|\b\d{1,2}[/.-]\d{1,2}[/.-]\d{4}\b|\b\d{4}-\d{2}-\d{2}\b|\b[IVX]{1,6}\s?(?:e|ème|er"
    r"|ᵉ)?\s+si[èe]cles?(?:\s+(?:av|apr|ap)\.?\s*J\.?-?C\.?)?|\b\d{1,2}(?:e|ème|th)\s+(?:si[èe]cle|century)"
    r"|(?<![\d,.])-?\b\d{3,4}\b(?:\s+(?:av|apr|ap)\.?\s*J\.?-?C\.?)?(?![\d,%€])",
    re.IGNORECASE,
)
_DENIED_BEFORE = re.compile(
    r"\b(?:pas|non|ni|au lieu d[eu]|plut[ôo]t que|contrairement [àa]u?x?|distingue[rz]? (?:de|du|d')"
    r"|confond\w*(?: \w+)? avec|diff[èe]re d[eu]|ne sont|n'est|autre que|sauf|except[ée]"
    r"|opposition [àa]u?|au contraire d[eu]?'?|[àa] l'inverse d[eu]?'?)\s*(?:pas\s+)?"
    r"(?:(?:de|du|d'|[àa]|au|en|dans|le|la|l'|les|un|une|des|celui|celle|dite?|l'ion|bien|par|avec"
    r"|\()\s*)*$",
    re.IGNORECASE,
)


_BEFORE_DATE = re.compile(
    r"\b(?:avant|apr[èe]s|depuis|jusqu'(?:au|en|à)|entre|vers)\s+(?:le\s+"
    r"|la\s+)?$|[IVX]e?\s?[-–]\s?$",
    re.IGNORECASE,
)


_PART_OF_NUMBER = re.compile(r"\s*(?:[/%×^]|\\%)")
"""Behind four digits: « 1001/2 » is no year."""
_OVER = re.compile(r"\d\s*/\s*$")


def find_date(gold: dates.Date, text: str, policy: GradingPolicy, question: str | None) -> Finding | None:
    """Judge the dates that a generation concludes with."""
    for statement in conclusions(read_statements(text), of_words=True, question=question):
        clause = obey_corrections(without_markup(readable(statement.text)))
        start = max(
            (
                found.end()
                for found in re.finditer(
                    r"\b(?:donc|ainsi|c'est bien|mais bien"
                    r"|c'est-[àa]-dire|therefore|finalement)\b",
                    clause,
                )
            ),
            default=0,
        )
        for begin in dict.fromkeys((start, 0)):
            found = [
                one
                for one in _DATE.finditer(clause, begin)
                if not _DENIED_BEFORE.search(clause[: one.start()])
                and not _BEFORE_DATE.search(clause[: one.start()])
                and not _PART_OF_NUMBER.match(clause[one.end() :])
                and not _OVER.search(clause[: one.start()])
            ]
            if found:
                joint = clause[found[0].end() : found[1].start()] if len(found) > 1 else ""
                if re.fullmatch(
                    r"\s*(?:-|–|et|ou|au|à"
                    r"|,)\s*(?:le\s+)?",
                    joint,
                ) or re.match(r"\s*(?:-|–|avant)", clause[found[0].end() :]):
                    return Finding(correct=False, text=statement.text)
                return Finding(correct=dates.same_date(gold, found[0].group(), policy), text=statement.text)
    return None


_NOT_THAT = re.compile(r"\W*(?:ce|il|elle|cela) n'est (?:donc |alors )?pas\b(?!.*\bmais\b)", re.IGNORECASE)


def find_period(gold: str, text: str, question: str | None) -> Finding | None:
    """Judge the two years that a generation concludes with."""
    expected = dates.read_period(gold)
    for statement in conclusions(read_statements(text), question=question):
        if _NOT_THAT.match(statement.text):
            return Finding(correct=False, text=statement.text)
        said = dates.read_period(readable(statement.text))
        if said is not None:
            return Finding(correct=said == expected, text=statement.text)
    return None


_FORMULA = re.compile(
    r"(?<![A-Za-z'])(?:\\mathrm|\\text|\\ce"
    r"|\\mathsf)?\s*\{?\s*(?:[A-Z][a-z]?(?:_?\{?[\d₀-₉nm]*\}?)"
    r"|\((?:[A-Z][a-z]?\d*)+\)_?\{?\d*\}?)+(?:\^?\s*\{?[\d⁰¹²³⁴-⁹]*\s*[-+−⁺⁻]\}?)?\}?(?:\s*/\s*(?:[A-Z][a-z]?(?:_?\{?[\d₀-₉]*\}?))+(?:\^?\s*\{?[\d⁰¹²³⁴-⁹]*\s*[-+−⁺⁻]\}?)?\}?)?(?![a-zà-ÿ'’])"
)


_COMMANDS = re.compile(r"\\(?:mathrm|text|ce|mathsf)|[{}]")


def _bare_formula(text: str) -> str:
    text = text.strip()
    return text[1:-1] if text[:1] == "(" and text[-1:] == ")" else text


def find_formula(gold: str, text: str, policy: GradingPolicy, question: str | None) -> Finding | None:
    """Judge the chemical formulas that a generation concludes with."""
    for statement in conclusions(read_statements(text), of_words=True, question=question):
        clause = obey_corrections(readable(statement.text)).replace("$", " ")
        start = max(
            (
                found.end()
                for found in re.finditer(
                    r"\b(?:donc|ainsi|est|sont"
                    r"|mais bien)\b",
                    clause,
                )
            ),
            default=0,
        )
        for begin in dict.fromkeys((start, 0)):
            found = [
                formula
                for one in _FORMULA.finditer(clause, begin)
                if formulas.is_formula(_COMMANDS.sub("", formula := _bare_formula(one.group())))
                and not _DENIED_BEFORE.search(clause[: one.start()])
            ]
            if len(found) > 1 and f"{found[0]} ou {found[1]}" in " ".join(clause.split()):
                return Finding(correct=False, text=statement.text, unsure="Two formulas are given.")
            if found:
                return Finding(correct=formulas.same_formula(gold, found[0], policy), text=statement.text)
    return None


_WORD = re.compile(r"[^\W_]+(?:['’](?=[^\W_]))?|[^\w\s]")
_CUT = frozenset("()[],;:.!?«»\"/${}|=–—-") | {
    "qui", "que", "dont", "où", "car", "chez", "dans", "lors", "par", "pour", "avec", "publié", "parce",
    "puisque", "et", "ou", "ce", "est", "sont", "au", "aux", "à", "en", "mais", "sur", "comme", "is",
    "of", "in", "cherché", "cherchée", "demandé", "demandée", "obtenu", "obtenue", "considéré",
    "considérée", "étudié", "étudiée", "recherché", "recherchée", "correspondant", "correspondante",
    "présent", "employé", "utilisé", "utilisée", "attendu", "attendue", "instantané", "instantanée",
    "de", "du", "des", "d'", "a", "ont", "vaut", "selon", "soit", "tel", "telle", "lui", "elle", "eux",
    "entre", "sous", "depuis", "siège", "permet", "désigne", "s'", "se", "apparaît", "contre", "ne",
    "n'", "y", "le", "la", "les", "puis", "lorsque", "quand", "si",
}  # fmt: skip
"""Words and signs after which an expected word's meaning is not narrowed any more."""
_WIDENING = re.compile(
    r"[^\W_]+ment|anti|non|pas|ni|presque|quasi|faux|fausse|pseudo|aucune?|sans"
    r"|jamais|sous|sur|semi|demi|ex|vice|premi[èe]re?|seconde?|deuxi[èe]me|nouvelle?|nouveau"
    r"|ancienne?",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"\b(?:est|sont|[ée]tait|fut|serait|s'agit|c'est|s'appelle|se nomme|appel[ée]e?s?|nomm[ée]e?s?"
    r"|on parle|on obtient|on trouve|correspond|repr[ée]sente|d[ée]signe|constitue|devient"
    r"|employ[ée]|obtenu|observ[ée]|met en [ée]vidence|known as|called|is|was|are|a pour|forme"
    r"|r[ée]ponse|answer|conclusion|donc|ainsi|[ée]crit|utilise|reconna[îi]t|suit|donne|dit"
    r"|choisi[st]?|traduit|qualifie|r[ée]sultat|on appelle|place (?=(?:la|le) (?:notion|concept)))\b|:",
    re.IGNORECASE,
)


_UNLIKE = re.compile(
    r"(?<=\w),?\s+(?:au contraire d|[àa] (?:la diff[ée]rence|l'inverse) d|par opposition [àa])", re.IGNORECASE
)
_BUT_IT_IS = re.compile(r",\s*mais\s+(?=(?:c'est|il s'agit|bien)\b)", re.IGNORECASE)


def find_words(gold: str, text: str, policy: GradingPolicy, question: str | None) -> Finding | None:
    """Judge whether a generation concludes with the expected words."""
    expected = wording.tokens(gold)
    capital = re.search(r"\b[A-ZÀ-Ý]", gold) is not None
    if not expected or len(gold) < 2:
        return None
    for statement in conclusions(read_statements(text), of_words=True, question=question):
        clause = without_hedge(obey_corrections(without_markup(readable(statement.text))))
        clause = _UNLIKE.split(_BUT_IT_IS.split(clause)[-1], maxsplit=1)[0]
        verdict = _names(expected, gold, clause, policy, question=question)
        if verdict is None and "(" in clause and "(" not in gold:
            verdict = _names(expected, gold, _GLOSS.sub("", clause), policy, question=question)
        if verdict is not None:
            return Finding(correct=verdict, text=statement.text)
        if verdict is None and _says_surname(gold, expected, clause, policy, question):
            return Finding(correct=True, text=statement.text)
        goes_on = question and not (capital and _new_names(clause, question))
        if statement.strength >= (2 if goes_on else 1):
            return Finding(correct=False, text=statement.text)
    return None


_FIRST_NAME_BEFORE = re.compile(r"(?<![.?!])\s[A-ZÀ-Ý][^\W\d_.]+\s+(?:(?:de|du|van|von)\s+|d')?$")
"""« Thomas » before Corneille: another person of that name."""


_SURNAME = re.compile(r"(?:d'|\b(?:de|du|van|von)\s)?[^\W\d_]+$")


def _says_surname(
    gold: str, expected: list[str], clause: str, policy: GradingPolicy, question: str | None
) -> bool:
    """Tell a clause that names a person by surname: « Son auteur, Baudelaire, », « P. Picasso »."""
    if not (
        policy.partial_name
        and _PERSON.fullmatch(gold)
        and wording.is_short_name(gold, expected, expected[-1:])
    ):
        return False
    surname = _SURNAME.findall(gold)[0]
    place = clause.find(surname)
    before = clause[: max(place, 0)]
    if place < 0 or _FIRST_NAME_BEFORE.search(f" {before}") or surname in (question or ""):
        return False
    before = re.sub(r"\b[A-ZÀ-Ý]\.\s*(?:[A-ZÀ-Ý]\.\s*)?$", "", before)
    clause = before + clause[place:]
    return _names(expected[-1:], surname, clause, policy, question=question) is True


_PROPER = re.compile(r"(?<=[\w,;:('] )[A-ZÀ-Ý][^\W\d_]+|(?<=')[A-ZÀ-Ý][^\W\d_]+")


def _new_names(clause: str, question: str) -> bool:
    """Tell a sentence with a name that the question does not have."""
    return any(found.group() not in question for found in _PROPER.finditer(clause))


def _names(
    expected: list[str],
    gold: str,
    clause: str,
    policy: GradingPolicy,
    *,
    among: bool = False,
    question: str | None = None,
) -> bool | None:
    """Tell whether a clause names something as the answer; False: denied; None: not named.

    Args:
        expected: Words of what is looked for.
        gold: What is looked for, as written.
        clause: Without markup.
        policy: What is accepted where that is a choice.
        among: It is one of some choices: the others tell what it is not, and so it may stand anywhere.
        question: Its own names are no rivals.
    """
    found = [(match.group(), match.start(), match.end()) for match in re.finditer(r"[^\W_]+|[^\w\s]", clause)]
    verdict: bool | None = None
    for place in range(len(found)):
        size = _matched(expected, [word for word, _, _ in found[place:]])
        if not size:
            continue
        start, end = found[place][1], found[place + size - 1][2]
        before, after = clause[:start], clause[end:]
        if _DENIED_BEFORE.search(before) or re.match(
            r"\s*(?:\)?\s*(?:n'est|ne |n'a |est faux"
            r"|est fausse|, (?:lui|elle|eux|elles)\b|est incorrect))",
            after,
        ):
            verdict = False if verdict is None else verdict
            continue
        if re.match(r"\s*,?\s*ou\b", after) or (
            re.search(
                r"\bou\s+(?:(?:de|du|d'|le|la|l'|les|un"
                r"|une)\s*)*$",
                before,
            )
            and not _acronym(gold, before)
        ):
            verdict = False if verdict is None else verdict
            continue
        if not among and not gold[:1].isupper() and _IN_LIST.match(after):
            verdict = False if verdict is None else verdict
            continue
        if among:
            return True
        person = question is not None and _PERSON.fullmatch(gold) is not None
        alone = _alone(before, after, capital=gold[:1].isupper()) or (
            _is_couple(expected, gold, question) and _COUPLED.match(after) is not None
        )
        if person and question and gold not in question:
            alone = _named_first(before, after, question, alone=alone)
        if alone:
            return True
        verdict = False if verdict is None else verdict
    return verdict


_COUPLED = re.compile(r"\s*(?:$|[.(])")


def _is_couple(expected: list[str], gold: str, question: str | None) -> bool:
    """Tell two things that the question does not name: « l'offre et la demande »."""
    return len(expected) > 2 and "et" in expected and question is not None and gold not in question


_PERSON = re.compile(r"[A-ZÀ-Ý][^\W\d_]+(?:[ -](?:(?:de|du|van|von|d'|le|la) ?)?[A-ZÀ-Ý][^\W\d_]+){1,3}")
_ANOTHER_PERSON = re.compile(r"[A-ZÀ-Ý][^\W\d_]+ (?:(?:de|du|van|von) )?[A-ZÀ-Ý][^\W\d_]+")
_SAYS = re.compile(
    r"\b(?:est|[ée]tait|fut|is|was|par|by|s'agit d[e']|auteur|nomm[ée]e?|appel[ée]e?|c'est)\b[^.;]{0,40}$",
    re.IGNORECASE,
)
_GLOSS = re.compile(r"\s\([^()]*\)")


def _named_first(before: str, after: str, question: str, *, alone: bool) -> bool:
    """Whether a person is the first that a sentence names and that the question does not name."""
    if any(found.group() not in question for found in _ANOTHER_PERSON.finditer(before)):
        return False
    if alone:
        return True
    return _SAYS.search(before) is not None and _GOES_ON.match(after) is not None and not _AFAR.search(before)


_GOES_ON = re.compile(r"\s*(?:$|[.(]|,\s+(?:un|une|l'un|le|la|qui|dont|alors|en|auteur|[ée]crivain)\b)")


def _acronym(gold: str, before: str) -> bool:
    """« l'acide désoxyribonucléique ou ADN »: letters that stand for the words before are another"
    " name of them."""
    return gold.strip().split()[-1].split("'")[-1].isupper() and len(gold) <= 8


_BETWEEN = frozenset({"l", "d", "le", "la", "les", "de", "du", "des"})


def _matched(expected: list[str], words: list[str]) -> int:
    """How many marks the expected words take at a list's start, articles between them included; 0: none."""
    position = 0
    for number, token in enumerate(expected):
        while number and position < len(words) and not _same_token(token, words[position]):
            if words[position] in ".,;:!?()" or (
                words[position].isalnum() and words[position].casefold() not in _BETWEEN
            ):
                return 0
            position += 1
        if position >= len(words) or not _same_token(token, words[position]):
            return 0
        position += 1
    return position


_RANKS = {"Ve": "5", "Vᵉ": "5", "Vème": "5", "Xe": "10", "Xᵉ": "10", "Xème": "10"}
"""Roman ranks that in small letters are words' ends."""


def _same_token(expected: str, word: str) -> bool:
    given = wording.tokens(word)
    if not given:
        return False
    if word in _RANKS:
        return wording.ordinal(expected) == _RANKS[word]
    one, other = wording.ordinal(expected), wording.ordinal(given[0])
    return one == other or (len(one) > 3 and len(other) > 3 and wording.stem(one) == wording.stem(other))


_NARROWED = re.compile(
    r"\b(?P<noun>[^\W\d_]+(?:\s[^\W\d_]+)?)\s+(?:de la|de l'|du|des|de|d'"
    r"|aux?)\s*$",
    re.IGNORECASE,
)
_NAMING = re.compile(
    r"(?:^|.*\s)(?:elle|lui|il|s'agit|parle|nom|noms|notion|concept|ph[ée]nom[èe]ne|processus|terme|ville|pays"
    r"|mot|figure|cas|qualifie|type|sorte|propri[ét]+[ée]|expression|fonction|donc|bien|est|sont|ici"
    r"|alors|sens|forme|mode|m[ée]canisme|loi|principe|exemple|d[ûu]e?|correspond|gr[âa]ce|revient"
    r"|nature|sujet|style|groupe|registre|genre|mouvement|courant|cellules?|mol[ée]cules?|ions?"
    r"|œuvre|auteur|plume)$",
    re.IGNORECASE,
)
_AFAR = re.compile(
    r"\b(?:avant|apr[èe]s|depuis|vers|sans|hors|sauf|jusqu'(?:[àa]|au|en)|contre"
    r"|comme|que|presque|anti|envers)\s+(?:le\s+|la\s+|l'|les\s+|un\s+|une\s+)?$|[^\W\d_]-$",
    re.IGNORECASE,
)
_CONCEDED = re.compile(r"\b(?:pourrait|semble|croire|penser|certes|apparence|confond)\w*\b", re.IGNORECASE)
_BESIDE = re.compile(
    r"\s*(?:,|et|puis|/|&|;)\s*(?:(?:le|la|l'|les|un|une|des|du"
    r"|d')\s*)?(?P<other>[^\W\d_]+(?:[\s'-][^\W\d_]+){0,2})\s*[.!]?\s*$",
    re.IGNORECASE,
)
_BESIDE_BEFORE = re.compile(
    r"^\W*(?:[^\W\d_]+[\s']){1,3}(?:et|puis|/)\s+(?:(?:le|la|l'|les|un|une"
    r"|des)\s*)?$",
    re.IGNORECASE,
)


_IN_LIST = re.compile(
    r"\s*(?:\([^()]*\))?\s*,\s*(?:(?:le|la|les|un|une|du|des)\s|l')[^,.;:]{2,40}(?:,| et )", re.IGNORECASE
)
_STANDS_ALONE = re.compile(r"\s*(?:$|[.,;:!?(»\"*-])|\s+(?:de|du|des|d'|et|ou|chez|en|dans)\b")
_BY_THE_WAY = re.compile(r"\s*(?:avec|par|pour|chez|selon|comme|sur|sans|contre)\b", re.IGNORECASE)
_AUTHOR = re.compile(
    r"\b(?:[ée]crite?|compos[ée]e?|r[ée]alis[ée]e?|peinte?|d[ée]couverte?|fond[ée]e?|sign[ée]e?|invent[ée]e?"
    r"|dirig[ée]e?|publi[ée]e?|formul[ée]e?|propos[ée]e?|r[ée]dig[ée]e?|donn[ée]e?s?|form[ée]e?s?"
    r"|assur[ée]e?s?|produite?s?)\s+par\s+(?:(?:le|la|l'|les|un|une)\s*)?(?:[^\W\d_]+\s+){0,2}$",
    re.IGNORECASE,
)
_FIRST_NAME = re.compile(r"\s*[A-ZÀ-Ý][^\W\d_]+\s+(?:de|d'|du)\s*(?:La |Le |Les )?")
"""« Jean de »: what follows is the name of the same person."""
_RIVAL_NAME = re.compile(r"(?!.*\bnoms? d[e']\W*$).*[\s'][A-ZÀ-Ý][^\W\d_]+\s*,\s.*[^\W\d_]\W*$")
"""« Marc Antoine, allié à »: another name is given before."""
_AND = re.compile(r"\s*(?:et|puis)\s+(?:[^\W\d_]+\W*){1,3}$")
_THEN = re.compile(r"[^\W\d_]\s+puis\s+$")
_IDENTIFIED = re.compile(r"\s*(?:est|sont|[ée]tait|fut)\s+(?:donc |bien )?(?:le|la|les|l'|un|une)\b")


def _alone(before: str, after: str, *, capital: bool) -> bool:
    """Whether the words around leave the meaning: nouns before, and nothing after that narrows it."""
    verb = 0
    for found in _VERB.finditer(before):
        verb = found.end()
    head = re.split(r"[,;(«\"]", before[verb:])[-1]
    words = re.findall(r"[^\W\d_]+", head)
    if any(_WIDENING.fullmatch(word) for word in words[-3:]) or len(words) > 7 or _AFAR.search(before):
        return False
    if capital and verb and _RIVAL_NAME.match(before[verb:]):
        return False
    narrowed = _NARROWED.search(head)
    if (
        narrowed is not None
        and not (capital and verb and _FIRST_NAME.fullmatch(head))
        and not _NAMING.match(narrowed["noun"])
    ):
        return False
    if _CONCEDED.search(before) and re.search(r",\s*mais\b", after):
        return False
    words_before = len(re.findall(r"\w+", before))
    if not verb and (words_before > 2 or not _STANDS_ALONE.match(after)):
        return _IDENTIFIED.match(after) is not None and words_before < 3
    if verb and _BY_THE_WAY.match(head) and not _AUTHOR.search(before):
        return False
    if not verb and (_BESIDE.match(after) or _BESIDE_BEFORE.match(before)):
        return False
    if not after.strip(" .!*") and _BESIDE_BEFORE.match(before[verb:]):
        return False
    if _AND.match(after) or _THEN.search(before):
        return False
    following = re.match(r"\s*([^\W_]+['’]?|[^\w\s])(?:\s*(\w)?)", after)
    if following is None:
        return True
    word = following[1].casefold()
    if (
        capital
        and word in {"de", "du", "des", "d'", "de l'"}
        and re.match(
            r"\s*(?:de|du|des"
            r"|d')\s*(?:la |l')?[A-ZÀ-Ý]",
            after,
        )
    ):
        return False
    if word in _CUT or word.isdigit():
        return True
    return capital and not following[1][:1].isupper()


_POLARITY = re.compile(
    r"\b(impossible|vraie?s?|exacte?s?|correcte?s?|justes?|oui|true|yes|valide|v[ée]rifi[ée]e?|fau(?:x|sse)s?"
    r"|incorrecte?s?|inexacte?s?|erron[ée]e?s?|false|no|non(?=\s*[,.!]|\s*$)|invalide"
    r"|contradictoire)\b",
    re.IGNORECASE,
)
_FALSE = re.compile(r"impos|fau|incor|inexa|erron|false|no|inval|contra", re.IGNORECASE)
_PROPOSITION = re.compile(
    r"\b(?:affirmation|proposition|[ée]nonc[ée]|assertion|r[ée]ponse|phrase"
    r"|statement|conclusion|implication|[ée]galit[ée]|propri[ée]t[ée])\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\b(?:n'est|ne sont|n'[ée]tait|pas|ne peut|jamais|isn't"
    r"|not)\b[^.;!?]{0,60}$",
    re.IGNORECASE,
)
_ABSURD = re.compile(
    r"\b(?:hypoth[èe]se|supposition|contraire|n[ée]gation|r[ée]ciproque"
    r"|contrapos[ée]e|proposition contraire)\b[^,;]*$",
    re.IGNORECASE,
)


_CONCESSION = re.compile(
    r",?\s*(?:m[êe]me si|bien que|quoique|alors que|tandis que"
    r"|alors m[êe]me)\b",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"\b(?:en fait|finalement|je me (?:suis )?tromp|erreur|correction"
    r"|non,? plut[ôo]t)\b",
    re.IGNORECASE,
)
_LEADING = re.compile(
    r"\W*(oui|non|vrai|faux|true|false|yes|no)\b\s*(?:[,:.;!)–—-]|\bcar\b"
    r"|$)",
    re.IGNORECASE,
)
_OPEN_TRUTH = re.compile(
    r"\b(?:vrai|oui)\s+ou\s+(?:faux|non)\b|\b(?:seulement|uniquement) si\b"
    r"|\b(?:vrai|faux)\w* (?:si|quand)\b|d[ée]pend",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(
    r"(?:vrai|faux|juste|vraie|fausse|bonne?)\s+(?:r[ée]sultat|valeur|r[ée]ponse"
    r"|nombre|probl[èe]me|solution)",
    re.IGNORECASE,
)
_DENIES_THAT = re.compile(
    r"\b(?:faux|inexact|incorrect|impossible|erron[ée])\s+(?:de (?:dire|penser"
    r"|croire|conclure|pr[ée]tendre)|d'affirmer|que|qu')[^,;]*$",
    re.IGNORECASE,
)


_CLAUSE_STARTS = (". ", " ; ", ", et ", ", mais ", " et l'affirmation")
_ANSWERS = frozenset({"oui", "non", "yes", "no"})


def find_truth(gold: str, text: str, question: str | None) -> Finding | None:
    """Judge whether a generation concludes that something is true or false; a double negation affirms."""
    expected = truth.value_of(gold)
    order = conclusions(read_statements(text), question=question)
    first = _LEADING.match(text)
    if order and first is not None and not _TAKEN_BACK.search(text):
        last = _POLARITY.fullmatch(order[0].text.strip("*_ .!"))
        if last is not None and _affirms(last[1]) != _affirms(first[1]):
            return Finding(correct=False, text=text[:100], unsure="True and false are both said.")
        right = _affirms(first[1]) == expected and not _OPEN_TRUTH.search(text[:200])
        return Finding(correct=right, text=text[:100])
    for statement in sorted(order, key=lambda one: _PROPOSITION.search(one.text) is None):
        clause = obey_corrections(without_markup(readable(statement.text)))
        clause = _CONCESSION.split(clause, maxsplit=1)[0]
        leading = _LEADING.match(clause)
        if _OPEN_TRUTH.search(clause):
            return Finding(correct=False, text=statement.text, unsure="True and false are both said.")
        said = _affirms(leading[1]) if leading is not None else _said_truth(clause)
        if said is not None:
            return Finding(correct=said == expected, text=statement.text)
    return None


def says_both(text: str) -> bool:
    """Tell a text that has true on one line and false on another."""
    lines = (_POLARITY.fullmatch(line.strip("*_ .!")) for line in text.split("\n"))
    return len({_affirms(found[1]) for found in lines if found is not None}) > 1


def _affirms(word: str) -> bool:
    return _FALSE.match(word) is None


def _said_truth(clause: str) -> bool | None:
    """What a clause's last word of truth says, with the negations that govern it; None: there is none."""
    said: bool | None = None
    for found in _POLARITY.finditer(clause):
        if _ATTRIBUTE.match(clause, found.start()):
            continue
        before = clause[: found.start()]
        before = before[max(before.rfind(start) for start in _CLAUSE_STARTS) + 1 :]
        if _ABSURD.search(before):
            continue
        said = _affirms(found[1])
        if _DENIES_THAT.search(before):
            said = not said
        answers = found[1].casefold() in _ANSWERS
        if (_NOT_THAT.match(before) if answers else _NEGATED.search(before)) is not None:
            said = not said
    return said


_LETTER = re.compile(
    r"(?i:\b(?:propositions?|options?|r[ée]ponses?|choix|lettres?|answer|choice|case|(?:est|is|soit"
    r"|donc|c'est|retient|choisi[st]?)(?: donc| alors| bien)?(?: la| le| l'option"
    r"| the)?)\s*(?:(?:correcte?|exacte?|juste|bonne|finale?|est|is)\s+)*(?:la "
    r"|le )?:?)\s*[(\[\"«]?\s*\**\(?([A-H])\b(?![’'\w+°-])(?!\s*=)"
    r"|(?:^|[\s:(«\"*])\(?(?<!°)([A-H])\s*[).:](?=\s|$|\*)|\(([A-H])\)"
    r"|^[\s\W]{0,4}(?<!°)([A-H])[\s.,:;)*\]]*$",
)
_LOWER_LETTER = re.compile(
    r"(?i:\b(?:propositions?|options?|r[ée]ponses?|choix|lettres?"
    r"|affirmations?)\s+(?:est (?:la )?)?)\(?([a-h])\b\)?|^\W*([a-h])\)|^\W*(?:la |le )?([a-h])\W*$"
)
_REFUSED_LETTER = re.compile(
    r"\W*\s*(?:est|:|sont|serait)?\s*(?:fau|incorr|inexact|[ée]limin"
    r"|exclu)",
    re.IGNORECASE,
)


def find_choice(
    gold: str, text: str, choices: Sequence[str], policy: GradingPolicy, question: str | None
) -> Finding | None:
    """Judge the letter, or the choice's text, that a generation concludes with."""
    expected = _letters_of(gold, choices)
    if not expected:
        return None
    if choices and all(truth.value_of(_bare(choice)) is not None for choice in choices):
        place = ord(min(expected)) - ord("A")
        found = find_truth(_bare(choices[place]), text, question) if place < len(choices) else None
        if found is not None:
            return found
    verdicts = _verdicts(text, len(choices))
    if verdicts:
        return Finding(correct=verdicts == expected, text=text[:100])
    of_words = not any(character.isdigit() for choice in choices for character in choice)
    for statement in conclusions(read_statements(text), of_words=of_words, question=question):
        clause = obey_corrections(readable(statement.text))
        finding = _chosen(gold, expected, clause, choices, policy)
        if finding is not None:
            return replace(finding, text=statement.text)
    return None


def _chosen(
    gold: str, expected: set[str], clause: str, choices: Sequence[str], policy: GradingPolicy
) -> Finding | None:
    said = _said_letters(clause)
    if not said and _ONLY_REFUSED.match(clause):
        return None
    named = _named_choices(clause, choices, policy)
    if len(said) == 1:
        (letter,) = said
        if named and ord(letter) - ord("A") not in named and not policy.letter_and_text:
            return Finding(
                correct=False, text="", unsure="A letter and the text of another choice are given."
            )
        right = said == expected or (letter in expected and not _GOLD_LETTERS.fullmatch(gold))
        return Finding(correct=right, text="")
    if len(said) > 1 and said == expected:
        return Finding(correct=True, text="")
    if len(named) > 1:
        start = max((found.end() for found in _CHOOSING.finditer(clause)), default=0)
        named = _named_choices(clause[start:], choices, policy) or named
    if named:
        one = len({_bare(choices[place]) for place in named}) == 1
        right = one and bool({chr(ord("A") + place) for place in named} & expected)
        return Finding(correct=right, text="", unsure="" if one else "Several choices are named.")
    return Finding(correct=False, text="", unsure="Several letters are given.") if said else None


_ITEM = re.compile(r"[\W_]*([A-H])\s*\**\s*[.):–-]\s*\**\s*(?P<said>\S.*)")
_MARKED = re.compile(
    r"(?P<right>✔|✅|✓|☑|\b(?:vraie?|correcte?|exacte?|juste)\b)|(?P<wrong>✖|❌|✗|✘|\b(?:fau(?:x|sse)|incorrecte?|inexacte?)\b)",
    re.IGNORECASE,
)


def _verdicts(text: str, count: int) -> set[str]:
    """The propositions that a text ends by calling true, where it judges each one on a line of its own."""
    judged: dict[str, bool] = {}
    lines = [line for line in text.split("\n") if line.strip()]
    for line in lines:
        item = _ITEM.match(line)
        marks = [] if item is None else list(_MARKED.finditer(item["said"]))
        if item is not None and marks:
            judged[item[1]] = marks[-1]["right"] is not None
    last = _ITEM.match(lines[-1]) if lines else None
    if last is None or len(judged) < max(count, 3):
        return set()
    return {letter for letter, right in judged.items() if right}


_ONLY_REFUSED = re.compile(
    r"\W*(?:[A-H]|(?:la |les )?(?:propositions?|r[ée]ponses?) [A-H])\W*(?:et [A-H]\W*)?"
    r"(?:est|sont)\s+(?:fau|incorr|inexact|[ée]limin|exclu)",
    re.IGNORECASE,
)
_CHOOSING = re.compile(r"\b(?:donc|est|sont|vaut)\b")


_SERIES = re.compile(
    r"(?<=\s)\(?[A-H]\)?(?:\s*(?:,(?:\s*(?:et|ou))?|et|ou|and|or|/)\s*\(?[A-H]\b\)?(?!['’]))+"
)


def _one_by_one(found: re.Match[str]) -> str:
    return " ".join(f"({letter})" for letter in re.findall(r"[A-H]", found.group()))


def _said_letters(clause: str) -> set[str]:
    """The letters that a clause gives; those that it denies are none."""
    said = {
        next(group for group in found.groups() if group)
        for found in _LETTER.finditer(_SERIES.sub(_one_by_one, clause))
        if not _DENIED_BEFORE.search(clause[: found.start()])
        and not _REFUSED_LETTER.match(clause[found.end() :])
    }
    return said or {
        next(group for group in found.groups() if group).upper()
        for found in _LOWER_LETTER.finditer(clause)
        if not _REFUSED_LETTER.match(clause[found.end() :])
    }


_GOLD_LETTERS = re.compile(r"[A-H](?:\W*(?:et\W*)?[A-H])*")


def _bare(choice: str) -> str:
    return without_markup(readable(choice)).strip(" .").casefold()


def _letters_of(gold: str, choices: Sequence[str]) -> set[str]:
    if _GOLD_LETTERS.fullmatch(gold):
        return set(re.findall(r"[A-H]", gold))
    return {chr(ord("A") + place) for place, choice in enumerate(choices[:8]) if _bare(choice) == _bare(gold)}


_LABEL = re.compile(r"(?:^\W*|(?<=\s)\(?)[A-H]\s*[).:]\s*")


def _named_choices(clause: str, choices: Sequence[str], policy: GradingPolicy) -> list[int]:
    clause = _LABEL.sub("", clause)
    found = candidates(main_clause(clause)[0])
    values = [one for one in found if one.given] or [one for one in found if not one.denied]
    named: list[int] = []
    for place, choice in enumerate(choices[:8]):
        bare = without_markup(readable(choice)).strip()
        value = _read(bare)
        if value is not None:
            expected = Expected(bare, policy=policy)
            if any(_fits(expected, value, one) for one in values):
                named.append(place)
        elif _names(wording.tokens(bare) or ["\0"], bare, without_markup(clause), policy, among=True):
            named.append(place)
    return named
