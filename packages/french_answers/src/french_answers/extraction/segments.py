"""Finds the bare value in a statement: after its verb, after its last equality, at its end."""

from __future__ import annotations

import re

_VERB = re.compile(
    r"\b(?:est|sont|vaut|valent|était|serait|(?<!ou )[ée]gale?s?(?:\s+à)?|on\s+(?:obtient|trouve|a)|obtient"
    r"|trouve"
    r"|donne|reste|soit|il\s+y\s+(?:en\s+)?a|il\s+(?:en\s+)?faut|mesure|p[èe]se|"
    r"dure|co[ûu]te|(?:converge(?:nt)?|diverge(?:nt)?|tend(?:ent)?)\s+vers|appartien(?:t|nent)\s+à|contient"
    r"|poss[èe]de|compte|is|equals|pour\s+(?:coordonnées|affixe|solutions?|valeur|limite"
    r"|ensemble\s+de\s+d[ée]finition))\b"
    r"(?:\s+(?:donc|bien|alors|ainsi|égale?s?\s+à|exactement|que|de|d'))*\s*:?\s*",
    re.IGNORECASE,
)
_VALUE_START = re.compile(
    r"(?<![\w'])[A-Z]\s?\((?=[^()]*[;,])|(?:[+±-]\s*)?(?:\d|\\[a-zA-Z{]|[√∞π∅ℝℕ½¼¾⅓⅔(\[\]{])"
    r"|(?<![\w'])[A-Za-z](?:_\{?\w\}?|'{1,2})?\s*(?:\([^()]{1,12}\)\s*)?[=≈∈^]"
    r"|(?<=\s)[A-Za-z]\s*[-+/*]\s*[\dA-Za-z]"
)
_HAZARD = re.compile(
    r"\b(?:partir|avant|apr[èe]s|plus|moins|presque|pr[èe]s|inf[ée]rieure?s?|sup[ée]rieure?s?|entre|jusqu|\w+aine"
    r"|paire|couple|ln|log"
    r"|exp|sin|cos|tan|sqrt|pas|non"
    r"|ne|n|ni|sauf|sans|aucune?|jamais|"
    r"diff[ée]rente?s?|distincte?s?|question|exercice|page|[ée]tape|num[ée]ro|moiti[ée]|double|triple|tiers"
    r"|quart|carr[ée]e?|racine|cube|"
    r"inverse|oppos[ée]|logarithme|multiple|diviseur|puissance|environ|priv[ée]|depuis|vers|ou|et|facteur"
    r"|multipli\w*|divis\w*|ajout\w*|"
    r"sur|entre|minimum|maximum|figure|ligne|chapitre|partie|th[ée]or[èe]me|d[ée]passe\w*|exc[èe]de\w*"
    r"|atteint|jamais|exclu\w*|évit\w*)\b|[=<>≤≥≠+*/^]"
)
_BEFORE_VALUE = (" ", ":", "'")
_COMMENT = re.compile(
    r"\s*,?\s+(?:en arrondissant|en arrondi|(?:une fois|après)? ?arrondie?s?|après arrondi|au total|en tout"
    r"|convien(?:t|nent)"
    r"|pour tou(?:t|te|s)\b[^=]{0,40}|quel que soit[^=]{0,40}"
    r"|exactement|au final|environ)(?:\s+(?:à|au)\b[^\d=]{1,30})?$",
    re.IGNORECASE,
)
_VECTOR_NAME = re.compile(r"^\\(?:overrightarrow|vec)\s*(?:\{[^{}]*\}|\w)\s*=?\s*(?=\(|\\begin|\\left)")
_ABOUT = re.compile(
    r"(?<=\S)(?<!≈)\s*[,;(]?\s+(?:(?:soit|ou|c'est-à-dire)\s+)?(?:environ|approximativement"
    r"|à peu près)\s+(?=[\d-])"
)
"""« √2, soit environ 1,41 » is « √2 ≈ 1,41 »."""
_LABEL = re.compile(
    r"^\s*(?:[A-Za-z]|\\[A-Za-z]+)(?:_\{?\w\}?)?\s*\([^()=]{0,40}[<>≤≥][^()=]{0,20}\)\s*(?:=|≈|\\approx)\s*"
)
"""« P(X<2) ≈ » names the value that follows."""
_DURATION_AND = re.compile(
    r"(\d\s*(?:h|heures?|min|minutes?|j|jours?))\s+et\s+(?=\d+\s*(?:h|min|s|m)[a-z]*\b)"
)
_LAW = re.compile(
    r"\bloi\s+(binomiale|normale)\s+de\s+param[èe]tres?\s+(?:[a-zµμσ]\s*=\s*)?([\d,./-]*\d)\s*(?:et|;"
    r"|,\s)\s*(?:[a-zµμσ]²?\s*=\s*)?([\d,./]*\d)",
    re.IGNORECASE,
)
_SMALL = {
    word: number
    for number, word in enumerate(
        ("un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"), start=1
    )
} | {"une": 1}
_AND_A_HALF = re.compile(r"(\d+|" + "|".join(_SMALL) + r")\s*([^\W\d_]*)\s*et\s+demie?", re.IGNORECASE)
"""« Deux heures et demie », « un et demi »."""
_NIL = frozenset({"nul", "nulle", "nuls", "nulles"})
_CLOCK = re.compile(r"\b([01]?\d|2[0-4])\s?:\s?([0-5]\d)\b")
"""Times of day, where the gold is one."""
_COUNTED = re.compile(
    r"(?<![\d.,])\d\s*((?!(?:dizaine|douzaine|centaine|millier|million|milliard|quart|tiers|demi|moiti|fois"
    r"|pour|cents?\b|mille|dixi|centi[èe]|"
    r"milli[èe]))[^\W\d_]{3,})\s+(?:de\s|d'|du\s|des\s)[^\d=]*$",
    re.IGNORECASE,
)
"""« 5 litres de peinture »: what is counted is not part of the value."""
_WORD = re.compile(r"[^\W\d_]{2}")
_DECREASE = re.compile(r"\b(?:baiss|diminu|r[ée]duction|r[ée]dui|recul|perte|remise|chut)\w*", re.IGNORECASE)
_RELATION = re.compile(r"[<>≤≥≠]|\\(?:leq?|geq?|neq?|lt|gt)(?![A-Za-z])")
_BETWEEN = re.compile(r"\b(?:et|ou|puis)\b|;|,\s")
_COMMA_PARTS = re.compile(r"^(?:[^=]*,\s+)(?=[^=]*$)")


