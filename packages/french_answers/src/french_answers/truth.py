"""Judges « vrai », « faux », « oui » and « non »."""

from __future__ import annotations

import re

from french_answers.answers import Answer
from french_answers.policy import GradingPolicy

TRUTH = {
    "vrai": True, "vraie": True, "vrais": True, "vraies": True, "true": True, "oui": True, "yes": True,
    "faux": False, "fausse": False, "fausses": False, "false": False, "non": False, "no": False,
}  # fmt: skip
_SYNONYMS = {
    "correct": True, "correcte": True, "exact": True, "exacte": True, "juste": True, "affirmatif": True,
    "incorrect": False, "incorrecte": False, "inexact": False, "inexacte": False, "erroné": False,
    "erronée": False,
    "négatif": False,
}  # fmt: skip
_ALL = TRUTH | _SYNONYMS
WANTED = re.compile(r"\b(?:" + "|".join(_ALL) + r"|(?-i:[VF]))\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+")
_LEADING = re.compile(
    r"(?:mais\s+|eh bien\s*,?\s+|bah\s+|bien sûr(?:\s+que)?\s+|évidemment\s*,?\s+|clairement\s+"
    r"|absolument\s+)?(\w+)\s*(?:$|[,.;:!(—–]|-\s)",
    re.IGNORECASE,
)
_CONCESSION = re.compile(
    r"\b(?:même si|bien que|quoique|alors que|malgré|contrairement|tandis que|en effet|car"
    r"|puisque|sinon|si)\b",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"\b(?:pas|ni|jamais|aucune?|nullement|guère|not|never|personne|rien)\b", re.IGNORECASE
)
_NOT_TRUE = re.compile(
    r"\b(?:n'est|n'était|n'était|ne sont)\s+(?:donc\s+|absolument\s+"
    r"|certainement\s+)?pas\s+(?:toujours\s+)?(?:vraie?s?|correcte?s?|exacte?s?|juste)\b",
    re.IGNORECASE,
)
_REFUTED = re.compile(
    r"\b(?:faux|inexact|pas (?:vrai|exact))\s+(?:de (?:dire|penser|croire|conclure|prétendre)\s+)?(?:que\b"
    r"|qu')",
    re.IGNORECASE,
)
"""« Il est faux de dire que … » turns round what follows."""
_HYPOTHESIS = re.compile(r"\s*(?:si|sinon|même si|car si|s')\b", re.IGNORECASE)
_NOT_FALSE = re.compile(
    r"\b(?:n'est|ne sont)\s+(?:donc\s+)?pas\s+(?:faux|fausses?|incorrecte?s?|inexacte?s?)\b", re.IGNORECASE
)
_ATTRIBUTE = re.compile(
    r"\b(?:le|la|les|un|une|du|de|ma|sa)\s+(?:vraie?s?|fausses?|faux|justes?)\s+(?=[^\W\d_]{3})",
    re.IGNORECASE,
)
"""« Le vrai résultat » says nothing of an affirmation."""
_CLAUSE = re.compile(r"[.,:;!?]\s")
_NON_TRUE = re.compile(r"\bnon\b.*\b(?:vrai|faux)", re.IGNORECASE)
_ABBREVIATIONS = {"V": True, "F": False}


def is_truth(gold: str, instruction: str | None) -> bool:
    """Tell a truth value; V and F are ones where the instruction speaks of « vrai » or « faux »."""
    if gold.casefold() in TRUTH:
        return True
    return (
        gold in _ABBREVIATIONS
        and instruction is not None
        and re.search(r"\b(?:vrai|faux)", instruction, re.IGNORECASE) is not None
    )


def value_of(gold: str) -> bool | None:
    """The truth value that an expected answer names."""
    return _ABBREVIATIONS.get(gold, TRUTH.get(gold.casefold()))


def judge_truth(gold: str, answer: Answer, policy: GradingPolicy) -> bool:
    """Judge a truth value; one of each kind, or none, is no answer."""
    expected = value_of(gold)
    said = said_truth(answer)
    if (
        said is None
        and policy.abbreviation
        and gold.casefold() in {"vrai", "faux", "v", "f", "vraie", "fausse"}
    ):
        said = _ABBREVIATIONS.get(answer.text.strip(" ().").upper())
    return said is not None and said == expected


def said_truth(answer: Answer) -> bool | None:
    """What an answer says; None for nothing, both, or a negation that leaves it open."""
    text = answer.text
    if text.count("'") and not _WORD.search(text):
        return None
    text = _ATTRIBUTE.sub(" ", text)
    contrast = text.rpartition(" mais ")[2]
    if contrast is not text and _said(contrast):
        text = contrast
    leading = _LEADING.match(answer.line) or _LEADING.match(text)
    if leading is not None and leading[1].casefold() in TRUTH:
        said = TRUTH[leading[1].casefold()]
        start = answer.line if leading.string is answer.line else text
        rest = _CONCESSION.split(start[leading.end() :], maxsplit=1)[0]
        others = _said(rest)
        if answer.method == "corrected" or not (others - {said}) or _NEGATION.search(rest):
            return said
        return None
    refuted = _REFUTED.search(text)
    if refuted is not None:
        inner = _said(text[refuted.end() :])
        return False if not inner else not inner.pop() if len(inner) == 1 else None
    parts = _CLAUSE.split(text)
    if len(parts) > 1:
        text = ", ".join(part for part in parts if not _HYPOTHESIS.match(part)) or text
    found = _said(text)
    if len(found) != 1:
        return None
    clause = next(part for part in _CLAUSE.split(text) if _said(part))
    if _NOT_TRUE.search(clause):
        return False
    if _NOT_FALSE.search(clause):
        return True
    if _NEGATION.search(clause) or _NON_TRUE.search(clause):
        return None
    return found.pop()


def _said(text: str) -> set[bool]:
    return {_ALL[word] for word in (match.casefold() for match in _WORD.findall(text)) if word in _ALL}
