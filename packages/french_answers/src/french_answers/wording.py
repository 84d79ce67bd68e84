"""Judges answers in words: nouns, adjectives, names of persons and places."""

from __future__ import annotations

import re
import unicodedata

from french_answers.lexicon import GENERIC, LEADS, NAMED_AFTER, NO_PERSON
from french_answers.policy import GradingPolicy

_ARTICLES = frozenset({"le", "la", "les", "l", "un", "une", "des", "du", "de", "d", "the"})
_LIGATURES = str.maketrans(
    {"œ": "oe", "æ": "ae", "Œ": "oe", "Æ": "ae", "’": "'", "‑": "-", "ᵉ": "e", "ʳ": "r"}
)
_TOKEN = re.compile(r"[^\W_]+")

_INTRODUCTION = re.compile(
    r"\b(?:c'est(?:-à-dire)?|ce sont|c'[ée]tait|ce fut|ce f[ûu]rent|s'agit|s'appelle|s'appelait|se nomme"
    r"|se nommait|se situe|se trouve|"
    r"est|sont|[ée]tait|[ée]taient|fut|furent|devient|sera|serait|correspond(?:ent)? à|on (?:obtient|trouve"
    r"|parle|appelle|observe|a)|"
    r"il se forme|il y a|nomm[ée]e?s?|appel[ée]e?s?|d[ée]signe|s'[ée]crit|vaut|repr[ée]sente|forment|forme"
    r"|a pour (?:nom|symbole|formule|nature|capitale)|"
    r"a lieu|n'admet|n'a|admet|poss[èe]de|s'est d[ée]roul[ée]e?|suit|suivent|utilise|applique|(?:été"
    r"|est)\s+\w{2,}(?:é|it|is|ert|u|nt)e?s?\s+par|reconna[îi]t"
    r"|is|was|affiche|renvoie|retourne|donne|conna[îi]t|choisi[rst]?|dite?s?)\b[' ]?"
    r"(?:\s*(?:donc|bien|alors|ainsi|tout simplement|[ée]galement|en fait|effectivement|toujours"
    r"|connue? sous le nom|appel[ée]e?s?)\b)*\s*:?",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"\b(?:pas|non|ni|jamais|aucune?|sans|nullement|sauf|plus que|ne|n'\w+)\b", re.IGNORECASE
)
_SEVERAL = re.compile(r"\b(?:ou|et|puis|ni|soit)\b|/|;", re.IGNORECASE)
_IDENTIFIES = re.compile(r"\s+(?:est|était|fut)\s+(?:bien\s+)?(?:la|le|l'|les)\s*\w")
_REMARK = re.compile(r"\s*[(\[][^()\[\]]*[)\]]\s*")
_COMPLEMENT = re.compile(
    r"\s*(?:\(|sur\b|de raison\b|de premier terme\b|de rapport\b|vers\b|quand\b|lorsque\b|pour\b"
    r"|en fonction\b|en (?:l'an )?\d|en [A-Z]\b|au voisinage\b|"
    r"si\b|avec\b|dans (?:ce|cet|cette|le|la|l')\b|,\s*+(?![A-ZÀ-Ý])(?!(?:ou|et|puis)\b))",
)
_LONG_COMPLEMENT = re.compile(_COMPLEMENT.pattern + r"|\s*(?:du|de la|de l'|des|d'un|d'une)\b")
"""Two words are exact enough to stay the same with an owner: « l'énergie cinétique du système »."""
_NAME_COMPLEMENT = re.compile(r"\s*(?:\(|qui\b|en (?:l'an )?\d|,\s*+(?![A-ZÀ-Ý])(?!(?:ou|et|puis)\b))")
_ROMAN = re.compile(r"[ivxl]+|\d+|er|ier|premier")
_LETTERS = re.compile(r"[^\W\d_]{2}")
_SYMBOLIC = re.compile(r"[\\^*=<>√∞∈∪{}]|\d\s*[+/-]\s*\d")
_CAPITAL = re.compile(r"[A-ZÀ-Ý]")
MAX_WORDS = 400