def value_segments(gold: str, text: str) -> list[str]:
    """What may be the bare value in a statement, most literal first; one or two for almost all texts.

    The value after the last verb or equality is what a statement says; words before it may only introduce it:
    « plus de 12 », « avant 1789 » or « le double de 12 » say something else.
    """
    if text.startswith("\\"):
        text = _VECTOR_NAME.sub("", text, count=1)
    if len(text) > 8:
        text = _shortened(gold, text)
    segments = [text]
    bare = text
    if ":" in text and "h" in gold:
        segments.append(_CLOCK.sub(r"\1 h \2", text))
    if bare.casefold() in _NIL:
        return ["0"]
    counted = _COUNTED.search(text)
    if counted is not None:
        text = bare = text[: counted.end(1)]
        segments.append(text)
    if _WORD.search(text):
        bare = _after_verb(text)
        start = _VALUE_START.search(bare)
        if (
            start is not None
            and bare[: start.start()][-1:] in _BEFORE_VALUE
            and not _HAZARD.search(bare[: start.start()].casefold())
        ):
            bare = bare[start.start() :]
            if "%" in bare and gold[:1] in "-−" and _DECREASE.search(text):
                bare = "-" + bare
        if bare.casefold() in _NIL:
            bare = "0"
        if bare != text:
            segments.append(bare)
    if "≈" in bare and gold[-1:].isdigit():
        segments.append(bare.rpartition("≈")[2].strip())
    if "=" in bare and "=" not in gold and not _RELATION.search(bare):
        head, _, last = bare.rpartition("=")
        if (
            last.strip()
            and not _BETWEEN.search(head.rpartition("=")[2] if "=" in head else "")
            and not _BETWEEN.search(head)
        ):
            segments.append(last.strip())
    elif bare.count("=") > 1 and gold.count("=") == 1 and not _BETWEEN.search(bare):
        segments.append(f"{bare.partition('=')[0]}={bare.rpartition('=')[2]}")
    return segments


def _shortened(gold: str, text: str) -> str:
    """Take a comment or a label off, and write « soit environ » and a law's name as signs."""
    text = _COMMENT.sub("", text)
    if "demi" in text:
        half = _AND_A_HALF.fullmatch(text)
        if half is not None:
            return f"{_SMALL.get(half[1].casefold(), half[1])},5 {half[2]}".rstrip()
    if "nviron" in text or "prox" in text or "peu pr" in text:
        text = _ABOUT.sub(" ≈ ", text)
    if "(" in text and "(" not in gold:
        text = _LABEL.sub("", text, count=1)
    if " et " in text and _WORD.search(gold):
        text = _DURATION_AND.sub(r"\1 ", text)
    if gold[:2] in {"B(", "N("} and "param" in text:
        law = _LAW.search(text)
        if law is not None:
            return f"{'B' if law[1].lower() == 'binomiale' else 'N'}({law[2]};{law[3]})"
    return text


def _after_verb(text: str) -> str:
    end = 0
    for found in _VERB.finditer(text):
        end = found.end()
    return text[end:] if text[end:].strip() else text
