"""Reads sentences: where one ends, what only explains, what is corrected or denied, what is concluded."""

from __future__ import annotations

import re

from french_answers.lexicon import OPEN_WORDS

_SENTENCE_END = re.compile(
    r"(?<![ .(]M)(?<![ .(][I-Z])"
    r"(?<!\be\.g)(?<!\bi\.e)(?<!\bav)(?<!\bapr)(?<!\benv)(?<!\bp)(?<!J)(?<!-C)(?<!\bcf)(?<!\bMme)(?<!^\d)"
    r"(?<!^[a-hA-H])(?<![.?…])(?:[.?…]|(?<=[\s.?])!|(?<=[^\W\d_][^\W\d_])!)+[\"»*_)]*(?:\s+(?!(?:ou|et)\b)|$)"
    r"|\n+|[ ];[ ](?=(?:il|elle|on|comme|or|puisque|donc|ainsi|c'est|et|la|le|les|mais)\b)",
)
_VERIFICATION = re.compile(
    r"[*_ ]*(?:on\s+|nous\s+|je\s+|pour\s+|après\s+)?(?:v[ée]rifi|(?:contre-)?exemples?\b|par exemple"
    r"|explication|justification|remarque|preuve|d[ée]monstration|"
    r"d[ée]tails?\b|rappel|en effet|car\b|puisque\b|n'h[ée]site|j'esp[èe]re|i hope|bonne (?:chance"
    r"|continuation|journ[ée]e)|"
    r"voir\b|source|note[ :]|explanation|voil[àa]\b|cela (?:correspond|signifie|confirme|veut dire)|ce qui"
    r"|cette r[ée]ponse|"
    r"si (?:tu|vous)|avez-vous|as-tu|ce r[ée]sultat|commentaire|m[ée]thode|bon courage|fin\b|total de points"
    r"|c'est coh[ée]rent|"
    r"le r[ée]sultat est coh[ée]rent)",
    re.IGNORECASE,
)
_EXPLANATION = re.compile(
    r"(?:,\s*|\s+|\()(?:car\b|puisque|parce qu|en effet\b|étant donné|vu que|because|since|c'est-à-dire"
    r"|autrement dit|d'après\b|selon\b)",
    re.IGNORECASE,
)
_DENIED_TAIL = re.compile(
    r"(?:\s*[,;(—–]\s*(?:et\s+|mais\s+)?(?:non(?:\s+pas)?|pas)\b(?!\s*,)|\s+et\s+(?:non"
    r"|pas)(?:\s+pas)?\b(?=\s+\S)|\s*[,(]?\s*(?:plutôt que|au lieu d|contrairement à|à la place d))"
    r"[^\n]*",
    re.IGNORECASE,
)
_NOT_BUT = re.compile(
    r"\b(?:pas|non|ni|plus|jamais)\b[^\n]{0,120}?(?:\bmais\b(?!\s+(?:ni|pas|non)\b)(?:\s+(?:bien|plutôt))?"
    r"|[,;.:]\s*(?:c'est|il s'agit)\b(?!\s+(?:car|parce))|"
    r"[,;]\s*(?:elle|il)\s+est\b)\s*",
    re.IGNORECASE,
)
_IS_WRONG_BUT = re.compile(
    r"\b(?:faux|fausses?|incorrecte?s?|erron[ée]e?s?|inexacte?s?|absurde"
    r"|impossible)\b\s*[,;.:]\s*(?:donc\s+)?(?:c'est|la (?:bonne )?réponse est|il s'agit de|mais)\b\s*",
    re.IGNORECASE,
)
_CORRECTION = re.compile(
    r"(?:[.,;:!?…]|\s[-–—]|\()\s*(?:(?:ah|oh|euh|mais|oups|ou plutôt|enfin|ou)\s*,?\s*)?"
    r"(?:non\s*[,:;.!…—–-]+\s*(?:pardon\s*[,:]?\s*)?(?:en fait|plutôt|c'est|je voulais dire)?|en fait"
    r"|en réalité|erreur(?:\s+de\s+\w+)?\s*[,:;.!]|pardon\b|oups\b|"
    r"correction\b|rectification\b|je (?:me )?(?:rectifie|corrige|suis trompée?|trompe)|je voulais dire"
    r"|ou plutôt|plutôt\b|attendez|wait\b|actually\b|no,)\s*[,:;.!…—–-]*\s*"
    r"(?:(?:c'est|il s'agit de|la réponse est)\s+)?",
    re.IGNORECASE,
)
_CORRECTION_GATES = (
    "non", "Non", "NON", "n fait", "n réalité", "rreur", "ardon", "ups", "orrection", "ectif", "orrige",
    "romp", "oulais", "lutôt", "ttend", "ait,", "ctually", "no,", "No,",
)  # fmt: skip
_HEDGE_TAIL = re.compile(
    r"\s*[,;(—–]?\s*(?:mais\s+)?\b(?:(?:(?:si )?je ne (?:me trompe|suis pas)|si je ne m'abuse|je (?:crois"
    r"|pense|suppose)\b(?! que)|sauf erreur|"
    r"me semble|à vérifier|sous réserve|sans certitude|sans garantie)[^\n\d]*|(?:peut-être|probablement"
    r"|sans doute)[\s.,!?)]*)$",
    re.IGNORECASE,
)
_HEDGE_HEAD = re.compile(
    r"^(?:je (?:crois|pense|dirais|suppose)(?:\s+que)?|il me semble que|sans doute|probablement|peut-être"
    r"|à mon avis|selon moi|d'après moi)\s*,?\s*(?:que\s+|c'est\s+)?",
    re.IGNORECASE,
)
_HEDGE_GATES = (
    "je ",
    "Je ",
    "auf err",
    "me sembl",
    "érifier",
    "eut-être",
    "robablement",
    "ans ",
    "mon avis",
    "elon",
    "rès moi",
    "ous rés",
)
_UNKNOWN = re.compile(
    r"\b(?:je (?:ne |n')?(?:sais|peux|connais|arrive|suis)\s+pas\b(?!\s+(?:sûr|certain))|je l'ignore"
    r"|i (?:don't|do not|cannot|can't) |"
    r"impossible de (?:répondre|conclure|déterminer|savoir|le savoir)|on ne peut pas (?:répondre|conclure"
    r"|savoir|déterminer)|"
    r"aucune idée|pas de réponse|sans réponse|aucune (?:bonne )?réponse)",
    re.IGNORECASE,
)
_CONNECTOR = re.compile(
    r"\b(?:donc|d'où|ainsi|finalement|par conséquent|par suite|en conclusion|conclusion|en définitive"
    r"|au final|il vient|"
    r"ce qui (?:donne|fait|nous donne)|c'est-à-dire|autrement dit|on (?:en )?(?:conclut|déduit)(?: que)?"
    r"|hence|thus|therefore|so)\b\s*[,:]?\s*"
    r"|⟹|⟺|⇒|⇔|=>|\\(?:iff|implies|Rightarrow|Leftrightarrow|Longrightarrow|to|longrightarrow)(?![A-Za-z])|→"
    r"|⟶",
    re.IGNORECASE,
)
DENIES_THAT = re.compile(
    r"\b(?:faux|pas|impossible|inexact|incorrect|erron[ée]|douteux|exclu|absurde)\s+(?:vrai\s+|exact\s+"
    r"|possible\s+)?(?:que?\b|qu'|de (?:dire|penser|croire|conclure)\b)",
    re.IGNORECASE,
)
"""« Il est faux que la réponse soit 8 »: the clause is denied as a whole."""
_BELOW = re.compile(r"\\?lim(?:its)?\s*_\s*\{[^{}]*\}")
_WHEN = re.compile(
    r"[\s,]+(?:quand|lorsque?|lorsqu'|when|as|en\s*[+-]?\s*(?:∞|\\infty|l'infini))(?![^\W\d_]).*",
    re.IGNORECASE | re.DOTALL,
)
_SEQUEL = re.compile(r"\b(?:soit|alors|puis|enfin)\b\s*[,:]?\s*", re.IGNORECASE)
"""Lead from one value to the next; between words they do not: « croissante puis décroissante »."""
_VALUE_FIRST = re.compile(
    r"(?!(?:environ|approximativement|à peu près)\b)(?:encore|donc|à|de|on (?:a|obtient|trouve)"
    r"|il (?:en )?reste)?\s*"
    r"(?:\S*[\d=√\\π∞]|[A-Za-z]\s*[=∈]|(?:une?|deux|trois|quatre|cinq|six|sept|huit|neuf|dix|onze|douze"
    r"|vingt|trente|cent|mille)\b)",
    re.IGNORECASE,
)
_OPEN_NOUNS = frozenset({"réponse", "solution", "résultat"})
_OPEN_SIGNS = frozenset("=×*/≤≥≈(,:")
_OPEN_SPACED_SIGNS = frozenset("+<>-")
_OPEN_COMMANDS = frozenset(
    (
        "\\frac", "\\dfrac", "\\tfrac", "\\sqrt", "\\text", "\\mathrm", "\\boxed", "\\left", "\\right",
        "\\times", "\\cdot", "\\approx", "\\begin", "\\le", "\\ge", "\\leq", "\\geq", "\\in", "\\cup",
    )
)  # fmt: skip
"""Words and signs that ask for another: a text that ends with one breaks off."""
SUBSTANCE = re.compile(r"[^\W_]|[∞½¼¾⅓⅔∅ℝℕℤℚℂ]")
VALUE = re.compile(
    r"[\d⁰¹²³⁴⁵⁶⁷⁸⁹₀-₉∞½¼¾⅓⅔⅕⅙⅛∅ℝℕℤℚℂπ√=^]|\\[a-zA-Z]|\b[a-zA-Z]\b\s*[-+*/^)]|"
    r"\b(?:infini|z[ée]ro|une?|deux|trois|quatre|cinq|six|sept|huit|neuf|dix|onze|douze|treize|quatorze"
    r"|quinze|seize|vingts?|trente|"
    r"quarante|cinquante|soixante|cents?|mille|millions?|milliards?|vide|r[ée]els?|nulle?s?|pi|sin|cos|tan"
    r"|log|ln|exp"
    r"|sqrt)\b",
    re.IGNORECASE,
)


