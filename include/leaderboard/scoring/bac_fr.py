"""Grades bac-fr: a short French exam answer against the expected one, by kind of answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from include.leaderboard.details.rows import DetailsRow
from include.leaderboard.scoring import answers, comparison, expressions, notation, units
from include.leaderboard.scoring.answers import Answer, final_answer
from include.leaderboard.scoring.comparison import (
    MAX_GOLD,
    as_collection,
    as_interval,
    same_collection,
    same_interval,
    same_quantity,
)
from include.leaderboard.scoring.notation import NUMBER_WORDS, plain, words
from include.leaderboard.scoring.scorer import Grade, hash_sources

_TRUTH = {
    "vrai": True, "vraie": True, "true": True, "oui": True,
    "faux": False, "fausse": False, "false": False, "non": False,
}  # fmt: skip
_NEGATION = re.compile(r"\b(?:pas|non|ni|jamais|aucune?|sans)\b", re.IGNORECASE)
_HEDGE = re.compile(r"\b(?:ou|et|ni)\b|±|;", re.IGNORECASE)
_VERB = re.compile(
    r"\b(?:est|sont|vaut|valent|[ée]gale?s?(?: à)?|on (?:obtient|trouve)|donc|soit"
    r"|pour (?:coordonnées|affixe|solutions?|valeur|limite))\b(?: (?:de|d'))?[ ]*:?",
    re.IGNORECASE,
)
_APPROXIMATELY = re.compile(r"^(?:≈|~|environ|à peu près|approximativement)\s*", re.IGNORECASE)
_LETTER_ALONE = re.compile(r"\(?\s*([A-Ha-h])\s*[).]?")
_LETTER_FIRST = re.compile(r"\(?([A-H])\s*(?:[).:]|\s[-–]\s)")
_SYMBOLIC = re.compile(r"[\\^*/=+<>√∞]|-\s*\d")
_LETTERS = re.compile(r"(?<![\w'])([A-H])(?![\w'])")


class BacFrScorer:
    """Deterministic and pure; reads at most the last 8,000 characters of a generation."""

    name = "bac-fr"
    version = "1"

    @property
    def code_hash(self) -> str:
        """Of this module and of those that decide with it."""
        modules = (answers, comparison, expressions, notation, units)
        return hash_sources(Path(__file__), *(Path(str(module.__file__)) for module in modules))

    def grade(self, row: DetailsRow) -> Grade:
        """Grade a row's first generation; any of the accepted answers will do."""
        prediction = row.predictions[0] if row.predictions else ""
        verdicts = [
            grade_answer(gold, prediction, instruction=row.instruction, choices=row.choices)
            for gold in row.gold
        ]
        if not verdicts:
            return Grade(correct=False, extracted=None, method="no_gold", reason="The row expects nothing.")
        return next((verdict for verdict in verdicts if verdict.correct), verdicts[0])


def grade_answer(
    gold: str, prediction: str, *, instruction: str | None = None, choices: Sequence[str] = ()
) -> Grade:
    """Grade one generation against one expected answer.

    Args:
        gold: Expected answer.
        prediction: What the model wrote, with its reasoning trace if it has one.
        instruction: Of the row; names the letters of a multiple choice.
        choices: Of the row, in the order A, B, C, …
    """
    answer = final_answer(prediction)
    if answer is None:
        return Grade(correct=False, extracted=None, method="no_answer", reason="No final answer was found.")
    gold = gold.strip()[:MAX_GOLD]
    if plain(gold) in {plain(answer.text), plain(answer.line), plain(prediction[: MAX_GOLD + 1].strip())}:
        return Grade(correct=True, extracted=answer.text, method="identical", reason="The same notation.")
    method, judge = _kind(gold, instruction, choices)
    correct = judge(gold, answer)
    reason = f"Compared as {method}; the answer was {answer.method.replace('_', ' ')}."
    return Grade(correct=correct, extracted=answer.text, method=method, reason=reason)


Judge = Callable[[str, Answer], bool]


