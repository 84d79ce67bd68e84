"""Turns French words of quantities into signs: numbers, operations, infinities, sets, comparisons."""

from __future__ import annotations

import re

from french_answers.values.numerals import number_words
from french_answers.values.units import fold, lookup

_HALF_UNIT = re.compile(r"(\d+)( [^\W\d_]+)? et demie?\b", re.IGNORECASE)
_UNIT_ONE = re.compile(
    r"\bune?\b(?= (?:heures?|jours?|ans?|années?|mètres?|litres?|kilomètres?|minutes?)\b)", re.IGNORECASE
)
_CHANCES = re.compile(r"\b(?:(\d+)|une) chances? sur (\d+)\b", re.IGNORECASE)
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
    r"|environ|approximativement|[àa] peu pr[èe]s|d'environ)\b|(?<!\d)(?<!\d ):)",
    re.IGNORECASE,
)
_AFTER_VERB = re.compile(
    r"\s*(?:(?:donc|alors|bien|[ée]gale?s?|vers|que|rang|valeur|solutions?|l'intervalle|l'ensemble|le nombre"
    r"|la valeur|le point|le couple|le vecteur|la droite|d'[ée]quation|d'environ|environ|approximativement"
    r"|exactement|de|du|d'|[àa]|au|les|l'entier|le r[ée]el|la fraction|:|≈)(?=[\s(\[\]{\d√π+-]|$)\s*)+",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"(?:solutions?|l'intervalle|l'ensemble|le nombre|la valeur|le point|le couple|le vecteur|la droite"
    r"|la fraction|exactement|d'[ée]quation)\s+(?=[\s(\[\]{\d√π+-])",
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
    text = number_words(_UNIT_ONE.sub("1", text))
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
    lead = (_AFTER_VERB if end else _LEAD).match(rest)
    return (rest[lead.end() :] if lead else rest).strip()


def is_about(text: str) -> bool:
    """Whether a text says that its number is rounded."""
    return _ABOUT.search(text) is not None


def without_parameter(text: str) -> str:
    """Take ``, k ∈ ℤ`` off the end."""
    return _TOUR.sub("", text) if "∈" in text or "entier" in text else text


_NO_NOUNS = frozenset({
    "alors", "apres", "avec", "avant", "bien", "carre", "carres", "cent", "cents", "certains",
    "chiffre", "chiffres", "cube", "cubes", "dans", "decimale", "decimales", "depuis", "des", "deux",
    "dix", "donc", "dont", "ere", "environ", "eme", "est", "exclu", "exclue", "exclus", "fois", "ieme",
    "inclus", "incluse", "jamais", "les", "lors", "mais", "maximum", "max", "minimum", "min", "mod",
    "modulo", "moins", "nde", "non", "nul", "nulle", "nuls", "par", "pas", "plus", "plusieurs", "pour",
    "pres", "puis", "puissance", "puissances", "quand", "que", "sans", "sauf", "six", "sous", "suivi",
    "sur", "tous", "toujours", "tout", "tres", "trois", "vers", "autre", "autres", "faux",
    "factorielle", "double", "triple", "moitie", "tiers", "virgule", "degre", "premier", "premiers",
    "second", "seconds", "elle", "ils", "soit", "comme", "entre", "encore", "rien", "meme", "parmi",
    "pendant",
})  # fmt: skip
"""Words that name nothing countable, or turn a number into another one or into a bound."""


def is_noun(word: str, *, plural: bool = False) -> bool:
    """Whether a word may name what is counted; *plural*: as it does after two or more."""
    if len(word) < 3 or not word.isalpha():
        return False
    folded = fold(word)
    return folded not in _NO_NOUNS and (not plural or folded[-1] in "sx") and lookup(word) is None
