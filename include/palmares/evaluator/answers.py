"""Keeps the answers of a task as they come: a job that is stopped asks the model later for the rest only."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

ANSWERS_NAME: Final = "answers.jsonl"
_SLICES: Final = 20
"""Of a task's rows: what is under way when a job is stopped is answered twice, a twentieth at most."""
_ROWS_IN_FLIGHT: Final = {"vllm": 256}
"""Rows of the smallest slice of an engine that batches by itself: with fewer it would be idle.
Source: ``SchedulerConfig.DEFAULT_MAX_NUM_SEQS``, vllm/config/scheduler.py."""
_REQUEST_TYPES: Final = frozenset({"generate_until", "loglikelihood", "loglikelihood_rolling"})


class AnswerLog:
    """An append-only file of one task: a line says what it depends on, then one a slice of answered requests.

    It holds answers and hashes of prompts, no prompt. The last line may have been cut by a kill.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        """Read what is there of the same fingerprint; anything else is replaced.

        Args:
            path: The file; its folder is made.
            fingerprint: What the answers depend on: model commit, benchmark, dataset, settings, versions.
        """
        self._path = path
        self._answers: dict[str, list[Any]] = {}
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        head = json.dumps({"fingerprint": fingerprint}) + "\n"
        kept = head
        for line in _whole_lines(path, head):
            try:
                one = json.loads(line)
                self._answers[one["requests"]] = one["answers"]
            except (ValueError, KeyError, TypeError):
                break
            kept += line
        partial = path.with_suffix(".partial")
        partial.write_text(kept, encoding="utf-8")
        partial.replace(path)

    def find(self, requests: str) -> list[Any] | None:
        """The answers to a slice by its hash; None: it was not answered."""
        return self._answers.get(requests)

    def add(self, requests: str, answers: list[Any]) -> None:
        """Write the answers to a slice, and let the file system have them before the next begins."""
        self._answers[requests] = answers
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"requests": requests, "answers": answers}) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _whole_lines(path: Path, head: str) -> Iterator[str]:
    """The lines after *head*, up to one that a kill has cut."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    except FileNotFoundError:
        return
    if lines and lines[0] == head:
        yield from (line for line in lines[1:] if line.endswith("\n"))


class RememberingModel:
    """An lm-eval model that answers slices of rows, and those that its log has without the engine.

    The slices depend on the task's requests only: a job that carries on makes the engine's batches that an
    uninterrupted one makes, and gets the same numbers.
    """

    def __init__(
        self, lm: Any, log: AnswerLog, *, title: str, backend: str, on_known: Callable[[int], None]
    ) -> None:
        """Wrap a model.

        Args:
            lm: Loaded.
            log: Of the task that is evaluated.
            title: For the progress bar.
            backend: Of the job.
            on_known: Told how many requests the log has answered.
        """
        self._lm = lm
        self._log = log
        self._title = title
        self._on_known = on_known
        batch_rows = lm.batch_size if isinstance(lm.batch_size, int) else 1
        self._batch_rows = max(1, batch_rows)
        self._least_rows = _ROWS_IN_FLIGHT.get(backend, 1)

    def __getattr__(self, name: str) -> Any:
        if name in _REQUEST_TYPES:
            return lambda requests: self._answer(name, requests)
        return getattr(self._lm, name)

    def _answer(self, kind: str, requests: Sequence[Any]) -> list[Any]:
        answers: list[Any] = [None] * len(requests)
        with tqdm(total=len(requests), desc=self._title, unit="request") as bar:
            for places in self._slices(requests):
                chosen = [requests[place] for place in places]
                key = _key(kind, chosen)
                found = self._log.find(key)
                if found is None or len(found) != len(chosen):
                    found = list(getattr(self._lm, kind)(chosen, disable_tqdm=True))
                    self._log.add(key, found)
                else:
                    self._on_known(len(chosen))
                for place, answer in zip(places, found, strict=True):
                    answers[place] = tuple(answer) if isinstance(answer, list) else answer
                bar.update(len(chosen))
        return answers

    def _slices(self, requests: Sequence[Any]) -> list[list[int]]:
        """Places of the requests of each slice: whole rows, long prompts first, as the engines batch them."""
        places = sorted(range(len(requests)), key=lambda place: requests[place].doc_id)
        rows = [list(row) for _, row in groupby(places, key=lambda place: requests[place].doc_id)]
        rows.sort(key=lambda row: max(len(str(requests[place].args[0])) for place in row), reverse=True)
        size = max(-(-len(rows) // _SLICES), self._least_rows)
        size = -(-size // self._batch_rows) * self._batch_rows
        return [
            [place for row in rows[first : first + size] for place in row]
            for first in range(0, len(rows), size)
        ]


def _key(kind: str, requests: Sequence[Any]) -> str:
    text = json.dumps([kind, [request.args for request in requests]], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
