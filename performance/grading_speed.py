"""How fast bac-fr is graded, and how often wrongly, beside the leaderboard's original rule.

    python -m performance.grading_speed --rows 1000000 --workers 1,2 --by-length
    python -m performance.grading_speed --rows 50000 --misses 30     # while tuning

Generated (gold, prediction) pairs, none twice, with the family mix of the labelled cases, 5 to
4,000 characters long (log-uniform), a fifth with a reasoning trace; their verdicts are known by
construction. Blocks of pairs are drawn untimed, then graded by both; with several workers, all start a
block together and its time is the slowest one's. On a busy machine read the processor time, which counts
the slow engine's process too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from pathlib import Path
from typing import Any

from french_answers import grade_answer
from palmares.benchmarks.bac_fr.scorer import BacFrScorer

from performance.grading.original_rule import is_right
from performance.grading.pairs import LENGTH_CLASSES
from performance.grading.report import markdown
from performance.grading.timing import GRADERS, Counts, Run, run

CASE_FILES = ("bac_fr_cases.jsonl", "bac_fr_own_cases.jsonl")
DATA = Path(__file__).resolve().parents[1] / "packages/french_answers/tests/data"


def errors_on_cases(name: str) -> dict[str, Any]:
    """Errors of both graders on a file of labelled cases."""
    cases = [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]
    found: dict[str, Any] = {"cases": len(cases)}
    for grader in GRADERS:
        wrong = [case for case in cases if _verdict(grader, case) != case["correct"]]
        found[grader] = {
            "errors": len(wrong),
            "share": round(len(wrong) / len(cases), 4),
            "false_positives": sum(not case["correct"] for case in wrong),
        }
    return found


def _verdict(grader: str, case: dict[str, Any]) -> bool:
    if grader != "palmares":
        return is_right(case["gold"], case["prediction"])
    choices = case.get("choices") or ()
    return grade_answer(
        case["gold"], case["prediction"], instruction=case["instruction"], choices=choices
    ).correct


def summary(counts_of: list[Counts]) -> dict[str, Any]:
    """One grader's figures over some length classes."""
    whole = Counts()
    for counts in counts_of:
        whole.add(counts)
    rows = max(1, whole.rows)
    return {
        "rows": whole.rows,
        "rows_per_s": round(whole.rows_per_s),
        "processor_us_per_row": round(whole.processor_s / rows * 1e6, 2),
        "errors": whole.errors,
        "error_share": round(whole.errors / rows, 5),
        "false_positives": whole.false_positives,
        "slow_share": round(whole.slow / rows, 5),
    }


def compared(counts_of: dict[str, list[Counts]]) -> dict[str, Any]:
    """Both graders' figures, and the two ratios that the leaderboard asks about."""
    both = {grader: summary(found) for grader, found in counts_of.items()}
    ours, original = both["palmares"], both["original"]
    return both | {
        "speed_ratio": _ratio(ours["rows_per_s"], original["rows_per_s"]),
        "speed_ratio_to_patterns": _ratio(ours["rows_per_s"], both["original_patterns"]["rows_per_s"]),
        "processor_ratio": _ratio(original["processor_us_per_row"], ours["processor_us_per_row"]),
        "error_ratio": _ratio(ours["errors"], original["errors"]),
    }


def _ratio(over: float, under: float) -> float | None:
    return round(over / under, 4) if under else None


def to_json(found: Run, *, by_length: bool) -> dict[str, Any]:
    """One number of workers, as plain JSON."""
    answer = {
        "workers": found.workers,
        "whole_mix": compared(found.counts_of),
        "errors_by_family": {
            grader: dict(
                sum((counts.by_family for counts in counts_of), start=type(counts_of[0].by_family)())
            )
            for grader, counts_of in found.counts_of.items()
        },
        "peak_memory_mb": round(found.peak_bytes / 1e6, 1),
        "slow_engine_peak_memory_mb": round(found.children_peak_bytes / 1e6, 1),
    }
    if by_length:
        answer["by_length"] = {
            name: compared({grader: [counts_of[index]] for grader, counts_of in found.counts_of.items()})
            for index, name in enumerate(LENGTH_CLASSES)
        }
    return answer


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line; a list such as ``1,2`` for ``--workers``."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="unique pairs (default: 1,000,000)")
    parser.add_argument("--seed", type=int, default=20_261, help="of the pairs and their order")
    parser.add_argument(
        "--workers",
        type=lambda text: [int(count) for count in text.split(",")],
        default=[1],
        help="numbers of processes to measure one after the other, e.g. 1,2",
    )
    parser.add_argument("--by-length", action="store_true", help="also one set of figures a length class")
    parser.add_argument("--markdown", action="store_true", help="tables instead of JSON")
    parser.add_argument("--misses", type=int, default=0, help="show so many pairs that Palmarès gets wrong")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Measure and print JSON."""
    options = parse_arguments(argv)
    scorer = BacFrScorer()
    runs = [
        run(options.rows, seed=options.seed, workers=count, keep_misses=options.misses)
        for count in options.workers
    ]
    answer: dict[str, Any] = {
        "machine": {
            "cores": os.cpu_count(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
            "processor": platform.machine(),
            "python": platform.python_version(),
            "load_average": [round(load, 2) for load in os.getloadavg()],
        },
        "scorer": {"name": scorer.name, "version": scorer.version, "code_hash": scorer.code_hash},
        "seed": options.seed,
        "runs": [to_json(found, by_length=options.by_length) for found in runs],
        "case_files": {name: errors_on_cases(name) for name in CASE_FILES},
    }
    first = runs[0].counts_of["palmares"]
    if len(runs) > 1:
        alone = sum(counts.wall_s for counts in first)
        answer["speed_up"] = {
            str(found.workers): round(alone / sum(counts.wall_s for counts in found.counts_of["palmares"]), 3)
            for found in runs[1:]
        }
    if options.misses:
        answer["misses"] = [
            {
                "family": pair.family, "instruction": pair.instruction, "gold": pair.gold,
                "prediction": pair.prediction[-300:], "correct": pair.correct,
            }
            for pair in runs[0].misses
        ]  # fmt: skip
    print(markdown(answer) if options.markdown else json.dumps(answer, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
