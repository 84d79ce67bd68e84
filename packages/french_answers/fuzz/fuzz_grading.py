"""Fuzzes the grader, led by coverage: any bytes get a verdict, within a second, and the same one again.

Not collected by pytest. Needs atheris, which is in no requirements file::

    pip install atheris
    python packages/french_answers/fuzz/fuzz_grading.py -max_total_time=300 -max_len=400
"""

from __future__ import annotations

import sys
import time
from importlib import import_module
from pathlib import Path

atheris = import_module("atheris")  # a tool of one's own, and no dependency

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

with atheris.instrument_imports(include=["french_answers"]):
    from french_answers import grade_answer
    from french_answers.values import compare_values, is_value, warm_up

LIMIT_S = 1.0
GOLDS = ("12", "S={-1;2}", "]0;1]", "2x+1", "y=2x-3", "25 km/h", "(1;-2)", "cos(x)", "ℝ∖{2}", "0,33")


def fuzz(data: bytes) -> None:
    """Judge one text against golds of several kinds, and as a gold.

    Raises:
        AssertionError: A verdict took too long, or changed.
    """
    provider = atheris.FuzzedDataProvider(data)
    gold = provider.PickValueInList(list(GOLDS))
    text = provider.ConsumeUnicode(400)
    started = time.process_time()
    verdicts = (
        compare_values(gold, text, instruction=text[:60]),
        compare_values(text, gold),
        grade_answer(gold, text),
        is_value(text),
    )
    spent = time.process_time() - started
    assert spent < LIMIT_S, f"{spent:.2f} s"
    assert verdicts[0] == compare_values(gold, text, instruction=text[:60])
    if text.strip():
        assert compare_values(text, text).equal


def main() -> None:
    """Fuzz until libFuzzer's limits."""
    assert warm_up()
    atheris.Setup(sys.argv, fuzz)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
