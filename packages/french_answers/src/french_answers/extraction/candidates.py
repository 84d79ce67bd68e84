"""Collects from a statement the values that it may give, and which of them it gives."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from french_answers.extraction.statements import (
    DENIES_THAT,
    obey_corrections,
    without_condition,
    without_hedge,
)

_MAIN_END = re.compile(
    r"\s*(?:[,;]\s*(?:soit|à savoir|c'est-[àa]-dire|ce qui|qui|dont|car|puisque|o[ùu]|avec|et (?:il"
    r"|elle|on|ils"
    r"|elles|la|le|les|non|pas|ne|cela)\b|mais(?! bien)|alors que|tandis que|while|which|because"
    r"|since|valeur|r[ée]sultat|contrairement|sachant|d'apr[èe]s|selon|comme|en (?:arrondissant"
    r"|effet|accord)|afin|pour (?:que|information)|on (?:pourra|peut)|il (?:ne )?(?:faut|reste|lui)"
    r"|d[ée]finie?s?|n'est-ce|et pas|et donc|et le|et si|gr[âa]ce|conform[ée]ment|obtenu)\b"
    r"|\((?:et|non|pas|car|ce|soit|en|ou|voir|d'apr[èe]s|valeur|ici|puisque|environ|au|arrondi|comme"
    r"|c'est|contre|le|la|les|dans|par)\b|\s(?:car|parce que|puisque|because|since|alors que"
    r"|tandis que|plut[ôo]t que|au lieu d|contrairement [àa]"
    r"|d[èe]s que|afin de|sans compter)\b|;\s(?=[^\W\d_]{2})|\s[—–]\s"
    r"|\s(?:→|⟶)\s(?=[^\W\d_]{3})|\s(?:quand|lorsque?|lorsqu'"
    r"|when)\b|\ssoit\b(?=\s+(?:environ\s+)?[\d$\\]))",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"(?:(?:or|et|mais|donc|ainsi|alors|finalement)\s*,?\s+)?(?:comme|puisque|pour|si|quand|lorsque?"
    r"|lorsqu'|sur|parmi|d'apr[èe]s|selon|en|dans|avec|depuis|avant|jusqu'(?:à|en)"
    r"|sachant|[ée]tant|au bout|aucun|contrairement"
    r"|malgr[ée]|since|as|for|if|when|after|apr[èe]s|avant)\b[^,]{2,160},\s+",
    re.IGNORECASE,
)
_CONNECTOR = re.compile(
    r"\b(?:c'est bien|mais bien|il (?:en |lui )?reste|plus g[ée]n[ée]ralement|"
    r"donc|d'o[ùu]|ainsi|finalement|par cons[ée]quent|par suite"
    r"|en conclusion|conclusion|en d[ée]finitive|au final|il vient|on (?:en )?(?:conclut|d[ée]duit"
    r"|tire|obtient|trouve)"
    r"(?: (?:que|finalement|alors|donc))?|r[ée]ponse(?: (?:finale|est|correcte|attendue))*"
    r"|answer(?: is)?|hence|thus|therefore)\b\s*[*_]*[:,]?\s*|⟹|⇒|\\(?:implies|Rightarrow|iff"
    r"|Leftrightarrow)(?![A-Za-z])|\s:\s",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"\b(?:est|sont|vaut|valent|fait|font|[ée]gale?s?|obtient|trouve|donne|reste|a|ont"
    r"|admet(?:tent)?|poss[èe]de(?:nt)?|compte|contient|mesure|p[èe]se|dure|co[ûu]te|revient"
    r"|s'[ée]l[èe]ve|faut|faudra|tend(?:ent)?|d[ée]finie?"
    r"|peut|peuvent|is|are|equals|has|appartient|atteint|repr[ée]sente|y a|y en a)\b",
    re.IGNORECASE,
)
_NUMERAL = (
    r"(?:z[ée]ro|deux|trois|quatre|cinq|six|sept|huit|neuf|dix|onze|douze|treize|quatorze|quinze"
    r"|seize|vingts?|trente|quarante|cinquante|soixante"
    r"|cents?|mille|millions?|milliards?|demie?s?|tiers|quarts?|cinqui[èe]mes?|sixi[èe]mes?"
    r"|huiti[èe]mes?|dixi[èe]mes?|centi[èe]mes?|moiti[ée]|virgule|douzaine|moins|septante|huitante"
    r"|nonante|nul(?:le|les|s)?"
    r"|chances?|sur|twelve|eleven|ten|nine|eight|seven|five|four|three|two|zero)"
)
_WORDED = re.compile(
    rf"\b(?:(?:une?|moins)\s+(?=(?:{_NUMERAL})\b))?(?:{_NUMERAL}|une? (?:seule|seul"
    rf"|unique))(?:[\s-]+(?:et[\s-]+)?(?:(?:une?\b(?![^\W\d]))|{_NUMERAL}))*\b",
    re.IGNORECASE,
)
_MATH = re.compile(r"\$\$(.+?)\$\$|\$(.+?)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]")
_ATOM = (
    r"\\[a-zA-Z]{1,20}(?:\s?\{(?:[^{}\n]|\{[^{}\n]{0,40}\}){0,60}\}){1,3}"
    r"|\d[\d ]*(?:[.,]\d+)?(?:[eE][+-]?\d+)?|\\[a-zA-Z]+|\\[{},;|! ]"
    r"|(?<![A-Za-zÀ-ÿ'])[A-Za-zπθλμφρσΔΩαβ](?:_\{?\w+\}?|'{1,2})?(?![A-Za-zÀ-ÿ]|')"
    r"|(?:ln|log|exp|sin|cos|tan|sqrt|lim|inf|oo|pi|arctan)(?![A-Za-zÀ-ÿ])"
    r"|[\[\](){}|+\-−–*×·⋅/÷^=<>≤≥≈≠∈∉∪∩∖∞√ππ∅ℝℕℤℚℂ°%€²³⁴⁵⁶⁷⁸⁹⁰¹⁻⁺₀-₉₊₋½¼¾⅓⅔±;,!&_↦→.:~‰']"
)
_RUN = re.compile(rf"(?:(?:{_ATOM})\s?)+")
_HOLDS_VALUE = re.compile(
    r"\d|[∞½¼¾⅓⅔∅ℝℕℤℚℂπ√²³]|\\(?:frac|dfrac|tfrac|sqrt|infty|pi|mathbb"
    r"|emptyset|varnothing|ln|R\b)|[A-Za-z]\s*[=+*/^-]\s*[A-Za-z]|\bln\b|\binf\b|\boo\b|e\^"
)
_UNIT_WORD = re.compile(r"\s*((?:[^\W\d_]|[€$%°Ω])[^\s,;:.()]*(?:[.·/^][^\s,;:()]*[^\s,;:.()])*)")
_QUALIFIED = re.compile(
    r"(?:\b(?:pour|sur|de|d'|des|du|par|avec|dans|en|parmi|chaque|quand|lorsque|les|aux|ces|si"
    r"|multipli[ée]e?s? par|divis[ée]e?s? par|ajoute|retire|soustrait|oublier|of|by|from|[àa] \d+"
    r"|celui de|rang|ordre)"
    r"|\bde (?:1|0) [àa])\s*\(?$",
    re.IGNORECASE,
)
_HAZARD = re.compile(
    r"(?:\b(?:(?:douzaine|dizaine|centaine|paire|couple"
    r"|oppos[ée]|inverse|double|triple|moiti[ée]|tiers|quart|carr[ée]|racine|cube"
    r"|multiples?|diviseurs?|logarithme|factorielle|puissance|successeur|pr[ée]d[ée]cesseur|voisin"
    r"|proche|loin|autour|pr[èe]s) (?:de|du|d')"
    r"|(?:plus|moins|davantage) (?:de|que?|d')|(?:inf[ée]rieure?s?"
    r"|sup[ée]rieure?s?) (?:ou [ée]gale?s? )?[àa]|au (?:plus|moins)|presque|quasi\w*|jamais|sauf"
    r"|entre|(?:question|exercice|[ée]tape|page|figure|num[ée]ro|ligne|formule|chapitre)s?(?: n°)?"
    r"|avant|apr[èe]s|depuis|jusqu'?(?:[àa]|en)?|diff[ée]rente?s? de|hors|ni|than|minimum|maximum"
    r"|excepté|hormis|tend vers|vers|d[ée]passe|exc[èe]de|éviter?)|entre\s+\S+\s+(?:et|ou)|[nN]°"
    r"|[nx]\s*(?:→|\\to))\s*\(?$",
    re.IGNORECASE,
)
"""Words after which a number is compared with, counted from or named, and not given."""
_HAZARD_AFTER = re.compile(
    r"\s*\$?\s*(?:(?:est|sont) (?:exclu|faux|fausse|incorrect|trop|impossible)|n'est|ne convient"
    r"|près\b|ans plus|fois (?:plus|moins)|si\b|sinon\b|av(?:ant)?\.? (?:j|notre)|(?:questions?"
    r"|exercices?|inconnues|[ée]tapes?|points?)\b|[àa] \d|au (?:num[ée]rateur|d[ée]nominateur"
    r"|carr[ée]|cube)|(?:e|è|i?[eè]me|nd|rd|th|er)s?\b"
    r"|‰)",
    re.IGNORECASE,
)
_IS_OF = re.compile(
    r"\b(?:est|sont|serait|[ée]tait|sera|soit|s'[ée]l[èe]ve|revient|augment[ée]e?"
    r"|diminu[ée]e?|baiss[ée]e?|r[ée]duite?|chut[ée]e?|progress[ée]e?|bien|donc|alors|ainsi|environ"
    r"|(?:trouve|obtient|a|donne)\s+(?:donc |bien |alors )?(?:une?|la|le|l')\s*\S+(?:\s\S+)?"
    r"|baisse|hausse|pr[èe]s|faut|total|solution|racine|unique|exactement|not)\s+(?:donc |bien "
    r"|alors |environ |ainsi )?(?:de|[àa]|d'|en|par|of)\s*$",
    re.IGNORECASE,
)
_SUBJECT_OF = re.compile(
    r"\b(?:solutions?|racines?|valeurs?|coordonn[ée]es|affixe|limite"
    r"|param[èe]tres?|intervalle|ensemble|couple|[àa] savoir|vecteur|point|fonction|prix"
    r"|r[ée]sultat)\s+(?:donc |respectivement )?(?:de |d'|sont |les )?$",
    re.IGNORECASE,
)
_GOVERNED = re.compile(
    r"\b(?:n'|ne\s)(?!\s*(?:pas|plus|jamais)\b)[^,;:.]{0,40}?\b(?:pas|plus|jamais"
    r"|gu[èe]re)\b(?!\s+(?:seulement|uniquement|que))[^,;:=.]{0,30}$|\b(?:personne|impossible"
    r"|il manque|[ée]nonc[ée] comporte|corrig[ée] dit|on sait que|il est (?:faux|inexact"
    r"|incorrect) que)\b[^,;.]{0,40}$",
    re.IGNORECASE,
)
"""A negation of the verb, or of the sentence, that governs what follows."""
_REJECTED = re.compile(
    r"\b(?:rejett?\w*|[ée]cart(?:e|ons|er)|[ée]limin\w*|exclu[tres]*|exclure|barr\w+|sauf|hormis)\s+"
    r"(?:(?:donc|la|le|les|valeur|solution|racine|r[ée]ponse|proposition|option)\s+){0,3}$",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\b(?:n'est (?:donc |alors )?pas|ne (?:vaut|sont|fait|font) pas"
    r"|et non(?: pas)?|n'[ée]tait pas|pas|non|ni|contre|au lieu de?|plut[ôo]t que|diff[ée]rent de|≠"
    r"|not|isn't)\s+(?:[àa]\s+|de\s+|d'|un\s+|une\s+|le\s+|la\s+)?$",
    re.IGNORECASE,
)
_EQUIVALENT = re.compile(
    r",?\s*\(?\b(?:soit|c'est-[àa]-dire|ou encore|i\.e\.|autrement dit"
    r"|ou bien encore|ce qui (?:donne|fait|[ée]quivaut [àa])|or)\b\s*(?:environ|encore|donc"
    r"|à peu près|approximativement)?\s*:?",
    re.IGNORECASE,
)
_MODULO = re.compile(
    r"\s*(?:\\?[,;: ]\s*)*(?:\\left)?\[\s*(?:mod\s*)?2?\s*k?\s*(?:\\pi|π)\s*(?:\\right)?\]"
    r"|\s*\(?\s*(?:\\p?mod|\bmodulo|\bmod\b)\s*\{?\s*2?\s*(?:\\pi|π|\d+)\s*\}?\)?"
    r"|\s*[àa]\s+\$?2\s*(?:\\pi|π)\$?\s+pr[èe]s",
)
_ROUGHLY = re.compile(r"\s*\(\s*(?:≈|≃|\\approx(?![A-Za-z]))\s*([^()]{1,40})\)$")
"""« 2/3 (≈ 0,67) »."""
_MAPS = re.compile(r"^.*?(?:\\mapsto|\\longmapsto|↦)\s*")
_KEYBOARD = (
    (re.compile(r"(?<![\w\\])\+?\s*(?:oo|inf(?:ini|inity|ty)?)(?![A-Za-z])"), "+∞"),
    (re.compile(r"-\s*\+∞"), "-∞"),
    (re.compile(r"(?<![A-Za-z\\])R\s*(?=\\?\\\s*\\?\{|\*)"), "ℝ"),
    (re.compile(r"ℝ\s*\\+\s*(?=\\?\{)"), "ℝ∖"),
)
_OPEN, _CLOSE = "([{", ")]}"
MAX_CANDIDATES = 16
_TRAILING = " .,;:?=&~*_"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value that a statement holds."""

    texts: tuple[str, ...]
    """Ways to read it, the most literal first."""
    start: int
    end: int
    given: bool
    """The statement may say it; False for one that it only counts with, compares with or denies."""
    equality: bool
    """It is the last member of an equality."""
    members: tuple[str, ...] = ()
    """The other members of an equality of numbers: another form of the same value."""
    denied: bool = False


