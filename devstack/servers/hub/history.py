"""Refs and commits: which commit a revision names, and what each commit changed."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from devstack.servers.hub.refusals import Refusal, checked_ref_name, revision_not_found
from devstack.servers.hub.repositories import MAIN, Repository
from devstack.servers.hub.storage import EMPTY_TREE, Database, ObjectStore

_HEADS = "refs/heads/"
_TAGS = "refs/tags/"
_HEX = re.compile(r"[0-9a-f]{7,40}")

_LOG = """
WITH RECURSIVE chain (oid, depth) AS (
    SELECT :oid, 0
    UNION ALL
    SELECT commits.parent, depth + 1 FROM chain
    JOIN commits ON commits.repo_id = :repo AND commits.oid = chain.oid
    WHERE commits.parent IS NOT NULL
)
SELECT commits.* FROM chain
JOIN commits ON commits.repo_id = :repo AND commits.oid = chain.oid
ORDER BY depth LIMIT :limit OFFSET :offset
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit of one repository."""

    oid: str
    parent: str | None
    tree: str
    author: str
    title: str
    description: str
    date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """A branch or a tag."""

    ref: str
    oid: str

    @property
    def name(self) -> str:
        return self.ref.removeprefix(_HEADS).removeprefix(_TAGS)

    @property
    def is_branch(self) -> bool:
        return self.ref.startswith(_HEADS)


def commit_of(row: sqlite3.Row) -> Commit:
    """Read a row of the table of commits."""
    return Commit(
        oid=row["oid"],
        parent=row["parent"],
        tree=row["tree"],
        author=row["author"],
        title=row["title"],
        description=row["description"],
        date=row["date"],
    )


class History:
    """Reads and moves refs, reads commits."""

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        self._database = database
        self._objects = objects

    def resolve(self, repository: Repository, revision: str) -> Commit:
        """Return the commit that a branch, tag, full ref, commit or commit prefix names.

        Raises:
            Refusal: 404: it names none, or the prefix more than one.
        """
        with self._database.reading() as connection:
            for ref in (revision, _HEADS + revision, _TAGS + revision):
                row = connection.execute(
                    "SELECT commits.* FROM refs JOIN commits USING (repo_id, oid)"
                    " WHERE repo_id = ? AND ref = ?",
                    (repository.key, ref),
                ).fetchone()
                if row:
                    return commit_of(row)
            if _HEX.fullmatch(revision):
                rows = connection.execute(
                    "SELECT * FROM commits WHERE repo_id = ? AND oid BETWEEN ? AND ? LIMIT 2",
                    (repository.key, revision.ljust(40, "0"), revision.ljust(40, "f")),
                ).fetchall()
                if len(rows) == 1:
                    return commit_of(rows[0])
        raise revision_not_found(revision)

    def commit(self, repository: Repository, oid: str) -> Commit:
        """Return the commit of that full hash, which must exist."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT * FROM commits WHERE repo_id = ? AND oid = ?", (repository.key, oid)
            ).fetchone()
        return commit_of(row)

    def log(self, repository: Repository, start: Commit, *, limit: int = -1, offset: int = 0) -> list[Commit]:
        """Return *start* and its ancestors, newest first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                _LOG,
                {"repo": repository.key, "oid": start.oid, "limit": limit, "offset": offset},
            ).fetchall()
        return [commit_of(row) for row in rows]

    def refs(self, repository: Repository) -> list[Ref]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT ref, oid FROM refs WHERE repo_id = ? ORDER BY ref", (repository.key,)
            ).fetchall()
        return [Ref(ref=row["ref"], oid=row["oid"]) for row in rows]

    def create_branch(self, repository: Repository, name: str, start: Commit) -> None:
        self._create_ref(repository, _HEADS + checked_ref_name(name), start, message=None)

    def create_tag(self, repository: Repository, name: str, target: Commit, *, message: str | None) -> None:
        self._create_ref(repository, _TAGS + checked_ref_name(name), target, message=message)

    def _create_ref(self, repository: Repository, ref: str, target: Commit, *, message: str | None) -> None:
        try:
            with self._database.writing() as connection:
                connection.execute(
                    "INSERT INTO refs VALUES (?, ?, ?, ?)", (repository.key, ref, target.oid, message)
                )
        except sqlite3.IntegrityError as error:
            raise Refusal(409, f"Reference {ref} already exists") from error

    def delete_branch(self, repository: Repository, name: str) -> None:
        if _HEADS + name == MAIN:
            raise Refusal(403, "The branch main cannot be deleted")
        self._delete_ref(repository, _HEADS + name, name)

    def delete_tag(self, repository: Repository, name: str) -> None:
        self._delete_ref(repository, _TAGS + name, name)

    def _delete_ref(self, repository: Repository, ref: str, name: str) -> None:
        with self._database.writing() as connection:
            deleted = connection.execute(
                "DELETE FROM refs WHERE repo_id = ? AND ref = ?", (repository.key, ref)
            ).rowcount
        if not deleted:
            raise revision_not_found(name)

    def last_changes(self, repository: Repository, commit: Commit, paths: Iterable[str]) -> dict[str, Commit]:
        """Return, for each path that exists at *commit*, the commit that last changed it."""
        pending = {path: self._objects.lookup(commit.tree, path) for path in paths}
        found: dict[str, Commit] = {}
        for newer, older in self._steps(repository, commit):
            tree = older.tree if older else EMPTY_TREE
            changed = [path for path, entry in pending.items() if self._objects.lookup(tree, path) != entry]
            for path in changed:
                del pending[path]
                found[path] = newer
            if not pending:
                break
        return found

    def _steps(self, repository: Repository, commit: Commit) -> Iterator[tuple[Commit, Commit | None]]:
        offset, page = 0, 50
        while commits := self.log(repository, commit, limit=page + 1, offset=offset):
            yield from pairwise(commits)
            if len(commits) <= page:
                yield commits[-1], None
                return
            offset += page

    def changed_paths(self, old_tree: str, new_tree: str, *, prefix: str = "") -> list[tuple[str, str]]:
        """Return what differs between two trees as ``(added | deleted | modified, path)``, by path."""
        old, new = self._objects.tree(old_tree), self._objects.tree(new_tree)
        changes: list[tuple[str, str]] = []
        for name in sorted(old.keys() | new.keys()):
            before, after = old.get(name), new.get(name)
            if before == after:
                continue
            path = f"{prefix}/{name}" if prefix else name
            was_directory = before is not None and before.is_directory
            is_directory = after is not None and after.is_directory
            if was_directory or is_directory:
                changes += self.changed_paths(
                    before.oid if before and was_directory else EMPTY_TREE,
                    after.oid if after and is_directory else EMPTY_TREE,
                    prefix=path,
                )
            if before is not None and not was_directory:
                changes.append(("deleted" if after is None or is_directory else "modified", path))
            elif after is not None and not is_directory:
                changes.append(("added", path))
        return changes
