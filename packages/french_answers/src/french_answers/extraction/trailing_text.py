"""Turns the sentence that holds the answer into one bare statement."""

from __future__ import annotations

import re
from dataclasses import dataclass

from french_answers.extraction import statements
from french_answers.extraction.announced import MAX_ANSWER
from french_answers.extraction.markup import unwrapped, without_markup
from french_answers.extraction.statements import SUBSTANCE, VALUE

_PROSE = re.compile(r"(?<![\\A-Za-z])[^\W\d_]{2}|[→⟹⟺⇒⇔⟶]|\\[ilLRt][fmeo]|=>|~~")
"""Words, or arrows: without any, there is nothing to correct, explain or conclude."""
_REMARK = re.compile(
    r"\s+\((?!(?:ou|et|pas|voire)\b)(?=[^()]*[^\W\d_]{3})(?![^()]*(?:sqrt|frac|pi\b|exp|sin|cos|ln))"
    r"[^()]{1,160}\)(?=\s*[.!]?$)"
)
_LEADS = frozenset("rR→⟶-=:\"',.")
_LEAD = re.compile(r"^(?:r(?:[ée]p)?\s*\.?\s*[:/]|→|⟶|->|=>|[:=])\s*(?=\S)", re.IGNORECASE)
_SUBJECT_IS_RIGHT = re.compile(
    r"^(?:la\s+(?:r[ée]ponse|solution)\s+)?"
    r"((?!(?:l[ae]|il|elle|cel[al]|ceci|cette|ce)\s|l'|c').{1,60}?)\s+(?:est|serait)\s+(?:donc\s+|bien\s+)?"
    r"(?:(?:la|une)\s+)?(?:(?:bonne|seule)\s+)?"
    r"(?:(?:r[ée]ponse|solution)(?:\s+(?:correcte|exacte|juste|attendue))?|correcte?|exacte?|juste)$",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"(?:comme|puisque|or|vu que|sachant que|étant donné que)\s[^,]{1,60},\s+", re.IGNORECASE
)
_FINDING = re.compile(
    r"^(?:on|nous|je)\s+(?:trouv|obt[ie]|gard|reti[ee]n|conclu|r[ée]pond)\w*\s+(?:que\s+|qu'|donc\s+|alors\s+"
    r"|bien\s+)*:?\s*(?=\S)",
    re.IGNORECASE,
)
_ENDING = re.compile(r"(?:[\s.,;:…]|(?<=\s)[!?])+$")
_ENDS = frozenset(" .,;:…!?\n")


@dataclass(frozen=True, slots=True)
class Answer:
    """A candidate for the final answer."""

    text: str
    """One statement: markup, explanations and what the model took back are off."""
    line: str
    """The sentence or line that it stands in: ``B. 3π`` gives its letter first."""
    method: str


def finish(line: str, method: str, needed: re.Pattern[str], *, last: bool) -> Answer | None:
    """Take off what does not belong to the answer.

    Args:
        line: The sentence or line that holds it.
        method: How it was found.
        needed: What the answer must hold.
        last: It ends the text: what is concluded comes last. Else it was announced, and comes first.

    Returns:
        None if nothing is left.
    """
    line = without_markup(line[-MAX_ANSWER:] if last else line[:MAX_ANSWER])
    text = _stated(line, needed, last=last) if _PROSE.search(line) else line
    if text[-1:] in _ENDS:
        text = _ENDING.sub("", text)
    if text.startswith("\\text"):
        text = unwrapped(text)
    if (
        text[-1:] in ")]"
        and "(" not in text
        and "[" not in text
        and text.count(text[-1:]) == 1
        and ";" not in text
    ):
        text = text[:-1].rstrip(" .")  # It closes what the announcement opened.
    if text[:1] in _LEADS:
        text = _without_lead(text)
    if not SUBSTANCE.search(text):
        return None
    return Answer(text, line, method)


def _stated(line: str, needed: re.Pattern[str], *, last: bool) -> str:
    text = statements.without_hedge(line)
    text = statements.obey_corrections(text)
    if " " in text:
        text = statements.without_explanation(text)
        if not last:
            found = statements.sentences(text)
            text = found[0] if found else text
            if " ; " in line and len(found) > 1 and line.find(" ; ") == len(text):
                text = found[1]
        if needed is VALUE and ("lim" in text or "quand" in text or "lorsqu" in text or " en " in text):
            text = statements.without_condition(text)
        if not ("qu" in text and statements.DENIES_THAT.search(text)):
            text = statements.conclusion(text, needed=needed)
        text = _REMARK.sub("", text) if "(" in text else text
        if ", " in text:
            reason = _REASON.match(text)
            if reason is not None and needed.search(text, reason.end()):
                text = text[reason.end() :]
    text = statements.without_hedge(text)
    if text[:2].casefold() in {"on", "je", "no"}:
        text = _FINDING.sub("", text, count=1)
    if "est " in text or "serait " in text:
        text = _ENDING.sub("", text)
        right = _SUBJECT_IS_RIGHT.match(text)
        text = right[1] if right is not None else text
    return text


def _without_lead(text: str) -> str:
    text = _LEAD.sub("", text, count=1)
    if text[:1] in "\"'" and text[-1:] == text[:1]:
        return text[1:-1].strip()
    if text[:1] in ",." and text[1:2].isdigit():
        return "0" + text
    return text