def main_clause(text: str) -> tuple[str, str]:
    """The clause of a statement that answers, without what introduces it, and what follows that clause."""
    text = _HALF.sub(
        lambda half: f"{_SMALL.get(half[1].casefold(), half[1])},5 {half[2]}", without_markup_kept(text)
    )
    text = without_hedge(obey_corrections(text))
    if DENIES_THAT.search(text):
        return text, ""
    explained = _EXPLAINED.match(text)
    if explained is not None:
        text = explained[1]
    text = without_condition(text) if "lim" in text or "quand" in text or " en " in text else text
    lead = _LEAD.match(text)
    if (lead is not None and _HOLDS_VALUE.search(text, lead.end())) or (
        lead is not None and _WORDED.search(text, lead.end())
    ):
        text = text[lead.end() :]
    start = 0
    for found in _CONNECTOR.finditer(text):
        if _HOLDS_VALUE.search(text, found.end()) or _WORDED.search(text, found.end()):
            head = _cut(text[found.end() :])[0]
            if _HOLDS_VALUE.search(head) or _WORDED.search(head):
                start = found.end()
    text = text[start:]
    lead = _LEAD.match(text) if start else None
    return _cut(text if lead is None or not _HOLDS_VALUE.search(text, lead.end()) else text[lead.end() :])


