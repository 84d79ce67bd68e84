"""Judges multiple choice: the letter, several letters, or the text that stands under one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from french_answers.answers import Answer
from french_answers.policy import GradingPolicy
from french_answers.wording import tokens

GOLD = re.compile(r"[A-H](?:\s*(?:,|;|/|&|et|\s)\s*[A-H])*|[A-H]{2,5}")
ASKED = re.compile(
    r"\b[A-H]\s*[,;/]\s*[A-H]\b|\b[A-H]\s+(?:ou|et)\s+[A-H]\b|\blettres?\b|\bQCM\b", re.IGNORECASE
)
WANTED = re.compile(r"(?<![\w'])[A-Ha-h](?![\w'])|\w{2}|\d")
"""A statement that may give a letter, or a choice's text."""

_ALONE = re.compile(r"[\[({\"'\s]*([A-Ha-h])[\])}\"'\s.:,;]*")
_SEVERAL = re.compile(
    r"[(\s]*[A-Ha-h](?:[).\s]*(?:,|;|/|&|\bet\b|\band\b|-)[(\s]*[A-Ha-h])+[)\s.]*|[A-H]{2,5}"
)
_SINGLE = re.compile(r"(?<![^\W_])[A-Ha-h](?![^\W_])")
_LABEL = re.compile(r"[(\[]?([A-Ha-h])(?:\s*[).:\]]\s*|\s+[-–—=→]\s+)(?P<text>\S.*)", re.DOTALL)
_CHOICE_LABEL = re.compile(r"\s*[(\[]?[A-Ha-h]\s*[).:\]-]\s*")
_NAMED = re.compile(
    r"\b(?:r[ée]ponses?|lettres?|options?|choix|propositions?|affirmations?|case|cas|est|c'est)\s+(?:la\s+"
    r"|le\s+)?[\"(]?([a-h])\b(?!['’])",
    re.IGNORECASE,
)
_UPPER = re.compile(r"(?<![\w'’=+*/^_°\\-])(?<!°\s)\(?([A-H])\)?(?![\w'’]|\s*[=+*/^<>]|\()")
_PREPOSITION = re.compile(
    r"\bA\s+(?!(?:et|ou|est|car|puisque|mais|donc|ni|sont|parce|semble|convient)\b)[a-zà-ÿ]"
)
_OBJECT = re.compile(
    r"\b(?:droites?|points?|segments?|plans?|cercles?|courbes?|triangles?|ensembles?|[ée]v[ée]nements?|axes?"
    r"|vecteurs?|matrices?|matrice|"
    r"fonctions?|sommets?|villes?|ions?|atomes?|sujet|exercice|partie|note)\s+\(?[A-H]\)?"
)
_CHOSEN = re.compile(
    r"\b(?:je\s+(?:choisis|choisirais|retiens|réponds|sélectionne|dirais|coche|prends|garde|(?:opte"
    r"|penche)\s+pour)|(?:il\s+)?reste(?:\s+donc)?|c'est(?:\s+donc)?)"
    r"\s+(?:(?:la|le|l')\s*)?(?:réponse\s+|lettre\s+|option\s+)?\(?([A-H])\b\)?(?!\s*(?:,|/)\s*\(?[A-H]\b"
    r"|\s+(?:ou|et|qui est (?:fau|incorr))\b)"
)
_REFUSED = re.compile(
    r"((?:\(?\b[A-H]\)?(?:\s*,\s*|\s+et\s+)?)+)\s+(?:est|sont|:)\s+(?:bien\s+)?(?:fausses?|faux"
    r"|incorrecte?s?|impossible|[ée]limin[ée]e?s?|exclue?s?|à [ée]liminer|à exclure)"
)
_EITHER = re.compile(r"\b(?:ou|ou bien|soit)\b", re.IGNORECASE)
_NEGATION = re.compile(r"\b(?:pas|ni|sauf|aucune?|non|except[ée])\b", re.IGNORECASE)

Same = Callable[[str, Answer], bool]


def is_letters(gold: str, instruction: str | None, choices: Sequence[str]) -> bool:
    """Tell a gold of one or more letters of a multiple choice from a name or a variable."""
    if not ("A" <= gold[:1] <= "H") or not GOLD.fullmatch(gold):
        return False
    return bool(choices) or (instruction is not None and ASKED.search(instruction) is not None)