_ENDS = (".", "\n", "! ", "? ", "… ", "!", "?", " ; ")
_UNKNOWN_GATES = ("pas", "gnore", "possible", "ucune", "ans rép", "on't", "annot", "an't", "o not")


def sentences(text: str) -> list[str]:
    """Split into sentences and lines that hold something; abbreviations and ``B. 3π`` do not end one."""
    for end in _ENDS:
        if end in text:
            break
    else:
        return [text] if SUBSTANCE.search(text) else []
    parts = _SENTENCE_END.split(text)
    return [part.strip() for part in parts if SUBSTANCE.search(part)]


def is_aside(sentence: str) -> bool:
    """Tell a sentence that checks, explains or takes leave from one that answers."""
    return _VERIFICATION.match(sentence) is not None


def is_unknown(text: str) -> bool:
    """Tell « je ne sais pas »."""
    for gate in _UNKNOWN_GATES:
        if gate in text:
            break
    else:
        return False
    return _UNKNOWN.search(text) is not None


def is_unfinished(text: str) -> bool:
    """Tell a text that stops within a sentence: its last word or sign asks for another."""
    tail = text[-60:].rstrip(" \n*_`$").rpartition("\n")[2]
    if not tail:
        return False
    sign = tail[-1]
    if sign in _OPEN_SIGNS or (sign in _OPEN_SPACED_SIGNS and tail[-2:-1] == " "):
        return SUBSTANCE.search(tail) is not None
    start = max(tail.rfind(" "), tail.rfind("'"), tail.rfind("("), tail.rfind("\\") - 1) + 1
    word = tail[start:].casefold()
    if word in _OPEN_NOUNS:
        return start == 0 or tail[max(0, start - 4) : start - 1].casefold() in {"la", " la", " le", "le"}
    return (word in OPEN_WORDS and (start > 0 or len(word) > 3)) or word in _OPEN_COMMANDS


