"""Which of the waiting entries go into one commit, and what they make of the files that are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from palmares.leaderboard.errors import LeaderboardError
from palmares.leaderboard.publishing.card import edit_card
from palmares.leaderboard.submissions.status_machine import write_status
from palmares.store.outbox_entries import PendingEntry
from palmares.store.outbox_hub import OutboxLimits, is_content


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a batch amounts to on top of one commit."""

    files: dict[str, bytes]
    """Only what differs."""
    failed: dict[int, str]
    """Entries that can never be applied: id and reason."""


def next_batch(pending: Iterable[PendingEntry], limits: OutboxLimits) -> list[PendingEntry]:
    """The first entries that may be written and fit one commit; at least one, if any may.

    Entries of one path never overtake each other: behind one that has to wait for its model's files, all of
    that path wait.
    """
    batch: list[PendingEntry] = []
    paths: set[str] = set()
    waiting_paths: set[str] = set()
    size = 0
    for entry in pending:
        if entry.waits_for_files or entry.path in waiting_paths:
            waiting_paths.add(entry.path)
            continue
        is_full = len(paths | {entry.path}) > limits.files_per_commit
        if batch and (is_full or size + entry.content_bytes > limits.bytes_per_commit):
            break
        batch.append(entry)
        paths.add(entry.path)
        size += entry.content_bytes
    return batch


def halves(batch: Sequence[PendingEntry]) -> tuple[list[PendingEntry], list[PendingEntry]] | None:
    """Cut a batch in two, entries of one path together; None: it has one path only."""
    paths = list(dict.fromkeys(entry.path for entry in batch))
    if len(paths) == 1:
        return None
    first = set(paths[: len(paths) // 2])
    return (
        [entry for entry in batch if entry.path in first],
        [entry for entry in batch if entry.path not in first],
    )


def edited_paths(batch: Iterable[PendingEntry]) -> list[str]:
    """Paths whose content has to be known."""
    return sorted({entry.path for entry in batch if entry.kind != "put"})


def apply_entries(
    batch: Iterable[PendingEntry],
    contents: Mapping[int, bytes],
    *,
    content_ids: Mapping[str, str],
    before: Mapping[str, bytes],
    where: str,
) -> Change:
    """Apply *batch* to the files as they are; later entries build on earlier ones.

    Args:
        contents: Of puts, by entry id.
        content_ids: What every path of the batch holds now; missing files are left out.
        before: The contents of `edited_paths` that are there.
        where: Repository and commit, for messages.
    """
    after: dict[str, bytes] = {}
    failed: dict[int, str] = {}
    for entry in batch:
        path = entry.path
        if entry.lost_files is not None:
            failed[entry.id] = f"{path}: the model's files cannot be written ({entry.lost_files})"
            continue
        if entry.kind == "put":
            after[path] = contents[entry.id]
            continue
        current = after.get(path, before.get(path))
        if current is None and entry.kind != "edit_card":
            failed[entry.id] = f"{path} is not in {where}: its sender took it back."
            continue
        try:
            after[path] = _edited(entry, current)
        except (ValueError, LeaderboardError) as error:
            failed[entry.id] = f"{path} in {where} cannot be edited: {error}"
    files = {
        path: content
        for path, content in after.items()
        if path not in content_ids or not is_content(content, content_ids[path])
    }
    return Change(files=files, failed=failed)


def _edited(entry: PendingEntry, current: bytes | None) -> bytes:
    changes = entry.changes or {}
    if entry.kind == "edit_card":
        return edit_card(current, changes)
    return write_status(current or b"", changes, path=entry.path)


def commit_message(entries: Iterable[PendingEntry]) -> str:
    """One message for all: the same for the same entries."""
    messages = list(dict.fromkeys(entry.message for entry in entries))
    if len(messages) == 1:
        return messages[0]
    return "\n".join([f"{messages[0]} (and {len(messages) - 1} more)", "", *(f"- {one}" for one in messages)])
