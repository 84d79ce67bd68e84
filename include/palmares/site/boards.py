"""What each page shows, gathered from the public data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from palmares.site import charts
from palmares.site.board import Row, difference, fold, ranks_text
from palmares.site.i18n import number
from palmares.site.pages import quoted
from palmares.site.settings import SiteSettings
from palmares.site.snapshot import ModelFiles, Request, Snapshot
from palmares.texts import Language, translations

MOST_COMPARED = 5
FIRST_ROWS = 50
"""Rows in the page itself, for readers without scripts; the whole table is ``board.json``."""
FEED_ENTRIES = 50
NEIGHBOURS = 3


def board_page(snapshot: Snapshot, settings: SiteSettings) -> dict[str, Any]:
    """The leaderboard: first rows, and what the filters offer."""
    rows = snapshot.rows
    return {
        "rows": rows[:FIRST_ROWS],
        "count": len(rows),
        "types": sorted({row.type for row in rows}),
        "precisions": sorted({row.precision for row in rows}),
        "benchmarks": settings.benchmarks,
    }


def table_json(snapshot: Snapshot, settings: SiteSettings, language: Language) -> bytes:
    """Every row for the table's script, numbers written as *language* does."""
    _ = translations(language).gettext
    titles = [benchmark.title for benchmark in settings.benchmarks]

    def cell(value: float | None, error: float | None) -> str:
        if value is None:
            return "–"
        text = number(value, language)
        return text if error is None else f"{text} ± {number(error, language)}"

    def span(interval: tuple[float, float] | None) -> str | None:
        return None if interval is None else " – ".join(number(end, language) for end in interval)

    rows = []
    for place, row in enumerate(snapshot.rows):
        made: dict[str, Any] = {
            "order": place,
            "rank": row.rank,
            "ranks": row.rank_text,
            "name": row.name,
            "url": f"/models/{quoted(row.name)}",
            "find": row.haystack,
            "sign": row.type.split(" ", 1)[0],
            "type": row.type,
            "average": row.average,
            "average_text": cell(row.average, row.average_stderr or None),
            "average_interval": span(row.interval),
            "precision": row.precision,
            "parameters": row.parameters_b,
            "parameters_text": number(row.parameters_b, language, 2 if (row.parameters_b or 9) < 1 else 1),
            "license": row.license,
            "architecture": row.architecture,
            "organisation": fold(row.organisation),
            "base_model": row.base_model,
            "revision": row.revision,
            "likes": row.likes,
            "chat": _("yes") if row.chat_template else _("no"),
            "merged": row.is_merged,
            "moderation": row.moderation,
            "reason": row.moderation_reason,
            "gpu_hours": row.gpu_hours,
            "gpu_hours_text": number(row.gpu_hours, language, 2),
            "carbon": row.carbon_kg,
            "carbon_text": number(row.carbon_kg, language, 2),
            "submitted": row.submitted,
            "evaluated": (row.evaluated or "")[:10],
        }
        for index, title in enumerate(titles):
            value = row.values[title]
            made[f"b{index}"] = value.shown
            made[f"b{index}_text"] = cell(value.shown, value.stderr)
            made[f"b{index}_raw"] = number(value.raw, language)
            made[f"b{index}_interval"] = span(value.interval)
            made[f"b{index}_ranks"] = None if value.ranks is None else ranks_text(*value.ranks)
        rows.append(made)
    return json.dumps({"version": snapshot.version, "rows": rows}, ensure_ascii=False).encode()


def model_page(
    snapshot: Snapshot, rows: Sequence[Row], files: ModelFiles, settings: SiteSettings
) -> dict[str, Any]:
    """One model: its rows, history, neighbours, provenance."""
    first = rows[0]
    ranked = [row for row in snapshot.rows if row.rank is not None]
    place = next((i for i, row in enumerate(ranked) if row is first), None)
    around = () if place is None else ranked[max(0, place - NEIGHBOURS) : place + NEIGHBOURS + 1]
    return {
        "rows": rows,
        "first": first,
        "neighbours": [
            {"row": row, "difference": None if row is first else difference(first, row)} for row in around
        ],
        "history": [_result(path, content, settings) for path, content in files.results],
        "provenance": files.provenance,
        "command": _command(files.provenance),
        "paths": files.paths,
        "requests": [one for one in snapshot.requests if one.model == first.name],
    }


