"""Prompt and choices of gpqa-fr; the right choice's place is a function of the row."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

from palmares.benchmarks.rows import read_rows

CORRECT = "Réponse correcte"
INCORRECT = ("Réponse incorrecte 1", "Réponse incorrecte 2", "Réponse incorrecte 3")
COLUMNS = ("Question", CORRECT, *INCORRECT)
LETTERS = ("A", "B", "C", "D")

ScoredBy = Literal["text", "letters"]


def load(scored_by: ScoredBy = "text", **_: Any) -> dict[str, Any]:
    """Give lm-eval the dataset, held in memory only, with each row's prompt and choices.

    Raises:
        ValueError: *scored_by* is neither ``text`` nor ``letters``.
    """
    import datasets

    if scored_by not in {"text", "letters"}:
        raise ValueError(
            f"gpqa-fr: scored_by is {scored_by!r}: write 'text' or 'letters' in the task's YAML."
        )
    rows = read_rows("gpqa-fr", COLUMNS)
    return {"train": datasets.Dataset.from_list([{**row, **question(row, scored_by)} for row in rows])}


def gold_index(row: dict[str, Any]) -> int:
    """The right choice's place, 0 to 3: drawn from the question and its answer, the same on every run."""
    digest = hashlib.sha256(f"{row['Question']}\0{row[CORRECT]}".encode()).digest()
    return digest[0] % 4


def question(row: dict[str, Any], scored_by: ScoredBy) -> dict[str, Any]:
    """A row's ``prompt``, ``choices``, ``texts`` (the choices in words) and ``gold_index``."""
    place = gold_index(row)
    texts = [row[column] for column in INCORRECT]
    texts.insert(place, row[CORRECT])
    if scored_by == "text":
        prompt = f"Répondre à la question.\nQuestion : {row['Question']}\nRéponse :"
        return {"prompt": prompt, "choices": texts, "texts": texts, "gold_index": place}
    listed = "".join(f"{letter}. {text}\n" for letter, text in zip(LETTERS, texts, strict=True))
    prompt = f"Répondre à la question par A ou B ou C ou D.\nQuestion : {row['Question']}\n{listed}Réponse :"
    return {"prompt": prompt, "choices": list(LETTERS), "texts": texts, "gold_index": place}