_EXPLAINED = re.compile(
    r"([^:]*\b(?:est|vaut|faut|faudra|mesure|co[ûu]te|dure)\b[^:]*\d[^:]*?)\s:\s+"
    r"(?:on|il|elle|en moyenne|cela|\d+\s[^\W\d_]+\s(?:ne\s|n'))",
    re.IGNORECASE,
)
"""« L'espérance est de 4,2 : on obtient en moyenne un peu plus de 4 » says 4,2."""
_SUBJECT = re.compile(
    r"\s*(?:est|sont)?\s*(?:bien\s+)?(?:la|les|le|une)\s+(?:(?:bonne|seule"
    r"|valeur)s?\s+)*(?:r[ée]ponse|solution|r[ée]sultat|valeur|nombre|minimum|maximum"
    r"|cherch)",
    re.IGNORECASE,
)


def concludes_words(text: str) -> bool:
    """Tell a conclusion that holds no value: « 2 et 3, donc différents » gives neither."""
    *_, last = [None, *_THEREFORE.finditer(text)]
    if last is None:
        return False
    rest = re.split(r",\s*(?:dont|qui|o[ùu])\b", text[last.end() :], maxsplit=1)[0]
    return not (
        _HOLDS_VALUE.search(rest) or _WORDED.search(rest) or _SUBJECT.match(rest) or _NIL.search(rest)
    ) and bool(re.search(r"[^\W\d_]{3}", rest))