def _result(path: str, content: Mapping[str, Any], settings: SiteSettings) -> dict[str, Any]:
    ours = content.get("palmares")
    scores = ours.get("scores") if isinstance(ours, dict) else None
    found = {}
    for benchmark in settings.benchmarks:
        score = scores.get(benchmark.name) if isinstance(scores, dict) else None
        if isinstance(score, dict) and isinstance(score.get("value"), int | float):
            found[benchmark.title] = {
                "value": 100 * score["value"],
                "stderr": 100 * score["stderr"] if isinstance(score.get("stderr"), int | float) else None,
                "scorer": f"{score.get('scorer')} {score.get('scorer_version')}",
            }
    stem = path.rpartition("/")[2].removeprefix("results_").removesuffix(".json")
    return {"path": path, "time": stem.partition(".")[0].replace("T", " "), "scores": found}


def _command(provenance: Mapping[str, Any] | None) -> str | None:
    """The command that reproduces the result, as the provenance gives it."""
    reproduce = (provenance or {}).get("reproduce")
    if isinstance(reproduce, dict):
        reproduce = next((value for value in reproduce.values() if isinstance(value, str)), None)
    if isinstance(reproduce, list):
        reproduce = "\n".join(str(line) for line in reproduce)
    return reproduce if isinstance(reproduce, str) else None


def compare_page(snapshot: Snapshot, wanted: Sequence[str], settings: SiteSettings) -> dict[str, Any]:
    """Two to five models side by side, each against the first."""
    rows, missing = [], []
    for name in dict.fromkeys(wanted):
        found = next((row for row in snapshot.rows if row.eval_name == name), None)
        found = found or next(iter(snapshot.by_name.get(name, ())), None)
        if found is None:
            missing.append(name)
        elif found not in rows:
            rows.append(found)
    titles = [None, *(benchmark.title for benchmark in settings.benchmarks)]
    lines = [
        {
            "title": title,
            "cells": [
                {
                    "row": row,
                    "value": row.average if title is None else row.values[title].shown,
                    "stderr": (row.average_stderr or None) if title is None else row.values[title].stderr,
                    "difference": None if row is rows[0] else difference(row, rows[0], title),
                }
                for row in rows
            ],
        }
        for title in titles
    ]
    suites = {row.suite_hash for row in rows}
    templates = {row.chat_template for row in rows}
    return {
        "rows": rows,
        "missing": missing,
        "lines": lines,
        "other_suites": len(suites) > 1,
        "other_templates": len(templates) > 1,
        "names": sorted({row.name for row in snapshot.rows}),
        "chart": charts.intervals(rows) if rows else None,
    }


def queue_page(snapshot: Snapshot) -> dict[str, Any]:
    """Requests by what becomes of them."""
    groups: dict[str, list[Request]] = {
        name: [] for name in ("running", "waiting", "failed", "finished", "other")
    }
    for one in snapshot.requests:
        groups[one.state].append(one)
    return {"groups": groups}


def about_page(settings: SiteSettings) -> dict[str, Any]:
    return {"benchmarks": settings.benchmarks}


def charts_page(snapshot: Snapshot) -> dict[str, Any]:
    """Score against size, cost and date, each with the rows that it is drawn from."""
    rows = [row for row in snapshot.rows if row.rank is not None]
    return {
        "intervals": charts.intervals(rows[:30]),
        "size": charts.scatter(rows, "parameters_b", logarithmic=True),
        "cost": charts.scatter(rows, "gpu_hours", logarithmic=True),
        "dates": charts.scatter(rows, "submitted"),
        "rows": rows,
    }


def feed(snapshot: Snapshot, kind: str) -> dict[str, Any]:
    """The newest results, or failures."""
    if kind == "results":
        rows = [row for row in snapshot.rows if row.evaluated and row.moderation != "withdrawn"]
        entries: list[Any] = sorted(rows, key=lambda row: row.evaluated or "", reverse=True)[:FEED_ENTRIES]
        updated = max((row.evaluated or "" for row in rows), default="1970-01-01T00:00:00Z")
    else:
        failed = [one for one in snapshot.requests if one.state == "failed" and one.submitted]
        entries = failed[:FEED_ENTRIES]
        times = [one.submitted.isoformat() for one in failed if one.submitted]
        updated = max(times, default="1970-01-01T00:00:00+00:00")
    return {"kind": kind, "entries": entries, "updated": updated}
