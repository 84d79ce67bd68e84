"""Scorers with the mistakes that graders do make, and rows to try them on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from palmares.benchmarks.bac_fr.scorer import BacFrScorer
from palmares.benchmarks.bac_fr.task.utils import is_quasi_exact_match, normalize
from palmares.benchmarks.scorer import DetailsRow, Grade, Scorer

ROOT = Path(__file__).parents[4]
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)?")


@dataclass(frozen=True)
class RuleScorer:
    """Right whenever the rule says so of an expected answer and a text."""

    name: str
    rule: Callable[[str, str], bool]
    version: str = "0"
    code_hash: str = "0"

    def grade(self, row: DetailsRow) -> Grade:
        text = row.predictions[0] if row.predictions else ""
        correct = any(self.rule(gold, text) for gold in row.gold)
        return Grade(correct=correct, extracted=text or None, method=self.name, reason="")


@dataclass(frozen=True)
class Meddled:
    """The shipped scorer, with what it reads or answers changed."""

    name: str
    text: Callable[[str], str]
    version: str = "0"
    code_hash: str = "0"

    def grade(self, row: DetailsRow) -> Grade:
        predictions, golds = (tuple(map(self.text, texts)) for texts in (row.predictions, row.gold))
        return BacFrScorer().grade(replace(row, predictions=predictions, gold=golds))


def _last_number(text: str) -> str | None:
    found = _NUMBER.findall(text)
    return str(found[-1]) if found else None


def _close(gold: str, text: str) -> bool:
    """A tolerance of a tenth, as if every answer were a measurement."""
    wanted, said = _last_number(gold), _last_number(text)
    if wanted is None or said is None:
        return normalize(gold) == normalize(text)
    left, right = (float(number.replace(",", ".")) for number in (wanted, said))
    return abs(left - right) <= 0.1 * abs(left)


def _emptied(text: str) -> str:
    """A normaliser that upper-cases, then keeps words of lower-case letters: nothing stays."""
    return " ".join(re.findall(r"\b[a-z]+\b", text.upper()))


def _letters(text: str) -> str:
    """A normaliser that drops digits with the punctuation: all numbers become the same nothing."""
    return re.sub(r"[\W\d_]", "", text.casefold())


BROKEN: dict[str, tuple[Scorer, str]] = {
    # The first two are the classics; each line names a baseline that has to see it.
    "prefix": (RuleScorer("prefix", lambda gold, text: text.strip().startswith(gold)), "digit_appended"),
    "empty_normaliser": (
        RuleScorer("empty_normaliser", lambda gold, text: _emptied(gold) == _emptied(text)),
        "empty",
    ),
    "letters_only": (
        RuleScorer("letters_only", lambda gold, text: _letters(gold) == _letters(text)),
        "digit_changed",
    ),
    "original": (RuleScorer("original", lambda gold, text: is_quasi_exact_match(text, gold)), "negated"),
    "suffix": (RuleScorer("suffix", lambda gold, text: text.endswith(gold)), "digit_prepended"),
    "contains": (RuleScorer("contains", lambda gold, text: gold in text), "wrong_after_trace"),
    "reverse_prefix": (RuleScorer("reverse_prefix", lambda gold, text: gold.startswith(text)), "empty"),
    "accept_all": (RuleScorer("accept_all", lambda gold, text: True), "shuffled"),
    "accept_any_text": (RuleScorer("accept_any_text", lambda gold, text: bool(text.strip())), "no_answer"),
    "reject_all": (RuleScorer("reject_all", lambda gold, text: False), "gold"),
    "exact_only": (RuleScorer("exact_only", lambda gold, text: gold == text), "gold_in_sentence"),
    "tolerant": (RuleScorer("tolerant", _close), "digit_changed"),
    "no_sign": (Meddled("no_sign", lambda text: re.sub(r"[-\u2212](?=\d)", "", text)), "sign_changed"),
    "no_digits_after_first": (
        Meddled("no_digits_after_first", lambda text: re.sub(r"(?<=\d)\d+", "", text)),
        "digit_appended",
    ),
    "reads_the_trace": (
        Meddled("reads_the_trace", lambda text: re.sub(r"</?think>", "", text)),
        "unfinished_trace",
    ),
    "no_negation": (Meddled("no_negation", lambda text: text.replace("n'est pas", "est")), "negated"),
    "first_of_several": (
        Meddled("first_of_several", lambda text: text.split(" ou ")[0]),
        "hedged",
    ),
}
"""Broken scorers by name, each with a baseline that must stop it."""


def row_of(
    gold: str, *, row_id: str, choices: Iterable[str] = (), instruction: str | None = None, said: str = ""
) -> DetailsRow:
    return DetailsRow(
        row_id=row_id,
        gold=(gold,),
        choices=tuple(choices),
        instruction=instruction,
        predictions=(said,),
        metrics={},
        specifics={},
    )


def demo_rows() -> list[DetailsRow]:
    """The demo's bac-fr questions."""
    import pyarrow.parquet as pq

    records = pq.read_table(ROOT / "devstack/demo/datasets/bac-fr/train.parquet").to_pylist()
    return [
        row_of(
            record["reponse"],
            row_id=f"demo{number}",
            choices=record["choix"] or (),
            instruction=record["instruction"],
        )
        for number, record in enumerate(records)
    ]


def labelled_rows() -> list[DetailsRow]:
    """One row for each question of the labelled cases."""
    rows: dict[tuple[str, ...], DetailsRow] = {}
    cases = ROOT / "packages/french_answers/tests/data/bac_fr_own_cases.jsonl"
    for line in cases.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        choices = case.get("choices") or ()
        key = (case["gold"], case.get("instruction") or "", *choices)
        rows.setdefault(
            key,
            row_of(case["gold"], row_id=case["id"], choices=choices, instruction=case.get("instruction")),
        )
    return list(rows.values())


def gpqa_rows(*, letters: bool) -> list[DetailsRow]:
    """The demo's gpqa-fr questions, answered by a letter; *letters*: which is also how the gold is said."""
    import pyarrow.parquet as pq

    rows = []
    for number, record in enumerate(
        pq.read_table(ROOT / "devstack/demo/datasets/gpqa-fr/train.parquet").to_pylist()
    ):
        choices = [record[f"Réponse incorrecte {place}"] for place in (1, 2, 3)]
        choices.insert(number % 4, record["Réponse correcte"])
        gold = "ABCD"[number % 4] if letters else record["Réponse correcte"]
        rows.append(row_of(gold, row_id=f"gpqa{number}", choices=choices))
    return rows
