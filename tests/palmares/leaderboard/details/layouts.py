"""Writes the same answers as each program's details: columns, columns in strings, structs, samples."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One row, in no program's words."""

    row_id: str
    gold: str
    said: str
    before: int
    """What the evaluator's own metric says."""
    instruction: str | None = None
    choices: tuple[str, ...] = ()


ANSWERS = (
    Answer(row_id="r0", gold="12", said="La réponse est 12.", before=0),
    Answer(row_id="r1", gold="5", said="15", before=1),
    Answer(row_id="r2", gold="vrai", said="Vrai", before=1),
    Answer(row_id="r3", gold="B", said="La réponse est B.", before=1, choices=("A", "B", "C")),
    Answer(row_id="r4", gold="0,5", said="1/2", before=0, instruction="Donner la valeur exacte."),
)
"""Right now: r0, r2, r3, r4."""


def as_columns(path: Path, answers: Sequence[Answer], metric: str = "bac-fr-qem") -> None:
    """lighteval to mid-2025, native."""
    rows = [_columns(answer, metric) for answer in answers]
    pq.write_table(pa.Table.from_pylist(rows), path)


def as_strings(path: Path, answers: Sequence[Answer], metric: str = "bac-fr-qem") -> None:
    """The same, with every column cast to a string: what lighteval does where the types of rows differ."""
    rows = [{key: str(value) for key, value in _columns(answer, metric).items()} for answer in answers]
    pq.write_table(pa.Table.from_pylist(rows), path)


def as_structs(
    path: Path, answers: Sequence[Answer], metric: str = "bac-fr-qem", *, underscores: bool = True
) -> None:
    """lighteval since its refactor."""
    mark = "__" if underscores else ""
    rows = [
        {f"{mark}{name}{mark}": value for name, value in _structs(answer, metric).items()}
        for answer in answers
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)


def as_struct_strings(path: Path, answers: Sequence[Answer], metric: str = "bac-fr-qem") -> None:
    """Structs as Python reprs, with the repr of an enum and of an array in them."""
    rows = []
    for answer in answers:
        row = {f"__{name}__": repr(value) for name, value in _structs(answer, metric).items()}
        row["__doc__"] = row["__doc__"][:-1] + ", 'sampling': [<SamplingMethod.GENERATIVE: 'GENERATIVE'>]}"
        row["__metric__"] = f"{{'{metric}': np.float64({float(answer.before)})}}"
        rows.append(row)
    pq.write_table(pa.Table.from_pylist(rows), path)


def as_samples(path: Path, answers: Sequence[Answer], metric: str = "bac-fr-qem") -> None:
    """lm-eval, with a second filter's line for each row."""
    lines = [
        _sample(number, answer, metric, name)
        for number, answer in enumerate(answers)
        for name in ("none", "other")
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


LAYOUTS: dict[str, tuple[str, Callable[..., None]]] = {
    "columns": ("details_community|bac-fr|0_{time}.parquet", as_columns),
    "strings": ("details_community|bac-fr|0_{time}.parquet", as_strings),
    "structs": ("details_community|bac-fr|0_{time}.parquet", as_structs),
    "struct strings": ("details_community|bac-fr|0_{time}.parquet", as_struct_strings),
    "samples": ("samples_bac-fr_{time}.jsonl", as_samples),
}
"""File name and writer of each layout."""


def _sample(number: int, answer: Answer, metric: str, name: str) -> dict[str, Any]:
    doc = {
        "row_id": answer.row_id,
        "enonce": f"Question {number}",
        "instruction": answer.instruction,
        "choix": list(answer.choices) or None,
        "reponse": answer.gold,
    }
    return {
        "doc_id": number,
        "doc": doc,
        "target": answer.gold,
        "arguments": {"gen_args_0": {"arg_0": "…"}},
        "resps": [[answer.said]],
        "filtered_resps": [answer.said],
        "filter": name,
        "metrics": [metric],
        metric: answer.before,
    }


def _prompt(answer: Answer) -> str:
    instruction = f"Instruction: {answer.instruction}\n\n" if answer.instruction else ""
    return f"Répondre exactement.\n\n{instruction}Question: une question\nRéponse: "


def _columns(answer: Answer, metric: str) -> dict[str, Any]:
    return {
        "choices": list(answer.choices),
        "cont_tokens": [[1]],
        "example": _prompt(answer),
        "full_prompt": _prompt(answer),
        "gold": [answer.gold],
        "gold_index": [answer.choices.index(answer.gold)] if answer.choices else [],
        "input_tokens": [[1]],
        "instruction": "",
        "metrics": {metric: float(answer.before)},
        "num_asked_few_shots": 0,
        "num_effective_few_shots": 0,
        "padded": [0],
        "pred_logits": [],
        "predictions": [answer.said],
        "specifics": {"row_id": answer.row_id},
        "truncated": [0],
    }


def _structs(answer: Answer, metric: str) -> dict[str, dict[str, Any]]:
    return {
        "doc": {
            "query": _prompt(answer),
            "choices": list(answer.choices) or [answer.gold],
            "gold_index": answer.choices.index(answer.gold) if answer.choices else 0,
            "id": "7",
            "instruction": "",
            "specific": {"row_id": answer.row_id},
        },
        "model_response": {
            "input": _prompt(answer),
            "text": [answer.said],
            "logprobs": [],
            "truncated_tokens_count": 0,
        },
        "metric": {metric: float(answer.before)},
    }