_THEREFORE = re.compile(
    r"\b(?:donc|d'o[ùu]|ainsi|par cons[ée]quent|finalement|therefore|thus"
    r"|hence)\b",
    re.IGNORECASE,
)
_NIL = re.compile(r"\b(?:aucune?|nul|pas de|vide|impossible|no)\b", re.IGNORECASE)


_SMALL = {
    word: number
    for number, word in enumerate(
        ("une", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix"), start=1
    )
} | {"un": 1}
_HALF = re.compile(rf"\b(\d+|{'|'.join(_SMALL)})\s+([^\W\d_]+)\s+et\s+demie?\b", re.IGNORECASE)
"""« deux heures et demie »."""


def without_markup_kept(text: str) -> str:
    """Take emphasis off; dollars stay, because they say where formulas are."""
    return text.replace("**", "").replace("__", "").strip()


def _cut(text: str) -> tuple[str, str]:
    for found in _MAIN_END.finditer(text):
        inside = text[: found.start()]
        if inside.count("$") % 2:
            continue
        if _HOLDS_VALUE.search(inside) or _WORDED.search(inside):
            return inside, text[found.start() :]
    return text, ""


_NO_NUMERAL = frozenset({"sur", "moins", "chances", "chance"})
_OF_A_NUMBER = re.compile(r"\s+(?:de|d')\s*\d")


def candidates(text: str) -> list[Candidate]:
    """The values of a clause, in order."""
    found: list[Candidate] = []
    plain = list(text)
    for math in _MATH.finditer(text):
        body = next(group for group in math.groups() if group is not None)
        unit_end = math.end()
        found.extend(_of_run(text, body, math.start(), unit_end))
        plain[math.start() : math.end()] = "\0" * (math.end() - math.start())
    prose = "".join(plain)
    for run in _RUN.finditer(prose):
        body = _trimmed(
            re.sub(
                r"^(?:[ay]\s+)+(?=[\d(+-])"
                r"|\s+[ay]\s*$",
                "",
                run.group().strip(_TRAILING),
                flags=re.IGNORECASE,
            )
        )
        open_ended = run.group().rstrip()[-1:] in "=≈" and not prose[run.end() :].strip(" .*")
        if not body or not _HOLDS_VALUE.search(body) or "\0" in body or open_ended:
            continue
        start = run.start() + run.group().index(body[0])
        found.extend(_of_run(text, _balanced(body), start, start + len(body)))
        plain[run.start() : run.end()] = "\0" * (run.end() - run.start())
    prose = "".join(plain)
    for worded in _WORDED.finditer(prose):
        words = worded.group()
        if words.casefold() in _NO_NUMERAL or _OF_A_NUMBER.match(text, worded.end()):
            continue
        following = _UNIT_WORD.match(prose, worded.end())
        texts = (words,) if following is None else (f"{words} {following[1]}", words)
        if re.match(r"une? (?:seul|unique)", words, re.IGNORECASE):
            texts = ("1",)
        elif words[:3].casefold() == "nul":
            texts = ("0",)
        found.append(_candidate(texts, text, worded.start(), worded.end(), False))
    found.sort(key=lambda one: one.start)
    return found[:MAX_CANDIDATES]


def _balanced(body: str) -> str:
    """Take off a closing mark that nothing opens, and an opening one that nothing closes, outside"
    " intervals."""
    if re.match(r"[\[\]]", body) and re.search(r"[\[\]]$", body):
        return body
    for opening, closing in (("(", ")"), ("{", "}"), ("[", "]")):
        if body.count(opening) < body.count(closing) and body.endswith(closing):
            body = body[:-1].rstrip(_TRAILING)
        if body.count(opening) > body.count(closing) and body.startswith(opening):
            body = body[1:].lstrip(_TRAILING)
    return body


_SPLIT = re.compile(
    r"\\\\(?![A-Za-z])(?!.*\\end\{)|\\qquad|\\quad|\\text\{\s*(?:et|ou|and|or)\s*\}"
    r"|\\(?:lor|land|vee|wedge)(?![A-Za-z])|\\mbox\{\s*(?:et|ou)\s*\}|\s{3,}"
)
_CHAIN = re.compile(
    r"(?<![<>!≤≥:])=(?!>)|\\iff|\\Leftrightarrow|⇔|\\Rightarrow|⇒|\\implies|⟺|⟹"
    r"|\\to(?![A-Za-z])|→|\\longrightarrow|\\rightarrow"
)
_ABOUT = re.compile(r"≈|≃|\\approx|\\simeq|\\sim(?![A-Za-z])")


_INSIDE = re.compile(r"\\[A-Za-z]+|_\{[^{}]*\}|_\w|\([^()]*\)|\{[^{}]*\}")
_POWER_OF = re.compile(
    r"[A-Za-z]\)?\s*(?:\^|²|³|⁴)|\d\s*\*?[A-Za-z]|[A-Za-z)]\s*[-+]"
    r"|[-+]\s*[\dA-Za-z]*[A-Za-z]"
)


def _is_equation(side: str) -> bool:
    """Tell the left side of an equation from a name: « x² = 4 » does not say that something is 4."""
    return _POWER_OF.search(_INSIDE.sub("", side)) is not None or (
        side.count("^") > 0 and re.search(r"[A-Za-z)]\s*\)?\s*\^", side) is not None and "\\" not in side
    )


_TENDS = re.compile(r"\s*\(?[nxtkhN]\s*(?:→|\\to(?![a-z])|\\rightarrow|\\longrightarrow)")


def _of_run(text: str, body: str, start: int, end: int) -> list[Candidate]:
    """The values of one formula; a wide space separates two of them."""
    body = _ROUGHLY.sub(r" \\approx \1", _MODULO.sub("", body))
    if "oo" in body or "inf" in body or "R" in body or "ℝ" in body:
        for pattern, sign in _KEYBOARD:
            body = pattern.sub(sign, body)
    parts = [_trimmed(part) for part in _SPLIT.split(body)]
    parts = [part for part in parts if part and _HOLDS_VALUE.search(part)]
    return [_of_formula(text, part, start, end, following=len(parts) == 1) for part in parts]


def _of_formula(text: str, part: str, start: int, end: int, *, following: bool) -> Candidate:
    part = _MAPS.sub("", part)
    texts = [part]
    members = [one.strip() for one in _CHAIN.split(part) if one.strip()]
    last = members[-1] if members else part
    exact, *rounded = [one.strip() for one in _ABOUT.split(last)]
    label = members[0] if len(members) > 1 else ""
    if re.fullmatch(r"\[[^;,\[\]]+\]", part):
        texts.append(part[1:-1])
    bare = () if len(members) == 2 and _is_equation(label) else (last, exact, *rounded)
    for one in (f"{label} = {last}" if len(members) > 2 else "", *bare):
        if one and one not in texts:
            texts.append(one.strip(_TRAILING))
    if following:
        texts = [*_with_unit(text, end, texts), *texts]
    if text[end:].lstrip()[:1] == "$" and text.count("$") == 1:
        texts = [f"{texts[-1]} $"]
    found = _candidate(tuple(dict.fromkeys(texts)), text, start, end, len(members) > 1 or len(rounded) > 0)
    if len(members) > 2:
        found = replace(found, members=tuple(members[1:-1]))
    return replace(found, given=False, denied=True) if _TENDS.match(part) else found


def _with_unit(text: str, end: int, texts: list[str]) -> list[str]:
    """Add the words that follow a value: up to four may be its unit."""
    words: list[str] = []
    position = end
    for _ in range(5):
        following = re.compile(r"\s*\$?(?:\\(?:text|mathrm)\{)?([^\s$}]+)").match(text, position)
        if following is None or following[1][:1] in "([,;:.!?=" or "\\" in following[1][:1]:
            break
        word = following[1].rstrip(".,;:!?)}")
        words.append(word)
        position = following.end()
        if word != following[1]:
            break
    base = texts[-1]
    return [f"{base} {' '.join(words[:count])}" for count in range(len(words), 0, -1)]


_NO_MORE_THAN = re.compile(r"\b(?:n'|ne\s)[^,;.]{0,30}\bplus (?:que|qu')\s*[*_]*\s*$", re.IGNORECASE)
"""« Il n'en reste plus que 27 »."""
_IN = re.compile(r"\ben (?:l'an )?$", re.IGNORECASE)
_FOUR_DIGITS = re.compile(r"[12]\d{3}")


def _candidate(texts: tuple[str, ...], text: str, start: int, end: int, equality: bool) -> Candidate:
    before = text[:start].rstrip("$ ") + " "
    is_of = _IS_OF.search(before) is not None
    denied = (
        _REJECTED.search(before) is not None
        or _DENIED.search(before) is not None
        or (_HAZARD.search(before) is not None and not is_of and _NO_MORE_THAN.search(before) is None)
        or _GOVERNED.search(before) is not None
        or _HAZARD_AFTER.match(text[end : end + 40]) is not None
        or (text[end - 1 : end].isdigit() and text[end : end + 1].isalpha() and len(texts) == 1)
    )
    year = _IN.search(before) is not None and _FOUR_DIGITS.fullmatch(texts[-1]) is not None
    given = not denied and (
        year or _QUALIFIED.search(before) is None or is_of or _SUBJECT_OF.search(before) is not None
    )
    return Candidate(texts, start, end, given, equality, denied=denied)


def given_values(text: str) -> list[Candidate]:
    """The values that a clause gives: those that it only counts with come where there are no others."""
    found = candidates(text)
    return [one for one in found if one.given] or [one for one in found if not one.denied]


def _trimmed(part: str) -> str:
    part = part.strip(_TRAILING)
    if part.endswith("!") and not re.search(r"[\w)}]!+$", part):
        part = part.rstrip("! ")
    if part.count("|") % 2:
        part = part.strip("| ")
    return part if part.endswith(("\\}", "\\)", "\\]")) else part.rstrip("\\ ")