_DENIALS = (
    (re.compile(r"\b(?:n'est|ne sont|n'était)\s+pas\b", re.IGNORECASE), "est non"),
    (
        re.compile(
            r"\b(?:n'(?:a|admet|y a|existe)\s+|ne (?:possède|comporte)\s+)?pas\s+(?:de\s|d')", re.IGNORECASE
        ),
        "est aucune ",
    ),
    (re.compile(r"\baucun\b", re.IGNORECASE), "aucune"),
)
"""Two ways to say the same denial; used where the gold is one."""


def _denial(text: str) -> str:
    for pattern, replacement in _DENIALS:
        text = pattern.sub(replacement, text)
    return text


def tokens(text: str) -> list[str]:
    """Words in lower case, without accents, ligatures, hyphens, punctuation or articles."""
    return [token for token in _all_tokens(text) if token not in _ARTICLES]


def _all_tokens(text: str) -> list[str]:
    folded = text.translate(_LIGATURES).casefold()
    if not folded.isascii():
        folded = unicodedata.normalize("NFD", folded)
        folded = "".join(character for character in folded if not unicodedata.combining(character))
    return _TOKEN.findall(folded)


def predicate(text: str) -> str:
    """What a sentence says of its subject: what follows its last « est », « c'est », « s'appelle »."""
    end = 0
    for found in _INTRODUCTION.finditer(text):
        if _LETTERS.search(text, found.end()) or text[found.end() :].strip():
            end = found.end()
    return text[end:].strip()


def same_words(gold: str, text: str, policy: GradingPolicy) -> bool:
    """Judge a statement against expected words.

    A statement says a word when it is the word, or a sentence that predicates it, after a title or a general
    noun and before a complement; not when it denies it, or offers it beside another, or says it of something
    else.
    """
    text = text[:MAX_WORDS]
    if len(gold) == 1 and "\u0370" <= gold <= "\u03ff":
        return _greek(text) in {gold, unicodedata.name(gold, "").rpartition(" ")[2].casefold()}
    if gold.startswith("\\"):
        gold = _greek(gold)
    if _NEGATION.search(gold):
        gold, text = _denial(gold), _denial(text)
    expected = tokens(gold)
    if not expected:
        return gold.strip() == text.strip()
    given = tokens(text)
    if given == expected:
        return _signs(gold) == _signs(text)
    if _squeezed(predicate(text)) == _squeezed(gold) and not _NEGATION.search(text):
        return True
    if _SYMBOLIC.search(gold) or (len(given) > 2 and not _LETTERS.search(gold)):
        return False
    if _NEGATION.search(text) and not _NEGATION.search(gold):
        return False
    if _CAPITAL.match(gold) and _is_subject(gold, text):
        return True
    said = predicate(text)
    core = predicate(gold) if len(expected) > 2 else gold
    for one in dict.fromkeys((said, _REMARK.sub(" ", said).strip())):
        if _says(core, tokens(core), one, policy) or (core != gold and _says(gold, expected, one, policy)):
            return True
    return False


def _is_subject(gold: str, text: str) -> bool:
    """« Victor Hugo est l'auteur des Misérables » names Victor Hugo, if it says nothing else."""
    if not text.startswith(gold):
        return False
    match = _IDENTIFIES.match(text, len(gold))
    return match is not None and len(_INTRODUCTION.findall(text)) == 1 and not _SEVERAL.search(text)


def _greek(text: str) -> str:
    """The letter that ``\\alpha`` or its name stands for; a text that is none as it is."""
    bare = predicate(text).strip(" $.")
    name = bare.removeprefix("\\")
    if not name.isalpha() or not name.isascii() or name == bare:
        return bare
    kind = "CAPITAL" if name[0].isupper() else "SMALL"
    try:
        return unicodedata.lookup(f"GREEK {kind} LETTER {name.upper()}")
    except KeyError:
        return bare


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _signs(text: str) -> list[str]:
    return re.findall(r"[+<>=]|(?<!\w)-(?=\w)|\d[-+]", text)


