"""Writes the contents table: typed columns, and the same bytes for the same rows."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from palmares.leaderboard.publishing.contents import Contents, ContentsRow, model_link, type_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

CONTENTS_PATH = "data/train-00000-of-00001.parquet"
"""Where `datasets` looks for the split ``train`` of a dataset."""
QUEUE_PATH = "queue.json"
"""Places and expected starts, beside the table; `palmares.steps.leaderboard.queue` writes it."""
PER_CENT = 100


def contents_parquet(contents: Contents, *, hub_url: str) -> bytes:
    """Write the table of formats in use (the Open LLM Leaderboard's ``contents``, v2), and ours after it.

    Scores are in per cent, ``… Raw`` are fractions. A group has a column like a task; the tasks in it
    come last. The time of writing is nowhere in it: nothing new means not one changed byte.

    Args:
        contents: The leaderboard.
        hub_url: Where links to models lead.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    frame = contents_frame(contents, hub_url=hub_url)
    table = pa.Table.from_pandas(frame, schema=pa.schema(_columns(contents)), preserve_index=False)
    # Without what pandas adds to a schema: it holds the versions of its libraries.
    table = table.replace_schema_metadata()
    output = io.BytesIO()
    # Fixed choices, whatever a later library prefers: the bytes are compared.
    pq.write_table(table, output, compression="snappy", version="2.6", data_page_version="1.0")
    return output.getvalue()


def contents_frame(contents: Contents, *, hub_url: str) -> pd.DataFrame:
    """The leaderboard as a table: a line a row, in the order of the ranks, with the parquet's columns."""
    import pandas as pd

    records = [_record(row, contents, hub_url=hub_url) for row in contents.rows]
    columns = _columns(contents)
    frame = pd.DataFrame(records, columns=list(columns), dtype=object)
    return frame.astype({name: "Int64" for name, kind in columns.items() if kind == "int64"})


def _columns(contents: Contents) -> dict[str, pa.DataType]:
    import pyarrow as pa

    text, number, flag, whole = pa.string(), pa.float64(), pa.bool_(), pa.int64()
    columns = [column.title for column in contents.suite.columns]
    members = [member.title for member in contents.suite.members]
    return {
        "eval_name": text,
        "Precision": text,
        "Type": text,
        "T": text,
        "Weight type": text,
        "Architecture": text,
        "Model": text,
        "fullname": text,
        "Model sha": text,
        "Average ⬆️": number,
        "Hub License": text,
        "Hub ❤️": whole,
        "#Params (B)": number,
        "Available on the hub": flag,
        "MoE": flag,
        "Flagged": flag,
        "Chat Template": flag,
        "CO₂ cost (kg)": number,
        **{name: number for title in columns for name in (f"{title} Raw", title)},
        "Upload To Hub Date": text,
        "Submission Date": text,
        "Generation": whole,
        "Base Model": text,
        "Rank": whole,
        "Average Stderr": number,
        **{f"{title} Stderr": number for title in columns},
        "Rank Best": whole,
        "Rank Worst": whole,
        "Tie Group": whole,
        "Average Low": number,
        "Average High": number,
        **{f"{title} {end}": number for title in columns for end in ("Low", "High")},
        **{f"{title} Rank {end}": whole for title in columns for end in ("Best", "Worst")},
        "GPU-hours": number,
        "Moderation": text,
        "Moderation Reason": text,
        "Moderation Link": text,
        "Former Names": pa.list_(text),
        "Evaluation Date": text,
        "Suite": text,
        "Suite Hash": text,
        "Evaluator": text,
        "Job Key": text,
        **{name: number for title in members for name in (f"{title} Raw", title, f"{title} Stderr")},
    }


def _record(row: ContentsRow, contents: Contents, *, hub_url: str) -> dict[str, Any]:
    submission, about = row.result.submission, row.result.submission.about
    kind = type_of(row)
    decision = row.moderation
    scores: dict[str, float] = {}
    for column in (*contents.suite.columns, *contents.suite.members):
        value = (row.values or {}).get(column.name)
        if value is not None:
            scores[f"{column.title} Raw"] = value.raw
            scores[column.title] = PER_CENT * value.shown
            if value.stderr is not None:
                scores[f"{column.title} Stderr"] = PER_CENT * value.stderr
            if value.interval is not None:
                scores |= _interval(column.title, *value.interval)
            if value.ranks is not None:
                scores |= _ranks(f"{column.title} Rank", *value.ranks)
    average, stderr, placing = row.average, row.average_stderr, row.placing
    if placing is not None:
        scores |= _interval("Average", placing.low, placing.high)
        scores |= _ranks("Rank", placing.best, placing.worst)
    return {
        "eval_name": eval_name(row),
        "Precision": submission.precision,
        "Type": kind,
        "T": kind.split(" ", 1)[0],
        "Weight type": submission.weight_type,
        "Architecture": about.architecture or "?",
        "Model": model_link(row.model_id, hub_url=hub_url),
        "fullname": row.model_id,
        "Model sha": submission.revision,
        "Average ⬆️": None if average is None else PER_CENT * average,
        "Hub License": about.license or "?",
        "Hub ❤️": submission.likes,
        "#Params (B)": _billions(row),
        # It was when it was admitted; a withdrawn one is not evaluated any more.
        "Available on the hub": not row.is_withdrawn,
        "MoE": about.is_mixture,
        "Flagged": row.is_flagged,
        "Chat Template": submission.use_chat_template,
        "CO₂ cost (kg)": row.result.cost.carbon_kg,
        **scores,
        "Upload To Hub Date": _day(about.uploaded_at),
        "Submission Date": _day(submission.submitted_time),
        "Generation": row.generation,
        "Base Model": about.base_model or row.model_id,
        "Rank": row.rank,
        "Tie Group": None if placing is None else placing.tie_group,
        "Average Stderr": None if stderr is None else PER_CENT * stderr,
        "GPU-hours": row.result.cost.gpu_hours,
        "Moderation": None if decision is None else decision.action.value,
        "Moderation Reason": None if decision is None else decision.reason,
        "Moderation Link": None if decision is None else decision.link,
        "Former Names": list(row.former_names),
        "Evaluation Date": row.result.manifest.ended_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Suite": row.result.manifest.suite.name,
        "Suite Hash": row.result.manifest.suite.hash,
        "Evaluator": row.result.manifest.versions.get("evaluator"),
        "Job Key": submission.job_key,
    }


def _interval(name: str, low: float, high: float) -> dict[str, float]:
    return {f"{name} Low": PER_CENT * low, f"{name} High": PER_CENT * high}


def _ranks(name: str, best: int, worst: int) -> dict[str, float]:
    return {f"{name} Best": best, f"{name} Worst": worst}


def eval_name(row: ContentsRow) -> str:
    """``org_model_precision``, with what else tells rows of one model apart."""
    submission = row.result.submission
    parts = [row.model_id.replace("/", "_"), submission.precision]
    if submission.weight_type != "Original":
        parts.append(submission.weight_type)
    if not submission.use_chat_template:
        parts.append("no_chat_template")
    return "_".join(parts)


def _billions(row: ContentsRow) -> float | None:
    parameters = row.result.manifest.model.parameters or row.result.submission.about.parameters
    return None if parameters is None else parameters / 1e9


def _day(moment: str | None) -> str | None:
    """``2026-01-31``; None: not known, or no time."""
    if moment is None:
        return None
    try:
        return datetime.fromisoformat(moment).date().isoformat()
    except ValueError:
        return None
