"""The figures of docs/reference/performance.md, as Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_GRADERS = {
    "original": "original rule, plain replacements",
    "original_patterns": "original rule, regular expressions",
    "palmares": "Palmarès",
}


def markdown(answer: dict[str, Any]) -> str:
    """Lay a measurement out; processes that were not measured have no row."""
    first = answer["runs"][0]
    parts = [
        f"{first['whole_mix']['palmares']['rows']:,} unique pairs, one process; "
        f"{answer['machine']['cores']} cores, {answer['machine']['memory_gb']} GB of memory, "
        f"Python {answer['machine']['python']}, scorer version {answer['scorer']['version']}. "
        "µs: processor time a row, the slow engine's process included.",
        _whole(first),
        f"Rows a second: **{first['whole_mix']['speed_ratio']:.2f} ×** the quick baseline's "
        f"({first['whole_mix']['processor_ratio']:.2f} by processor time), "
        f"{first['whole_mix']['speed_ratio_to_patterns']:.2f} × those of the one with regular expressions; "
        f"errors: {first['whole_mix']['error_ratio']:.4f} of the baseline's.",
    ]
    if "by_length" in first:
        parts.append(_by_length(first["by_length"]))
    parts.append(_cases(answer["case_files"]))
    parts.append(_processes(answer))
    return "\n\n".join(parts) + "\n"


def _whole(run: dict[str, Any]) -> str:
    rows = [
        (
            name,
            f"{one['rows_per_s']:,}",
            f"{one['processor_us_per_row']:.1f}",
            f"{one['errors']:,} ({one['error_share']:.3%})",
            f"{one['false_positives']:,}",
            f"{one['slow_share']:.3%}",
        )
        for grader, name in _GRADERS.items()
        for one in (run["whole_mix"][grader],)
    ]
    return _table(("", "Rows/s", "µs", "Errors", "False positives", "Slow path"), rows)


def _by_length(classes: dict[str, Any]) -> str:
    rows = [
        (
            length,
            f"{one['palmares']['rows']:,}",
            f"{one['original']['processor_us_per_row']:.1f}",
            f"{one['palmares']['processor_us_per_row']:.1f}",
            "–" if one["speed_ratio"] is None else f"{one['speed_ratio']:.2f} ×",
            f"{one['palmares']['slow_share']:.3%}",
            f"{one['original']['errors']:,}",
            f"{one['palmares']['errors']:,}",
        )
        for length, one in classes.items()
    ]
    head = (
        "Characters",
        "Rows",
        "µs, original",
        "µs, Palmarès",
        "Rows/s",
        "Slow path",
        "Errors, original",
        "Errors",
    )
    return _table(head, rows)


def _cases(files: dict[str, Any]) -> str:
    rows = [
        (
            f"`{name}`",
            f"{one['cases']:,}",
            f"{one['original']['errors']:,} ({one['original']['false_positives']:,})",
            f"{one['palmares']['errors']:,} ({one['palmares']['false_positives']:,})",
        )
        for name, one in files.items()
    ]
    return _table(
        ("Labelled cases", "", "Errors, original (false positives)", "Errors (false positives)"), rows
    )


def _processes(answer: dict[str, Any]) -> str:
    speed_up = answer.get("speed_up", {})
    rows = [
        (
            f"{run['workers']}",
            f"{run['whole_mix']['palmares']['rows_per_s']:,}",
            f"{speed_up[str(run['workers'])]:.2f} ×" if str(run["workers"]) in speed_up else "1",
            f"{run['peak_memory_mb']:.0f} MB",
            f"{run['slow_engine_peak_memory_mb']:.0f} MB",
        )
        for run in answer["runs"]
    ]
    head = ("Processes", "Rows/s", "Against one", "Peak memory, largest process", "of a slow engine's")
    return _table(head, rows)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
