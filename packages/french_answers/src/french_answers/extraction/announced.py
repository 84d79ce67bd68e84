"""Finds answers that are announced: boxed, tagged, or after words such as « la réponse est »."""

from __future__ import annotations

import re
from dataclasses import dataclass

from french_answers.extraction.markup import readable

MAX_ANSWER = 400
"""Characters of one answer; longer ones are no short answers."""
_START, _END = 400, 2000
"""Characters in which a longer text announces its answer."""
_WINDOW = 4 * MAX_ANSWER
_MAX_TRIES = 24
"""Places that are looked at for an announcement, from the end; bounds the time on hostile texts."""

_STEMS = ("ponse", "nswer", "onclusion", "####", "PONSE", "NSWER", "ONCLUSION")
"""Announce the final answer wherever they stand. Parts of words: they start in either case."""
_WEAK_STEMS = ("olution", "sultat", "OLUTION", "SULTAT")
"""May also announce an intermediate result: a later conclusion beats them."""
_QUALIFIED = (
    r"(?:[ ]+(?:finales?|final|correctes?|exactes?|justes?|attendue?s?|demandée?s?|cherchée?s?|recherchée?s?|"
    r"définitives?|définitif|obtenue?s?|uniques?|complètes?|choisie|retenue|proposée))*"
)
_ANNOUNCEMENT = re.compile(
    r"(?:ponse|nswer|onclusion|olution|sultat)"
    rf"[sS]?[*_`]*(?P<qualified>{_QUALIFIED}[*_`]*)[ ]*"
    r"(?:(?P<sign>[:=→][ *_`]*|-{1,2}>[ ]*|[*_`:]*[ ]*(?:\r?\n)+(?:[-=]{3,}\n)?|(?=\d|-\d"
    r"|(?-i:[A-H])(?:[ .),]|$)))"
    r"|(?P<between>[^\n.:=!?;]{0,80}?)"
    r"(?P<verb>\bn['’]est(?:[ ]+(?:donc|alors))?[ ]+pas\b|\bne[ ]sont[ ]pas\b"
    r"|\b(?:est|sont|vaut|valent|serait|sera|is|are)\b|:))"
    r"(?P<filler>(?:[ ]*(?:donc|alors|bien|ainsi|finalement|égale?[ ]à|évidemment)\b)*[ ]*[:=]?[*_` ]*)",
    re.IGNORECASE,
)
_WRONG_BEFORE = re.compile(
    r"(?:mauvaise?|fausses?|faux|incorrecte?|autres?|première|précédente?|intermédiaires?|partielle?|"
    r"premier|wrong|sans|pas de|aucune?|cette|le nombre de|nombre de)[ ]+\w{0,2}$",
    re.IGNORECASE,
)
_INTERMEDIATE = re.compile(
    r"intermédiaire|partiel|précédent|première|(?:est|sont)[ ]+(?:fausse|incorrecte)", re.IGNORECASE
)
_TAG_END = "</answer>"
_BOXES = ("\\boxed", "\\fbox")
_JOINED = re.compile(
    r"[\s$\\,;)(.\]\[]*(?:et|ou|and|or|,|;)?[\s$\\()\[\]]*(?:[A-Za-z](?:_\{?\w\}?)?\s*=\s*)?[\s$]*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Announced:
    """A passage that is said to be the answer."""

    text: str
    """From the answer's first character on; readable."""
    weak: bool
    """It may be an intermediate result."""
    negated: bool
    """« La réponse n'est pas … »."""


def boxed(text: str) -> tuple[str, int] | None:
    """The last box's content and the position after it; boxes joined by « et » or « ou » count as one.

    Returns:
        None without a box, or with one that never closes: it was cut off.
    """
    start = max(text.rfind(name) for name in _BOXES)
    if start < 0:
        return None
    content = _box(text, start)
    if content is None:
        return None
    inside, end = content
    if "\\boxed" in inside or "\\fbox" in inside:
        return None
    enclosing = _enclosing(text, start)
    if enclosing is not None:
        return enclosing
    parts = [inside]
    while len(parts) < 8:
        before = max(text.rfind(name, 0, start) for name in _BOXES)
        earlier = _box(text, before) if before >= 0 else None
        if earlier is None or earlier[1] > start or start - earlier[1] > 40:
            break
        joint = text[earlier[1] : start]
        if not re.search(r"\b(?:et|ou|and|or)\b|^[\s$]*[,;]", joint) or not _JOINED.fullmatch(joint):
            break
        parts.insert(0, earlier[0])
        start = before
    return " ; ".join(parts) if len(parts) > 1 else inside, end


def _enclosing(text: str, start: int) -> tuple[str, int] | None:
    """``\\boxed{\\boxed{12}}``: what is inside counts, the end is the outer one's."""
    name_end = text.rfind("{", 0, start)
    if name_end < 0 or text[name_end + 1 : start].strip(" $"):
        return None
    outer = max(text.rfind(name, 0, name_end) for name in _BOXES)
    if outer < 0 or text.find("{", outer) != name_end:
        return None
    content = _box(text, outer)
    inner = _box(text, start)
    if content is None or inner is None:
        return None
    return inner[0], content[1]


def _box(text: str, start: int) -> tuple[str, int] | None:
    opening = text.find("{", start, start + 12)
    if opening < 0:
        space = re.compile(r"\\(?:boxed|fbox)\s+(\S{1,40})").match(text, start)
        return (space[1].rstrip("$."), space.end()) if space else None
    depth = 0
    for position in range(opening, min(len(text), opening + MAX_ANSWER)):
        character = text[position]
        if character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                return text[opening + 1 : position], position + 1
    return None


def tagged(text: str) -> str | None:
    """The content of the last ``<answer>…</answer>``."""
    end = text.rfind(_TAG_END)
    if end < 0:
        return None
    start = text.rfind("<answer>", 0, end)
    return text[start + 8 : end] if start >= 0 else None


def announced(text: str) -> Announced | None:
    """The last announcement, « la réponse est », « Réponse : », « Answer: », ``####``."""
    strong = _last(text, _STEMS, weak=False)
    if strong is not None:
        return strong
    return _last(text, _WEAK_STEMS, weak=True)


def _last(text: str, stems: tuple[str, ...], *, weak: bool) -> Announced | None:
    start = max(0, len(text) - _END)
    ends = {stem: found for stem in stems if (found := text.rfind(stem, start)) >= 0}
    if start and not ends:
        ends = {stem: found for stem in stems if (found := text.rfind(stem, 0, _START)) >= 0}
    for _ in range(_MAX_TRIES):
        if not ends:
            return None
        stem = max(ends, key=ends.__getitem__)
        position = ends[stem]
        said = _at(text, stem, position, weak=weak)
        if said is not None:
            return said
        earlier = text.rfind(stem, 0, position)
        if earlier < 0:
            del ends[stem]
        else:
            ends[stem] = earlier
    return None


def _at(text: str, stem: str, position: int, *, weak: bool) -> Announced | None:
    window = readable(text[position : position + _WINDOW])
    if stem == "####":
        passage = window.lstrip("# ")
        return Announced(passage, weak, negated=False) if passage[:1].strip() else None
    match = _ANNOUNCEMENT.match(window)
    if match is None or _WRONG_BEFORE.search(text[max(0, position - 40) : position]):
        return None
    verb = match["verb"] or ""
    if _INTERMEDIATE.search(match["between"] or ""):
        return None
    if verb and _INTERMEDIATE.match(window[match.start("verb") :][:24]):
        return None
    if not match["sign"] and not verb and match["between"] is not None:
        return None
    return Announced(window[match.end() :].lstrip("} "), weak, negated=verb[:1] in "nN" and bool(verb))