def without_explanation(text: str) -> str:
    """Cut « car … » and the like off, where something stands before."""
    match = _EXPLANATION.search(text)
    if match is not None:
        head = text[: match.start()].rstrip(" ,(")
        if SUBSTANCE.search(head) and head.casefold() not in {"donc", "ainsi", "alors", "or", "et"}:
            return head
    return text


def obey_corrections(text: str) -> str:
    """What remains asserted: « 12, non, en fait 13 » is 13, « 42, pas 24 » is 42, « pas 12 mais 14 » is "
    "14."""
    for gate in _CORRECTION_GATES:
        if gate in text:
            break
    else:
        return _not_but(text)
    corrected = None
    for found in _CORRECTION.finditer(text):
        if SUBSTANCE.search(text[: found.start()]) and SUBSTANCE.search(text[found.end() :]):
            corrected = found
    if corrected is not None:
        text = text[corrected.end() :]
    return _not_but(text)


def _not_but(text: str) -> str:
    if "pas" in text or "non" in text or "Pas" in text or "Non" in text or "ni " in text:
        match = _NOT_BUT.search(text)
        if match is not None and SUBSTANCE.search(text[match.end() :]):
            text = text[match.end() :]
        match = _DENIED_TAIL.search(text)
        if match is not None and SUBSTANCE.search(text[: match.start()]):
            text = text[: match.start()]
    elif "plutôt que" in text or "au lieu d" in text or "contrairement" in text:
        match = _DENIED_TAIL.search(text)
        if match is not None and SUBSTANCE.search(text[: match.start()]):
            text = text[: match.start()]
    if "fau" in text or "correct" in text or "absurde" in text or "rron" in text or "nexact" in text:
        match = _IS_WRONG_BUT.search(text)
        if match is not None and SUBSTANCE.search(text[match.end() :]):
            text = text[match.end() :]
    return text