def _says(gold: str, expected: list[str], said: str, policy: GradingPolicy) -> bool:
    given = tokens(said)
    if not given or not expected:
        return False
    if given == expected or _inflected(expected, given):
        return True
    several = _SEVERAL.search(said) is not None and _SEVERAL.search(gold) is None
    is_name = _CAPITAL.match(gold) is not None
    cut = _before_complement(said, is_name=is_name, long=len(expected) > 1)
    if cut is not None:
        if several and _SEVERAL.search(cut):
            return False
        rest = said[len(cut) :]
        if several and (is_name or re.search(r"\b(?:ou|puis)\b", rest) or _says_other(rest)):
            return False
        given = tokens(cut)
        if given == expected or _inflected(expected, given):
            return True
    elif several:
        return False
    while given and given[0] in LEADS and given != expected:
        given = given[1:]
        if given == expected or _inflected(expected, given):
            return True
    if expected[0] in GENERIC and len(expected) > 1 and given == expected[1:]:
        return True
    return policy.partial_name and is_short_name(gold, expected, given)


def _says_other(rest: str) -> bool:
    """« croissante sur [0;1] et décroissante » says two things; « sur [0;1] et [2;3] » one."""
    return re.search(r"\b(?:et|ou|puis)\s+(?!(?:sur|en|de|la|le|les)\b)[^\W\d_]{3,}", rest) is not None


def _before_complement(said: str, *, is_name: bool, long: bool) -> str | None:
    pattern = _NAME_COMPLEMENT if is_name else _LONG_COMPLEMENT if long else _COMPLEMENT
    for space in re.finditer(r"[ ,(]", said):
        if space.start() and pattern.match(said, space.start()):
            return said[: space.start()]
    return None


def _inflected(expected: list[str], given: list[str]) -> bool:
    """Gender and number of long words do not count: « convergent », « convergente », « convergentes »."""
    if len(expected) != len(given):
        return False
    return all(
        one == other or (min(len(one), len(other)) >= 6 and stem(one) == stem(other))
        for one, other in zip(expected, given, strict=True)
    )


_ORDINALS = {
    word: str(number)
    for number, word in enumerate(
        ("premiere", "deuxieme", "troisieme", "quatrieme", "cinquieme", "sixieme", "septieme", "huitieme"),
        start=1,
    )
} | {"premier": "1", "second": "2", "seconde": "2"}
_ROMAN_NUMBER = re.compile(r"(x{0,3})(ix|iv|v?i{0,3})(?:e|eme|er|ere)?")
_ROMAN_UNITS = ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix")


def ordinal(word: str) -> str:
    """The number that a word without accents stands for as a rank: « XIV », « IIIe », « troisieme »."""
    if word in _ORDINALS:
        return _ORDINALS[word]
    found = _ROMAN_NUMBER.fullmatch(word) if len(word) > 1 else None
    if found is not None and found[0] not in {"xe", "ve"}:
        return str(10 * len(found[1]) + _ROMAN_UNITS.index(found[2]))
    return word


def stem(word: str) -> str:
    return word.removesuffix("s").removesuffix("e")


def is_short_name(gold: str, expected: list[str], given: list[str]) -> bool:
    """« Hugo » for Victor Hugo, « Pythagore » for the theorem; not the first name, not a sovereign's."""
    if len(expected) < 2 or not given or given != expected[-len(given) :] or len(given) >= len(expected):
        return False
    if _ROMAN.fullmatch(expected[-1]) or len(given[-1]) < 3:
        return False
    if expected[0] in NAMED_AFTER:
        return len(given) == len(expected) - 1
    words = [
        word
        for word in gold.split()
        if word.casefold() not in {"de", "du", "des", "la", "le", "van", "von", "d'", "da"}
    ]
    return (
        expected[0] not in NO_PERSON
        and 2 <= len(words) <= 4
        and all(_CAPITAL.match(word.removeprefix("d'")) for word in words)
    )
