"""Turns French words of quantities into signs: numbers, operations, infinities, sets, comparisons."""

from __future__ import annotations

import re

from include.leaderboard.scoring.values.units import fold, lookup

_NUMBERS = {
    word: value
    for value, word in enumerate(
        (
            "zero", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze",
            "douze",
            "treize", "quatorze", "quinze", "seize",
        )
    )
} | {
    "une": 1, "vingt": 20, "vingts": 20, "trente": 30, "quarante": 40, "cinquante": 50, "soixante": 60,
    "septante": 70, "huitante": 80, "octante": 80, "nonante": 90,
}  # fmt: skip
_SCALES = {
    "dizaine": 10, "dizaines": 10, "douzaine": 12, "douzaines": 12, "centaine": 100, "centaines": 100,
    "mille": 10**3, "millier": 10**3, "milliers": 10**3, "million": 10**6, "millions": 10**6,
    "milliard": 10**9, "milliards": 10**9, "billion": 10**12, "billions": 10**12,
}  # fmt: skip
_HUNDREDS = {"cent": 100, "cents": 100}
_PARTS = {
    "demi": 2, "demie": 2, "moitie": 2, "tiers": 3, "quart": 4, "quarts": 4, "cinquieme": 5, "sixieme": 6,
    "septieme": 7, "huitieme": 8, "neuvieme": 9, "dixieme": 10, "onzieme": 11, "douzieme": 12,
    "quinzieme": 15,
    "seizieme": 16, "vingtieme": 20, "trentieme": 30, "centieme": 100, "millieme": 1000,
}  # fmt: skip
_PART = re.compile(r"\b(\d+) (?:(demie?|tiers|quarts?)|(\w+i[eè]mes?))\b", re.IGNORECASE)
_HALF_UNIT = re.compile(r"(\d+)( [^\W\d_]+)? et demie?\b", re.IGNORECASE)
_UNIT_ONE = re.compile(
    r"\bune?\b(?= (?:heures?|jours?|ans?|années?|mètres?|litres?|kilomètres?|minutes?)\b)", re.IGNORECASE
)
_CHANCES = re.compile(r"\b(?:(\d+)|une) chances? sur (\d+)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+")
WORDS = re.compile(
    r"(?<![\\A-Za-z])(?!(?:sin|cos|tan|exp|sqrt|log|lim)\b)(?:[^\W\d_]{3}|(?:un|pi|de|du|on|au|ni)\b)",
    re.IGNORECASE,
)
"""Whether a text may hold words of the language at all, and not only symbols."""