def without_hedge(text: str) -> str:
    """Take « sans doute » or « si je ne me trompe pas » off: one answer is given all the same."""
    for gate in _HEDGE_GATES:
        if gate in text:
            break
    else:
        return text
    text = _HEDGE_HEAD.sub("", text, count=1)
    match = _HEDGE_TAIL.search(text)
    if match is not None and SUBSTANCE.search(text[: match.start()]):
        text = text[: match.start()]
    return text


def without_condition(text: str) -> str:
    """Cut « quand x tend vers +∞ » off, and what stands below a limit's sign: it is no part of the value."""
    if "lim" in text:
        text = _BELOW.sub("lim ", text)
    match = _WHEN.search(text)
    if match is not None and VALUE.search(text, 0, match.start()):
        return text[: match.start()]
    return text


def conclusion(text: str, *, needed: re.Pattern[str] = SUBSTANCE) -> str:
    """What follows the last « donc », « d'où » or arrow, or for values « soit », if it holds what is "
    "needed."""
    best = 0
    for found in _CONNECTOR.finditer(text):
        if needed.search(text, found.end()):
            best = found.end()
    if needed is VALUE and text.count("soit") < 2:
        for found in _SEQUEL.finditer(text, best):
            if _VALUE_FIRST.match(text, found.end()):
                best = found.end()
    return text[best:].strip(" :").rstrip(",") if best else text