def said_letters(answer: Answer) -> frozenset[str] | None:
    """The letters that an answer gives; None for none, or for a choice between several."""
    for text in (answer.text, answer.line):
        alone = _ALONE.fullmatch(text)
        if alone:
            return frozenset(alone[1].upper())
    text = answer.text
    if _SEVERAL.fullmatch(text):
        given = (
            [letter.upper() for letter in _SINGLE.findall(text)]
            if len(text) > 5 or not text.isalpha()
            else list(text)
        )
        return frozenset(given) if len(set(given)) == len(given) else None
    label = _LABEL.match(text)
    if label and not _other_letter(label):
        return frozenset(label[1].upper())
    label = _LABEL.match(answer.line)
    if label and answer.line.endswith(text) and not _other_letter(label):
        return frozenset(label[1].upper())
    return _in_sentence(text)


def _other_letter(label: re.Match[str]) -> bool:
    """« A) ou B) » and « A) faux B) vrai » give no one letter."""
    return re.search(r"(?<![\w'])[(]?[A-H][).:]", label["text"]) is not None or bool(
        _EITHER.match(label["text"]) or re.match(r"(?:fau|incorrect)", label["text"], re.IGNORECASE)
    )


def _in_sentence(text: str) -> frozenset[str] | None:
    chosen = _CHOSEN.findall(text)
    if chosen:
        return frozenset(chosen[-1])
    refused = {letter for letters in _REFUSED.findall(text) for letter in _SINGLE.findall(letters)}
    text = _OBJECT.sub(" ", text)
    text = _PREPOSITION.sub(" ", text)
    found = set(_UPPER.findall(text)) - refused
    if not found:
        found = {letter.upper() for letter in _NAMED.findall(text)}
    if not found or (_NEGATION.search(text) and not refused):
        return None
    if len(found) > 1 and _EITHER.search(text):
        return None
    return frozenset(found)


def judge_letters(
    gold: str, answer: Answer, choices: Sequence[str], same: Same, policy: GradingPolicy
) -> bool:
    """Judge against expected letters; the text of the one right choice will do as well."""
    wanted = frozenset(re.findall(r"[A-H]", gold))
    if choices and not policy.letter_and_text and _contradicts(answer, choices, same):
        return False
    said_by_text = _chosen(answer, choices, same) if choices else None
    if said_by_text is not None and _ALONE.fullmatch(answer.text) is None:
        return frozenset((chr(ord("A") + said_by_text),)) == wanted
    letters = said_letters(answer)
    return letters is not None and letters == wanted


def _contradicts(answer: Answer, choices: Sequence[str], same: Same) -> bool:
    """Tell a letter beside the text of another choice."""
    label = _LABEL.match(answer.text) or _LABEL.match(answer.line)
    if label is None or _other_letter(label):
        return False
    text = label["text"].rstrip(" .")
    return _chosen(Answer(text, text, answer.method), choices, same) not in {None, _index(label[1])}


def judge_choice(
    gold: str, answer: Answer, choices: Sequence[str], same: Same, policy: GradingPolicy
) -> bool:
    """Judge against the right choice's text: the text, or the letter that it stands under."""
    index = next(
        (number for number, choice in enumerate(choices) if bare_choice(choice) == bare_choice(gold)), None
    )
    if not policy.letter_and_text and _contradicts(answer, choices, same):
        return False
    if same(bare_choice(gold), answer):
        return True
    if index is None:
        return False
    return judge_letters(chr(ord("A") + index), answer, choices, same, policy)


def bare_choice(choice: str) -> str:
    """Take « B) » off a choice's text."""
    return _CHOICE_LABEL.sub("", choice.strip(), count=1).strip() or choice.strip()


def _chosen(answer: Answer, choices: Sequence[str], same: Same) -> int | None:
    """The one choice whose text the answer is."""
    said = tokens(answer.text)
    bare = [bare_choice(choice) for choice in choices[:26]]
    exact = [
        number
        for number, choice in enumerate(bare)
        if choice == answer.text.strip()
        or (said and tokens(choice) == said and not re.search(r"[-+*/=<>^√\\]", choice))
    ]
    if len(exact) == 1:
        return exact[0]
    found = [number for number, choice in enumerate(bare) if same(choice, answer)]
    return found[0] if len(found) == 1 else None


def _index(letter: str) -> int:
    return ord(letter.upper()) - ord("A")
