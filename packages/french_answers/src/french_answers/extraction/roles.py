"""Says of each sentence of a generation what it does: conclude, work, verify, remark, take leave."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from french_answers.extraction.focus import focused, refers_back, shared
from french_answers.extraction.markup import line_text, readable
from french_answers.extraction.statements import SUBSTANCE, sentences

MAX_SENTENCES = 60
"""Of a generation's end that are looked at."""
MAX_CONCLUSIONS = 4
"""Statements that are asked whether they conclude."""
MAX_STATEMENT = 600
"""Characters of a sentence's end that are read."""
_ASIDE = re.compile(
    r"[*_\s(\[>#-]*(?:(?:petite?|quelques?|derni[èe]re?|une)\s+)?(?:"
    r"n\.?\s?b\b|nota bene|p\.?s\b\.?\s*:|remarques?\b|notes?\b\s*[:.]|note (?:that|bien)|(?:à"
    r"|a) noter|notons|pour information|pour info\b"
    r"|(?:à|a) titre|interpr[ée]tation|autres? m[ée]thodes?|autrement dit\b|on (?:peut"
    r"|pourra(?:it)?) (?:aussi |[ée]galement |ensuite |bien "
    r"|alors |v[ée]rifier|remarquer|noter|retrouver|le v[ée]rifier)|on (?:aurait|remarque|note"
    r"|retrouve|constate bien|rappelle)\b"
    r"|v[ée]rif(?:ication|ions|iez|ier|ie)\b|(?:on|nous|je) (?:le |la |peut |peux "
    r"|pouvons )?v[ée]rifi|attention\b|astuce|conseils?\b"
    r"|pour aller plus loin|pour en savoir|bonus\b|rappels?\b|rappelons|explications?\b"
    r"|justifications?\b|preuve\b|d[ée]monstration\b"
    r"|m[ée]thode\b|sources?\b|r[ée]f[ée]rences?\b|voir (?:aussi|la|le)\b|il (?:ne )?faut (?:pas"
    r"|aussi|bien|savoir)|il ne faut|n'oubli|ne pas (?:oublier|confondre)"
    r"|(?:à|a) ne pas confondre|on (?:ne )?(?:la|le|les) (?:distingue|confond|note|nomme|appelle)"
    r"|il ne faut pas|j'esp[èe]re|n'h[ée]sit|bonne? (?:chance"
    r"|continuation|journ[ée]e|courage)|bon courage|merci\b|si (?:vous|tu) (?:avez|as|voulez|veux"
    r"|souhait)|avez-vous|as-tu|(?:i )?hope\b"
    r"|autres? exemples?\b|c'est pour cela|on peut (?:la|le|les) (?:rapprocher|comparer)|s'ils\b"
    r"|c'est le cas\b|quelques (?:valeurs|exemples)|in general\b|on (?:en )?d[ée]duit au passage"
    r"|on peut tester|on pourrait\b"
    r"|let me know|feel free|please\b|this (?:means|is because|shows|matches|confirms)|note that"
    r"|(?:let(?:'s| us| me) )?(?:to |quickly )?(?:check|verify|double[- ]check)|great\b|well done"
    r"|we can (?:also |double-)?(?:check|verify)|i(?:'ll| will) (?:check|verify)|(?:il|elle|ils"
    r"|elles) ser(?:a|ont) [^\W\d_]+(?:[ée]|i|u|s)e?s?\b|c'est (?:cette derni|ce dernier|celle-|celui-)"
    r"|verification|explanation|remark|indeed\b|in other words|because\b|en effet\b|car\b|puisque\b"
    r"|par exemple|(?:contre-)?exemples?\b\s*[:.]"
    r"|cela (?:correspond|signifie|confirme|veut|repr[ée]sente|montre|revient|permet)"
    r"|c'est (?:coh[ée]rent|logique|bien ce)|ce (?:r[ée]sultat|qui|nombre est)|cette (?:valeur|r[ée]ponse)"
    r"|ceci (?:correspond|signifie|confirme)|le r[ée]sultat est coh[ée]rent|ce n'est (?:donc "
    r"|alors )?pas(?![^.]*\bmais\b)|c'est (?:donc |assez |tr[èe]s |plut[ôo]t )?(?:peu|tr[èe]s|assez"
    r"|beaucoup)\b|(?:le"
    r"|les) (?:autres?|propositions?|options?) (?:restantes?|sont|r[ée]ponses|propositions|options)"
    r"|voil[àa]\b|d'ailleurs|par ailleurs|de plus\b|du reste|au passage|commentaires?\b"
    r"|compl[ée]ment|d[ée]tails?\b|en moyenne\b|environ\b|concr[èe]tement|on pourra|on pourrait"
    r"|s'il\b|si l'on|si on\b|dans (?:deux|trois|\d+) ans|historiquement|fin\b|total de points"
    r"|(?:contrairement|[àa] la diff[ée]rence)[^,]*$|(?:le|la|les|l')\s?[^\s,]+, (?:lui|elle|eux|elles)\b"
    r"|on (?:vérifie|contrôle)|pour v[ée]rifier|preuve|il reste à|l'ordre de grandeur|en pratique"
    r"|plus g[ée]n[ée]ralement|de mani[èe]re g[ée]n[ée]rale|pour comparaison|(?:à|a) comparer"
    r"|(?:beaucoup|certains|la plupart) |souvent\b|une erreur (?:fréquente|classique|courante)"
    r"|l'erreur|pi[èe]ge)",
    re.IGNORECASE,
)
_ASIDE_HEADING = re.compile(
    r"[*_\s#>-]*(?:pour aller plus loin|remarques?|v[ée]rifications?|explications?|justifications?"
    r"|interpr[ée]tation|autre m[ée]thode|compl[ée]ments?"
    r"|bonus|notes?|rappels?|d[ée]tails?(?: des? calculs?)?|preuve|d[ée]monstration"
    r"|m[ée]thode(?: alternative)?|raisonnement|commentaires?|aller plus loin|explanation"
    r"|verification|check"
    r"|sources?|r[ée]f[ée]rences?|astuce|conseil)\b[*_ ]*(?:\([^()\n]{0,40}\))?[*_ ]*[:.]?[*_ ]*",
    re.IGNORECASE,
)
_TITLE = re.compile(r"\s*#{1,6}\s[^:=$\d]*")
"""A title of a section says nothing."""
_FINAL_HEADING = re.compile(
    r"[*_\s#>-]*(?:conclusion|r[ée]ponse|answer|final|r[ée]sultat"
    r"|bilan)",
    re.IGNORECASE,
)
_STRONG = re.compile(
    r"\b(?:donc|par cons[ée]quent|par suite|d'o[ùu]|finalement|en conclusion|conclusion"
    r"|on (?:en )?(?:conclut|d[ée]duit)|nous en d[ée]duisons|on en tire"
    r"|ainsi(?!\s*[:.]|$)|en d[ée]finitive|au final|en somme|bref|therefore|thus|hence|so the|so there"
    r"|we (?:conclude|get|obtain|find)|au total|en tout|c'est bien|mais bien"
    r"|cherch(?:é|ée|és|ées)|demand(?:é|ée|és|ées)|attendue?s?|correspond (?:donc )?à|en r[ée]sum[ée]"
    r"|pour conclure|le r[ée]sultat est|la solution est|les solutions sont|ultimately|overall(?=,)"
    r"|autrement dit)\b"
    r"|⟹|⇒|\\(?:implies|Rightarrow|Longrightarrow)(?![A-Za-z])",
    re.IGNORECASE,
)
_ANNOUNCED = re.compile(
    r"\b(?:r[ée]ponses?|answers?|r[ée]sultat final|final answer|conclusion"
    r"|bilan)\b[*_ ]*(?:finale?s?|correctes?|exactes?|attendue?s?|is|est|sont|=|:|\d"
    r"|\s)*[*_ ]*(?:[:=→]|\best\b|\bsont\b|\bis\b|\bare\b)",
    re.IGNORECASE,
)
_UNIQUE = re.compile(
    r"\b(?:l'unique|la seule|le seul|un unique|une unique) (?:solution|couple|valeur|r[ée]ponse|nombre"
    r"|racine)\b",
    re.IGNORECASE,
)
_OTHERS = re.compile(r"\W*cel(?:le|ui|les)s? (?:de|du|des|d')\b|\W*ceux (?:de|du|des|d')\b", re.IGNORECASE)
_HERE = re.compile(r";\s*(?=(?:ici|or|donc|mais|en revanche)\b)", re.IGNORECASE)
_BOXED = re.compile(r"\\f?boxe?d?\b|</answer>|^\s*####")
_BRACKETED = re.compile(
    r"\((?!en\b)[^\W\d_]+['’ ][^()]{20,}\)?$|.*\bon peut (?:aussi|[ée]galement) l'", re.IGNORECASE
)
"""A sentence in parentheses, or one that says the same in another way."""
_STRESSED = re.compile(r"[^\s*]\s+\*\*(?!\s)[^*\n]{1,80}(?<![:\s])\*\*(?!\s*:)")
"""« Il y en a **12** »: what is stressed within a sentence is its answer."""
_NAMES = re.compile(
    r"\b(?:il s'agit|c'est|correspond"
    r"|(?:est|sont)\s*:|(?:est|sont) (?:donc )?(?:de|[ée]gale?s?|le|la|les|un|une)\b|(?:est"
    r"|sont) (?:donc )?l'|(?:est"
    r"|[ée]tait|fut) (?:donc |bien s[ûu]r |bien |alors |ainsi )?(?-i:[A-ZÀ-Ý])|mesure|p[èe]se|dure"
    r"|co[ûu]te|s'appelle|se nomme|appel[ée]e?s?"
    r"|on (?:parle|obtient|trouve|a alors)|nomm[ée]e?s?|d[ée]signe|est d[ûu]e? à|this is|it is"
    r"|is called|known as|vaut|[ée]gale? à)",
    re.IGNORECASE,
)
_CONDITIONAL = re.compile(
    r"\b(?:serai(?:t|ent)|aurai(?:t|ent)|faudrait|pourrait|would|could|s'il)\b",
    re.IGNORECASE,
)
_MATH_LINE = re.compile(r"\$\s*(.*?)\s*\$|\\[\[(](.*?)\\[\])]", re.DOTALL)
_DISPLAYED = re.compile(r"\$\$(.*?)\$\$|\\\[(.*?)\\\]", re.DOTALL)
_CONFUSED = re.compile(
    r"[^:]{0,20}(?:ne pas|ne faut pas|non) (?:la |le "
    r"|les )?confond[^:]{3,160}:\s+(?=\S)",
    re.IGNORECASE,
)
_DENIES = re.compile(
    r"\b(?:n'est|ne sont|n'[ée]tai(?:t|ent))\s+(?:donc|alors"
    r"|ainsi)\s+pas\b",
    re.IGNORECASE,
)
_CONTRAST = re.compile(
    r"^\W*[^,]{2,40},\s*quant [àa] (?:elle|lui|eux|elles)\s*,|,\s*(?:elle|lui|eux|elles)\s*,", re.IGNORECASE
)
_QUESTION = re.compile(r"(?:^|(?<=[.!?]\s)|(?<=\n))[^.!?\n]{1,300}\?(?=\s|$)")
_BULLET = re.compile(r"^\s*(?:[-*•‣–+]|\d{1,2}[.)]|[a-h]\))\s+(?=\S)")
_TAKES_BACK = re.compile(
    r"[*_\s(]*(?:non\b\s*[,:.;!…]|en fait|en r[ée]alit[ée]|erreur|pardon|oups|correction"
    r"|rectification|je (?:me )?(?:rectifie|corrige|suis tromp|trompe)"
    r"|attend(?:ez|s)|wait\b|actually|plut[ôo]t\b|sorry|mais non|ou plut[ôo]t|je reprends"
    r"|apr[èe]s r[ée]flexion|apr[èe]s v[ée]rification)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence and its role."""

    text: str
    strength: int
    """3: boxed, tagged or announced; 2: concluded; 1: says what something is; 0: works."""
    aside: bool
    """It verifies, remarks, interprets, tells another method, or takes leave."""
    bare: bool
    """A formula or a word or two alone."""


@lru_cache(maxsize=4)
def read_statements(text: str) -> tuple[Statement, ...]:
    """Split a generation into statements with their roles, in order; what an aside's heading heads"
    " is left out."""
    text = _DISPLAYED.sub(_one_line, text)
    if "?" in text:
        asserted = _QUESTION.sub(" ", text)
        text = asserted if SUBSTANCE.search(asserted) else text
    found: list[Statement] = []
    heading = False
    lines = _with_lists(text.split("\n"))
    for line in lines[-MAX_SENTENCES:]:
        if not line.strip():
            continue
        if _ASIDE_HEADING.fullmatch(line):
            heading = True
            continue
        if _TITLE.fullmatch(line) and len(lines) > 1:
            heading = heading and not _FINAL_HEADING.match(line)
            continue
        if heading and _FINAL_HEADING.match(line):
            heading = False
        found += [
            _statement(sentence[-MAX_STATEMENT:], heading)
            for sentence in sentences(readable(line_text(line[-2 * MAX_STATEMENT :])))
        ]
    return tuple(found[-MAX_SENTENCES:])


def _one_line(found: re.Match[str]) -> str:
    body = " ".join((found[1] if found[1] is not None else found[2]).split())
    return (
        f" $${body}$$ "
        if found.start() and found.string[: found.start()].rstrip(" \n*_")[-1:] in ":,eà"
        else f"\n$${body}$$\n"
    )


def _with_lists(lines: list[str]) -> list[str]:
    """Join the items of a list that answers a line that ends with a colon."""
    joined: list[str] = []
    items: list[str] = []
    opened = False
    for line in lines:
        match = _BULLET.match(line)
        if match is not None and opened and len(line) < 120:
            items.append(line[match.end() :].strip(" .;,"))
            continue
        if not line.strip() and items:
            continue
        if items:
            joined[-1] = f"{joined[-1].rstrip()} {' ; '.join(items)}"
            items = []
        if line.strip():
            opened = line.rstrip(" *_").endswith(":") and not _BULLET.match(line)
        if line.strip() or not opened:
            joined.append(line)
    if items:
        joined[-1] = f"{joined[-1].rstrip()} {' ; '.join(items)}"
    return _with_continuations(joined)


_CONCLUSION = re.compile(
    r"[*_\s#>-]*(?:\d+[.)]\s*)?(?:conclusion|r[ée]ponse(?: finale)?"
    r"|(?:final )?answer|r[ée]sultat(?: final)?|bilan)[*_ .]*",
    re.IGNORECASE,
)


def _with_continuations(lines: list[str]) -> list[str]:
    """Put a formula or word that follows a colon onto the line that announces it."""
    joined: list[str] = []
    for line in lines:
        if (
            joined
            and line.strip()
            and len(line) < 300
            and (joined[-1].rstrip(" *_").endswith((":", "→", "=")) or _CONCLUSION.fullmatch(joined[-1]))
            and SUBSTANCE.search(joined[-1])
            and len(joined[-1]) < 400
        ):
            colon = " :" if _CONCLUSION.fullmatch(joined[-1]) else ""
            joined[-1] = f"{joined[-1].rstrip(' *_')}{colon} {line.strip()}"
        elif line.strip() or (joined and not joined[-1].rstrip(" *_").endswith(":")):
            joined.append(line)
    return joined


def _contrasts(text: str) -> bool:
    """Tell a sentence on the other thing: « La demande, elle, … »."""
    other = _CONTRAST.search(text) is not None or _OTHERS.match(text) is not None
    return other and _STRONG.search(text) is None


def _statement(text: str, heading: bool) -> Statement:
    confused = _CONFUSED.match(text)
    if confused is not None:
        text = text[confused.end() :]
    if _CONDITIONAL.search(text) is not None:
        text = _HERE.split(text)[-1]
    in_brackets = _BRACKETED.match(text) is not None
    takes_back = _TAKES_BACK.match(text) is not None
    aside = not takes_back and (heading or in_brackets or _ASIDE.match(text) is not None or _contrasts(text))
    if _BOXED.search(text) or _ANNOUNCED.search(text):
        strength = 3
        aside = heading or bool(re.match(r"[*_\s(]*(?:v[ée]rif|remarque|n\.?b)", text, re.IGNORECASE))
    elif takes_back or _STRONG.search(text) or _UNIQUE.search(text) or _STRESSED.search(text):
        strength = 2
    else:
        strength = 1 if _NAMES.search(text) else 0
    if strength == 2 and _DENIES.search(text) is not None and "mais" not in text:
        strength = 0
    if strength < 3 and _CONDITIONAL.search(text) and not _STRONG.search(text):
        aside = True
    words = _MATH_LINE.sub(" ", text)
    bare = not aside and len(re.findall(r"[^\W\d_]{3,}", words)) <= 1 and len(text) <= 200
    return Statement(text, strength, aside, bare)


def conclusions(
    found: Sequence[Statement], *, of_words: bool = False, question: str | None = None
) -> list[Statement]:
    """The statements that may conclude, the likeliest first.

    Args:
        found: Of a generation, in order.
        of_words: A word is looked for: what is said after a conclusion comments on it.
        question: What takes it up again answers it rather than what does not.
    """
    if question and sum(_BOXED.search(one.text) is not None for one in found) > 1:
        found = [
            replace(one, strength=min(one.strength, 1)) if _BOXED.search(one.text) else one for one in found
        ]
    order = _by_role(found, of_words=of_words)
    if not question:
        return order[:MAX_CONCLUSIONS]
    if order and order[0].strength < 2:
        order = _by_question(found, order, question, of_words=of_words)
    return [replace(one, text=focused(one.text, question)) for one in order[:MAX_CONCLUSIONS]]


def _by_question(
    found: Sequence[Statement], order: Sequence[Statement], question: str, *, of_words: bool
) -> list[Statement]:
    """Put what takes up the question before what does not, where nothing says that it concludes."""
    topics: dict[Statement, int] = {}
    before = 0
    for one in found:
        own = len(shared(one.text, question))
        before = 2 * own + (min(before, 1) if refers_back(one.text) else 0)
        topics[one] = before
    if of_words:
        return sorted(order, key=lambda one: (-one.strength, -topics[one]))
    tail = 0
    while tail < len(order) and not (
        order[tail].bare
        or topics[order[tail]]
        or _SAYS_THE_ANSWER.match(order[tail].text)
        or ("=" in order[tail].text and _OF_ANOTHER.match(order[tail].text) is None)
    ):
        tail += 1
    return [*order[tail:], *order[:tail]]


_SAYS_THE_ANSWER = re.compile(
    r"\W*(?:(?:le|la|les|on|il|ce|cette)\s|l')\s*(?:ensembles?|solutions?|valeurs?|r[ée]ponse|r[ée]sultat|nombre"
    r"|fonction|syst[èe]me|[ée]quation|expression|faut|reste|trouve|obtient|peut|a)\b",
    re.IGNORECASE,
)
_OF_ANOTHER = re.compile(r"\W*(?:(?:le|la|les|sa|son)\s|l'|en\s\S+(?:\s*[:,]|\s\S+\s*[:,]))", re.IGNORECASE)


def _by_role(found: Sequence[Statement], *, of_words: bool) -> list[Statement]:
    kept = [one for one in found if not one.aside] or list(found)
    if not kept:
        return []
    corrected = next(
        (place for place in range(len(kept) - 1, 0, -1) if _TAKES_BACK.match(kept[place].text)), 0
    )
    kept = kept[corrected:]
    strongest = max(one.strength for one in kept)
    if strongest == 0 or (strongest == 1 and not of_words):
        return kept[::-1]
    last = max(place for place, one in enumerate(kept) if one.strength == strongest)
    if strongest == 3:
        return [kept[last], *kept[:last][::-1]]
    # A formula, or a sentence that says what something is, goes on; another sentence comments.
    on = [one for one in kept[last + 1 :] if one.bare or (one.strength and not of_words)]
    rest = [one for one in kept[last + 1 :] if one not in on]
    return [*on[::-1], kept[last], *rest[::-1], *kept[:last][::-1]]


_WHILE = re.compile(
    r",\s*(?:alors que|tandis que|while|whereas|contre\b(?=[^,]*\d|\s+O\b)|mais la question"
    r"|en (?:souvenir|m[ée]moire|hommage)"
    r"|au contraire d|[àa] (?:la diff[ée]rence|l'inverse) d)\b",
    re.IGNORECASE,
)
_ASIDE_INSIDE = re.compile(
    r"\s\((?:on|une?|car|puisque|en effet|voir|ce qui|ici|comme|cf)\b[^()\n]{4,200}\)", re.IGNORECASE
)
LONG = 120
"""Characters of a text in which a conclusion is looked for before it is read as a whole."""


def concluding_text(text: str, *, of_words: bool = False, question: str | None = None) -> str:
    """The likeliest conclusion of a text of several sentences; a short text as it is."""
    text = _ASIDE_INSIDE.sub("", text)
    if len(text) <= LONG and _CONTRAST.search(text) is None:
        return focused(text, question) if question else text
    text = _WHILE.split(text, maxsplit=1)[0] if "\n" not in text and text.count(". ") == 0 else text
    found = read_statements(text)
    return (
        _WHILE.split(conclusions(found, of_words=of_words, question=question)[0].text, maxsplit=1)[0]
        if len(found) > 1
        else text
    )