_PHRASES = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"\bmoins l'infini\b", " -∞ "),
        (r"\bplus l'infini\b", " +∞ "),
        (r"\b(?:l')?infini\b", " ∞ "),
        (r"\bpour[ -]?cents?\b", "%"),
        (r"\bpour[ -]?mille\b", "‰"),
        (r"\bracine (?:carr[ée]e )?de\b", " √ "),
        (r"\bracine cubique de\b", " ∛ "),
        (r"\b(?:tous les (?:nombres )?r[ée]els|(?:l')?ensemble des (?:nombres )?r[ée]els)\b", r" \\R "),
        (r"\b(?:(?:l')?ensemble vide|(?:il n'y a )?(?:aucune|pas de) solutions?(?: r[ée]elles?)?)\b", " ∅ "),
        (r"\b(?:priv[ée]s? d(?:e |u )(?:r[ée]el )?|sauf )", r" ∖ "),
        (r"\b(?:strictement )?sup[ée]rieure?s? ou [ée]gale?s? [àa]\b", " ≥ "),
        (r"\b(?:strictement )?inf[ée]rieure?s? ou [ée]gale?s? [àa]\b", " ≤ "),
        (r"\bstrictement sup[ée]rieure?s? [àa]\b", " > "),
        (r"\bstrictement inf[ée]rieure?s? [àa]\b", " < "),
        (r"\b(?:diff[ée]rente?s? de|distincte?s? de)\b", " ≠ "),
        (r"\bau carr[ée]\b(?=\s*(?:$|[-+*/=,;)]))", "^2 "),
        (r"\bau cube\b(?=\s*(?:$|[-+*/=,;)]))", "^3 "),
        (r"\b(?:exposant|puissance) moins\b", "^-"),
        (r"\b(?:exposant|puissance)\b", "^"),
        (r"(?<=[\dπ)]) sur (?=[\dπ√( ])", " / "),
        (r"(?<=[\dπ)]) (?:fois|multipli[ée] par) (?=[\dπ√( ])", " * "),
        (r"(?<=[\dπ)]) divis[ée] par (?=[\dπ√( ])", " / "),
        (r"(?<=[\dπ)]) plus (?=[\dπ√( ])", " + "),
        (r"(?<=[\dπ)]) moins (?=[\dπ√( ])", " - "),
        (r"(?:^|(?<=[=:( ]))moins (?=[\dπ√])", "-"),
        (r"(?<=\d) virgule (?=\d)", ","),
        (r"^la (?=1/2$)", ""),
        (r"\bpi\b", "π"),
        (r"\bplus ou moins\b", " ± "),
    )
)
_TRIGGERS = re.compile(
    r"infini|cent|mille|racine|r[ée]els|vide|solution|priv|sauf|sup[ée]rieur|inf[ée]rieur|diff[ée]rent|distinct|carr"
    r"|cube|puissance|exposant|^la |sur|fois|divis|plus|moins|virgule|\bpi\b",
    re.IGNORECASE,
)
_CHANGE = re.compile(
    r"(?:^|.*?[\s'])(?P<down>baiss\w*|diminu\w*|r[ée]duction|r[ée]duit\w*|recul\w*|perte|chut\w*)\b[^\d+-]{0,20}?(?=\d)"
    r"|(?:^|.*?[\s'])(?P<up>hausse|augment\w*|progress\w*|croissance|gain)\b[^\d+-]{0,20}?(?=\d)",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"(?:\b(?:est|sont|vaut|valent|vaudra|[ée]tait|fait|mesure|co[ûu]te|p[èe]se|contient|donne|tend|[ée]gale?s?|obtient|"
    r"obtenons|trouve|trouvons|donc|soit|d'o[ùu]|alors|ainsi|c'est|conclut|on a|nous avons|"
    r"pour (?:coordonn[ée]es|affixe|solutions?|valeur|limite|[ée]quation|ensemble)|[àa] partir d[eu]"
    r"|lorsque|quand|environ|approximativement|[àa] peu pr[èe]s|d'environ)\b|(?<!\d)(?<!\d ):)",
    re.IGNORECASE,
)
_AFTER_VERB = re.compile(
    r"\s*(?:(?:donc|alors|bien|[ée]gale?s?|vers|que|rang|valeur|solutions?|l'intervalle|l'ensemble|le nombre"
    r"|la valeur|le point|le couple|le vecteur|la droite|d'[ée]quation|d'environ|environ|approximativement"
    r"|exactement|de|du|d'|[àa]|au|les|l'entier|le r[ée]el|la fraction|:|≈)(?=[\s(\[\]{\d√π+-]|$)\s*)+",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"^(?:≈|~|(?:environ|approximativement|[àa] peu pr[èe]s)\b)|\b(?:environ|approximativement)$",
    re.IGNORECASE,
)
_TOUR = re.compile(
    r",?\s+\(?(?:avec|où|pour(?: tout)?|with)?\s*[kn]\s*(?:∈|un entier|entier|appartient).*$", re.IGNORECASE
)
_PLEASANTRIES = re.compile(
    r"^(?:sans doute|probablement|peut-[êe]tre|sûrement|certainement|exactement|exact|oui|bref|finalement"
    r"|enfin)\b[\s,:]*"
    r"|[\s,]*(?:si je ne (?:me trompe|m'abuse) pas|je (?:crois|pense)|sans doute|probablement|peut-[êe]tre"
    r"|exactement|unit[ée]s?|au total|en tout)\s*$",
    re.IGNORECASE,
)


_DOUBT = re.compile(
    r"\b(?:sans doute|probablement|peut-[êe]tre|je crois|je pense|si je ne (?:me trompe|m'abuse))\b",
    re.IGNORECASE,
)


def translate(text: str) -> str:
    """Write phrases as signs, e.g. ``trois quarts`` as ``3/4``; what is left of words stays."""
    if _TRIGGERS.search(text):
        for pattern, replacement in _PHRASES[:12]:
            text = pattern.sub(replacement, text)
    text = _number_words(_UNIT_ONE.sub("1", text))
    if "chance" in text:
        text = _CHANCES.sub(lambda match: f"{match[1] or 1}/{match[2]}", text)
    if "demi" in text:
        text = _HALF_UNIT.sub(r"\1,5\2", text)
    if _TRIGGERS.search(text):
        for pattern, replacement in _PHRASES[12:]:
            text = pattern.sub(replacement, text)
    if "^" in text:
        text = re.sub(r"\s+\^", "^", text)
    return text.strip()


def without_pleasantries(text: str) -> str:
    """Take doubt and emphasis off, that say nothing of the value."""
    return _PLEASANTRIES.sub("", text).strip()


def is_doubtful(text: str) -> bool:
    """Whether a text gives its value with doubt."""
    return _DOUBT.search(text) is not None


def signed_change(text: str) -> str | None:
    """Write ``une baisse de 20 %`` as ``-20 %``; None if the text speaks of no change of a share."""
    if "%" not in text:
        return None
    match = _CHANGE.match(text)
    if match is None:
        return None
    return ("-" if match["down"] else "+") + text[match.end() :]


