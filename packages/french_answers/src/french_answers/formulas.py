"""Compares chemical formulas, ions, nuclei, reactions and electron configurations as written."""

from __future__ import annotations

import re
from collections import Counter

from french_answers.lexicon import ELEMENTS
from french_answers.policy import GradingPolicy

_SCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺−–", "0123456789+-0123456789-+--")
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹]*[⁺⁻]|[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_COMMANDS = re.compile(r"\\(?:mathrm|text|ce|mathbf|rm|left|right)(?![A-Za-z])|\\[,;: !]")
_ARROW = re.compile(
    r"\\(?:rightarrow|to|longrightarrow|rightleftharpoons|xrightarrow)(?![A-Za-z])|->|-->|→|⟶|⇌|⇄"
)
_ARROW_OR_EQUAL = re.compile(_ARROW.pattern + r"|=")
_STATE = re.compile(r"\((?:aq|s|l|g)\)")
_FORMULA = re.compile(
    r"(?:\^?\d{0,3}_?\d{0,3})(?:(?:[A-Z][a-z]?|\(|\)|\[|\])\d*)+(?:\^?\d?[+-])?|\^?e\^?-|\^?\d*H\^?\+"
)
_SYMBOL = re.compile(r"[A-Z][a-z]?")
_ELECTRONS = re.compile(r"(?:\[[A-Z][a-z]\])?(?:[1-7][spdf]\^?\d{1,2})+")
_SPACED_SHELLS = re.compile(
    r"(?:\(?[1-7][spdf]\)?\^?\d{1,2}\s*){2,}|(?:\(?[KLMN]\)?\^?\d{1,2}\s*){2,}|[1-7][spdf]\^?\d"
)
_INDEX_FIRST = re.compile(r"^\$?(?:\{\})?_\{?(\d{1,3})\}?\^\{?(\d{1,3})\}?")
"""A nucleus with its charge number before its mass number."""
_QUANTITY = re.compile(r"[+-]?\d[\d\s.,]*[A-Z][a-z]?")
"""« 5 N » is a force."""
_ARTICLE = re.compile(
    r"^(?:(?:le|la|les|l'|un|une|du|de la|de l'|des|d')\s*)?"
    r"(?:(?:ions?|cations?|anions?|mol[ée]cules?|formule|gaz|esp[èe]ce|compos[ée]|atome|noyau|[ée]l[ée]ment"
    r"|solide|m[ée]tal|corps|configuration)"
    r"(?:\s+(?:brute|chimique|est|de|d'|du|[ée]lectronique|s'[ée]crit))*\s*:?\s+)?(?=[A-Z\d(\\^{¹²³⁴])"
)


def canonical(text: str) -> str:
    """One spelling: digits on the line, ``^`` before what is raised, no spaces or braces."""
    text = _INDEX_FIRST.sub(r"^{\2}_{\1}", text)
    text = _RAISED.sub(lambda run: "^" + run.group(), text).translate(_SCRIPTS)
    text = _STATE.sub("", _COMMANDS.sub("", text))
    text = text.replace("$", "").replace("{", "").replace("}", "").replace("_", "").replace("·", ".")
    return re.sub(r"\s+", "", text)


def is_formula(gold: str) -> bool:
    """Tell a formula of chemistry: element symbols, with a number, a charge or a second element."""
    if len(gold) > 120 or not any("A" <= character <= "Z" or character in "spdf" for character in gold):
        return False
    if _ARROW.search(gold):
        sides = _ARROW.split(gold)
        terms = [canonical(term) for side in sides for term in _terms(side)]
        return (
            len(sides) == 2
            and bool(terms)
            and all(_is_species(term) for term in terms)
            and any(_SYMBOL.search(term) for term in terms)
        )
    if _QUANTITY.fullmatch(gold):
        return False
    couple = [canonical(one) for one in gold.split("/")] if gold.count("/") == 1 else []
    if couple and all(one and _is_species(one) for one in couple) and any(mark in gold for mark in "+-⁺⁻−"):
        return True
    text = canonical(gold)
    if _ELECTRONS.fullmatch(text) or _SPACED_SHELLS.fullmatch(text):
        return True
    return _is_species(text) and (
        len(_SYMBOL.findall(text)) > 1
        or any(character.isdigit() or character in "+-" for character in text)
        or "\\ce" in gold
    )


def _is_species(text: str) -> bool:
    text = text.lstrip("*")
    if not _FORMULA.fullmatch(text) and not _FORMULA.fullmatch(text.lstrip("0123456789")):
        return False
    return all(symbol in ELEMENTS for symbol in _SYMBOL.findall(text))


def same_formula(gold: str, text: str, policy: GradingPolicy) -> bool:
    """Compare as written; case decides, the order of a reaction's terms does not."""
    text = _ARTICLE.sub("", text.strip()).rstrip(" .")
    if _ARROW.search(gold):
        return _same_reaction(gold, text)
    one, other = canonical(gold), canonical(text)
    if "^" not in one or "^" not in other:
        one, other = one.replace("^", ""), other.replace("^", "")
    if policy.case:
        one, other = one.casefold(), other.casefold()
    return bool(one) and one.strip(".") == other.strip(".")


def _same_reaction(gold: str, text: str) -> bool:
    expected, given = _ARROW.split(gold), _ARROW_OR_EQUAL.split(text)
    return len(expected) == len(given) == 2 and all(
        Counter(map(_term, _terms(one))) == Counter(map(_term, _terms(other)))
        for one, other in zip(expected, given, strict=True)
    )


def _terms(side: str) -> list[str]:
    """Split at « + » between spaces: one without is a charge."""
    side = _COMMANDS.sub("", side).replace("{", "").replace("}", "")
    parts = re.split(r"\s\+\s|(?<=[A-Za-z\d)])\s*\+\s*(?=\d*\s*[A-Z])", side)
    return [part for part in parts if part.strip()]


def _term(text: str) -> str:
    return canonical(text).replace("^", "")
