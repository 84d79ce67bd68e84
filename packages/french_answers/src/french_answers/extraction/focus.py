"""Says how much a sentence takes up of the question, and which of its clauses does."""

from __future__ import annotations

import re
from functools import lru_cache

from french_answers.lexicon import words
from french_answers.wording import tokens

STEM = 5
"""Letters that two forms of a word share: « comptait » and « compte »."""
_FUNCTION_WORDS = words(
    """
    quel quelle quels quelles que qui quoi quand comment combien pourquoi est sont etait fut dans sur pour
    par avec sans ce cet cette ces il elle on se son sa ses leur et ou en au aux donner donne calculer
    determiner resoudre citer trouver preciser indiquer nommer ecrire selon lequel laquelle cela celui celle
    plus moins comme dont ils elles nous vous the of is are was what which how who and for this that
    """
)  # fmt: skip
_PRONOUN = re.compile(
    r"\W*(?:(?:il|elle|ils|elles|c'est|c'[ée]tait|ce sont|ce fut|cela|ceci|celui-ci|celle-ci|it|this)\b"
    r"|(?:son|sa|ses|leurs?|ce|cet|cette|ces)\s+[^\W\d_])",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"\s*(?:,\s*(?:et|mais|puis|tandis que|alors que|quant à)|\s;|\s(?:et|mais))\s+"
    r"(?=(?:le|la|les|son|sa|ses|leurs?|celui|celle|the|its)\s|l')",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"\b(?:est|sont|[ée]tait|fut|vaut|valent|mesure|p[èe]se|dure|co[ûu]te|se (?:trouve|situe|r[ée]uni\w+)"
    r"|devient|s'[ée]l[èe]ve|s'appelle|se nomme|d[ée]signe|is|are|was|has|a|ont)\b|=",
    re.IGNORECASE,
)


@lru_cache(maxsize=8)
def asked(question: str) -> frozenset[str]:
    """Stems of the words that a question is about."""
    return _stems(question)


def _stems(text: str) -> frozenset[str]:
    return frozenset(
        word[:STEM]
        for word in tokens(text)
        if len(word) > 2 and not word.isdigit() and word not in _FUNCTION_WORDS
    )


def shared(text: str, question: str) -> frozenset[str]:
    """What a text takes up of a question."""
    return _stems(text) & asked(question)


def refers_back(text: str) -> bool:
    """Tell a sentence whose subject is the one of the sentence before."""
    return _PRONOUN.match(text) is not None


def focused(text: str, question: str) -> str:
    """The clause that takes up most of the question, where a sentence joins two that say different things."""
    clauses = _CLAUSE.split(text)
    if len(clauses) < 2 or not all(_VERB.search(clause) for clause in clauses):
        return text
    counts = [len(shared(clause, question)) for clause in clauses]
    best = max(counts)
    return clauses[counts.index(best)] if counts.count(best) == 1 else text