def _kind(gold: str, instruction: str | None, choices: Sequence[str]) -> tuple[str, Judge]:
    """Choose how to compare, by the expected answer's kind."""
    if gold.casefold() in _TRUTH:
        return "truth", _judge_truth
    if re.fullmatch(r"[A-H]", gold) and (choices or re.search(r"\b[A-H]\b", instruction or "")):
        return "letter", lambda gold, answer: _judge_letter(gold, answer, choices)
    if choices:
        return "choice", lambda gold, answer: _judge_choice(gold, answer, choices)
    return "value", _judge_value


def _judge_truth(gold: str, answer: Answer) -> bool:
    tokens = words(answer.text).split() or [""]
    said = {_TRUTH[token] for token in tokens if token in _TRUTH}
    if len(said) != 1:
        return False
    # "Non" answers a question, and negates everywhere else.
    bare = tokens[0] in _TRUTH and (len(tokens) == 1 or "," in answer.text)
    negated = not bare and _NEGATION.search(answer.text) is not None
    return not negated and said == {_TRUTH[gold.casefold()]}


def _judge_letter(gold: str, answer: Answer, choices: Sequence[str]) -> bool:
    letter = _letter(answer)
    if letter is not None:
        return letter == gold
    index = ord(gold) - ord("A")
    if index >= len(choices) or _LETTERS.search(answer.text):
        return False
    return _is_choice(choices[index], answer)


def _judge_choice(gold: str, answer: Answer, choices: Sequence[str]) -> bool:
    """The right choice's text is expected: accept it, or the letter that it stands under."""
    if _is_choice(gold, answer):
        return True
    letter = _letter(answer)
    if letter is None or words(answer.text) in {words(choice) for choice in choices}:
        return False
    index = ord(letter) - ord("A")
    return index < len(choices) and choices[index].strip() == gold


def _is_choice(choice: str, answer: Answer) -> bool:
    return _judge_value(choice, answer)


def _letter(answer: Answer) -> str | None:
    """The one letter that an answer gives; None if it gives none, or several."""
    line = plain(answer.line)
    alone = _LETTER_ALONE.fullmatch(plain(answer.text))
    if alone:
        return str(alone[1]).upper()
    found = set(_LETTERS.findall(line))
    first = _LETTER_FIRST.match(line)
    if first and not re.search(r"\b(?:ou|et)\s+[A-H]\b", line):
        return str(first[1])
    if len(found) == 1 and not _NEGATION.search(line):
        return str(found.pop())
    return None


def _judge_value(gold: str, answer: Answer) -> bool:
    gold_plain, text = plain(gold), plain(answer.text).rstrip(" .,;:!")
    if not _NEGATION.search(gold_plain) and _NEGATION.search(text):
        return False
    interval = as_interval(gold_plain)
    if interval is not None:
        return same_interval(interval, _after(text, "∈", "="))
    collection = as_collection(gold_plain)
    if collection is not None:
        return same_collection(collection, _stripped(text))
    if same_quantity(gold_plain, text) or _same_words(gold, text):
        return True
    if _HEDGE.search(text) and not _HEDGE.search(gold_plain):
        return False
    return any(
        same_quantity(gold_plain, piece) or _same_words(gold, piece) for piece in _pieces(gold_plain, text)
    )


def _pieces(gold: str, text: str) -> list[str]:
    """What may be the bare answer in a statement: after its verb, after its last equality."""
    pieces = [_stripped(text)]
    if "=" not in gold:
        pieces += [_after(piece, "=", "≈") for piece in (text, pieces[0])]
    pieces += [_APPROXIMATELY.sub("", piece.strip()) for piece in pieces]
    pieces += [NUMBER_WORDS[word] for piece in pieces if (word := words(piece)) in NUMBER_WORDS]
    return list(dict.fromkeys(pieces))


def _stripped(text: str) -> str:
    """What follows the last verb of a sentence."""
    ends = [verb.end() for verb in _VERB.finditer(text)]
    return _APPROXIMATELY.sub("", text[ends[-1] if ends else 0 :].strip())


def _after(text: str, *signs: str) -> str:
    for sign in signs:
        text = text.rpartition(sign)[2]
    return text.strip()


def _same_words(gold: str, text: str) -> bool:
    """Compare as words; formulas and numbers are no words, since words drop their signs."""
    if not re.search(r"[^\W\d_]{3}", gold) or _SYMBOLIC.search(gold) or _SYMBOLIC.search(text):
        return False
    return words(gold) == words(text)