def after_verb(text: str) -> str:
    """Keep what follows the last verb of a sentence, without the words that lead to the value."""
    end = 0
    for match in _VERB.finditer(text):
        if match.end() < len(text):
            end = match.end()
    rest = text[end:].strip()
    lead = _AFTER_VERB.match(rest)
    return (rest[lead.end() :] if lead else rest).strip()


def is_about(text: str) -> bool:
    """Whether a text says that its number is rounded."""
    return _ABOUT.search(text) is not None


def without_parameter(text: str) -> str:
    """Take ``, k ∈ ℤ`` off the end."""
    return _TOUR.sub("", text) if "∈" in text or "entier" in text else text


def _number_words(text: str) -> str:
    """Replace runs of number words; ``un`` alone stays an article, unless nothing else is there."""
    if not WORDS.search(text):
        return text
    result: list[str] = []
    position = 0
    run: list[re.Match[str]] = []
    for match in _WORD.finditer(text):
        word = fold(match.group())
        known = word in _NUMBERS or word in _HUNDREDS or word in _SCALES or word in _PARTS or _ordinal(word)
        if run:
            between = text[run[-1].end() : match.start()]
            joins = between in {" ", "-"} and (known or (word == "et" and between in {" ", "-"}))
            if joins:
                run.append(match)
                continue
            position = _finish(text, run, result, position)
            run = []
        if known:
            run = [match]
    if run:
        position = _finish(text, run, result, position)
    result.append(text[position:])
    return "".join(result)


def _ordinal(word: str) -> bool:
    return word in _PARTS or word.rstrip("s") in _PARTS


def _finish(text: str, run: list[re.Match[str]], result: list[str], position: int) -> int:
    while run and fold(run[-1].group()) == "et":
        run = run[:-1]
    words = [fold(match.group()) for match in run]
    before = text[: run[0].start()].rstrip()
    digits = re.search(r"\d+(?:[.,]\d+)?$", before)
    start, end = run[0].start(), run[-1].end()
    value = None
    if digits and len(words) == 1 and (words[0] in _SCALES or _ordinal(words[0])):
        value = _scaled(words[0])
    elif (not digits and words in (["un"], ["une"]) and (start, end) != (0, len(text))) or (
        not digits and len(words) == 1 and _ordinal(words[0]) and words[0] not in {"demi", "moitie"}
    ):
        value = None
    elif not digits:
        value = _spelled(words)
    if value is None:
        return position
    if text[end : end + 1] == "^":
        value = f"({value})"
    result.append(text[position:start] + value)
    rest = text[end:]
    scaled_noun = re.match(r"\s+d(?:e\s+|')(?=[^\W\d_])", rest)
    if scaled_noun and (words[-1] in _SCALES):
        result.append(" ")
        return end + scaled_noun.end()
    return end


def _scaled(word: str) -> str:
    if word in _SCALES:
        return f"*{_SCALES[word]}"
    return f"/{_PARTS.get(word) or _PARTS[word.rstrip('s')]}"


_COLLECTIVES = [[word] for word in ("dizaine", "dizaines", "douzaine", "douzaines", "centaine", "centaines")]


def _spelled(words: list[str]) -> str | None:
    """Read ``quatre-vingt-dix-sept``, ``trois cent mille``, ``cinq sixièmes``; None if it makes no number."""
    part = None
    if _ordinal(words[-1]):
        part = _PARTS.get(words[-1]) or _PARTS[words[-1].rstrip("s")]
        words = words[:-1]
        if words[-1:] == ["et"]:
            return None
    total = current = 0
    last = 10**18
    for word in words:
        if word == "et":
            continue
        if word in _NUMBERS:
            value = _NUMBERS[word]
            if value == 20 and current % 100 == 4:
                current += 76
            elif (
                (value and current % 10 and current % 100 not in (60, 80))
                or (value >= 20 and current % 100)
                or (current % 100 >= 20 and value >= 20)
            ):
                return None
            else:
                current += value
        elif word in _HUNDREDS:
            if current > 9:
                return None
            current = max(current, 1) * 100
        elif word in _SCALES:
            if _SCALES[word] >= last:
                return None
            last = _SCALES[word]
            total, current = total + max(current, 1) * last, 0
        else:
            return None
    value = total + current
    if part is None:
        return str(value)
    return f"{value or 1}/{part}"


_NO_NOUNS = frozenset(
    {
        "eme",
        "ieme",
        "nde",
        "ere",
        "exclu",
        "exclus",
        "exclue",
        "inclus",
        "incluse",
        "pres",
        "sur",
        "fois",
        "autre",
    }
    | {
        "autres",
        "sauf",
        "plus",
        "moins",
        "est",
        "modulo",
        "mod",
        "puis",
        "suivi",
        "maximum",
        "minimum",
        "max",
        "min",
    }
)
"""Words that turn a number into something else, or into a bound."""


def is_noun(word: str) -> bool:
    """Whether a word may name what is counted: three letters or more, and no unit."""
    return len(word) >= 3 and word.isalpha() and fold(word) not in _NO_NOUNS and lookup(word) is None
