"""Prompt, gold answer and the original metric of bac-fr."""

from __future__ import annotations

import re
from typing import Any

from palmares.benchmarks.rows import read_rows, without_thought

COLUMNS = ("enonce", "instruction", "choix", "choix correct", "reponse")

_BOXED = re.compile(r"\\boxed\b")
_DECIMAL_COMMA = re.compile(r"(?<=\d)\s*,\s*(?=\d)")
_THOUSANDS = re.compile(r"(?<=\d)[\s\u00a0\u202f](?=\d{3}\b)")
_MARKUP = re.compile(r"[{}$*`]|\\[,;:! ]|\\left|\\right")


def load(**_: Any) -> dict[str, Any]:
    """Give lm-eval the dataset, held in memory only."""
    import datasets

    return {"train": datasets.Dataset.from_list(read_rows("bac-fr", COLUMNS))}


def prompt(row: dict[str, Any]) -> str:
    """The question, with its instruction and its choices where it has them."""
    parts = ["Répondre exactement à la question en suivant les instructions.\n"]
    if row["instruction"] is not None:
        parts.append(f"Instruction : {row['instruction']}\n")
    parts.append(f"Question : {row['enonce']}\n")
    if row["choix"] is not None:
        parts.append(f"Choix : {' ; '.join(row['choix'])}\n")
    return "".join(parts) + "Réponse :"


def gold(row: dict[str, Any]) -> str:
    """The expected answer: ``reponse``, or else the right choice.

    Raises:
        ValueError: The row has neither.
    """
    answer = row["reponse"] if row["reponse"] is not None else row["choix correct"]
    if answer is None:
        raise ValueError(f"bac-fr: row {row.get('row_id')} has neither 'reponse' nor 'choix correct'.")
    return str(answer)


def normalize(text: str) -> str:
    """Bring numbers, LaTeX and case to one form, as the original metric does."""
    text = _MARKUP.sub("", _BOXED.sub("", text)).lower()
    text = _THOUSANDS.sub("", _DECIMAL_COMMA.sub(".", text))
    return " ".join(text.split()).strip(" .;:")


def is_quasi_exact_match(prediction: str, expected: str) -> bool:
    """The original metric: the prediction, or what follows its last ``=``, starts or ends with the answer.

    It is known to be wrong on a third of the cases ("15" passes for "5"); it is what the leaderboard has
    shown, and what `bac-fr-qem` means in results files.
    """
    wanted = normalize(expected)
    said = normalize(without_thought(prediction))
    if not wanted or not said:
        return False
    return any(
        part.startswith(wanted) or part.endswith(wanted) for part in (said, said.rsplit("=", 1)[-1].strip())
    )


def process_results(row: dict[str, Any], results: list[str]) -> dict[str, int]:
    return {"bac-fr-qem": int(is_quasi_exact_match(results[0], gold(row)))}
