"""Repositories: which there are, who may see them, who may download from them."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from devstack.servers.hub.refusals import Refusal, checked_name, gated_repo, repo_not_found
from devstack.servers.hub.storage import EMPTY_TREE, Database, commit_oid

MAIN = "refs/heads/main"


class Kind(StrEnum):
    """The two types of repository, named as in the API's paths."""

    DATASETS = "datasets"
    MODELS = "models"

    @property
    def url_prefix(self) -> str:
        """What stands before a repository's id in the addresses of pages and files."""
        return "datasets/" if self is Kind.DATASETS else ""

    @classmethod
    def of_repo_type(cls, repo_type: str | None) -> Kind:
        """Read the client's word for a type; none means a model."""
        if repo_type in (None, "model"):
            return cls.MODELS
        if repo_type == "dataset":
            return cls.DATASETS
        raise Refusal(
            400, f"Repositories of type {str(repo_type)[:40]!r} are not kept here: dataset or model"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """One repository, as the database has it."""

    key: int
    kind: Kind
    namespace: str
    name: str
    private: bool
    gated: str | None
    """``auto`` or ``manual``: only its owner and granted users download. None: open."""
    created_at: str
    last_modified: str
    likes: int

    @property
    def repo_id(self) -> str:
        return f"{self.namespace}/{self.name}"


def now() -> str:
    """Return the time as the Hub writes it: UTC, milliseconds, ``Z``."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _repository(row: sqlite3.Row) -> Repository:
    return Repository(
        key=row["id"],
        kind=Kind(row["kind"]),
        namespace=row["namespace"],
        name=row["name"],
        private=bool(row["private"]),
        gated=row["gated"],
        created_at=row["created_at"],
        last_modified=row["last_modified"],
        likes=row["likes"],
    )


class Renamed(Exception):
    """A repository was asked for by a name that it had."""

    def __init__(self, repository: Repository) -> None:
        super().__init__(repository.repo_id)
        self.repository = repository


_BY_NAME = "kind = ? AND namespace = ? COLLATE NOCASE AND name = ? COLLATE NOCASE"


class Repositories:
    """The table of repositories. Users are names; None is the anonymous stranger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, kind: Kind, namespace: str, name: str) -> Repository | None:
        """Return the repository of that name, whoever asks."""
        with self._database.reading() as connection:
            row = connection.execute(
                f"SELECT * FROM repos WHERE {_BY_NAME}",
                (kind.value, namespace, name),
            ).fetchone()
        return _repository(row) if row else None

    def renamed(self, kind: Kind, namespace: str, name: str) -> Repository | None:
        """Return the repository that had this name once, and has another one now."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT repos.* FROM old_names JOIN repos ON repos.id = old_names.repo_id"
                " WHERE old_names.kind = ? AND old_names.namespace = ? AND old_names.name = ?",
                (kind.value, namespace, name),
            ).fetchone()
        return _repository(row) if row else None

    def visible(self, kind: Kind, namespace: str, name: str, *, user: str | None) -> Repository:
        """Return the repository if *user* may know of it.

        Raises:
            Refusal: 404: there is none, or it is private and the user a stranger.
            Renamed: It has another name now.
        """
        found = self.find(kind, namespace, name)
        repository = found or self.renamed(kind, namespace, name)
        if repository is None or (repository.private and user is None):
            raise repo_not_found()
        if found is None:
            raise Renamed(repository)
        return repository

    def check_download(self, repository: Repository, *, user: str | None) -> None:
        """Refuse files of a gated repository to all but its owner and the users it was granted to.

        The owner is the user whose name is the repository's namespace. A token that writes everywhere
        still does not open a gate: that is how a service meets one.
        """
        if repository.gated is None or user == repository.namespace:
            return
        if user is not None:
            with self._database.reading() as connection:
                granted = connection.execute(
                    "SELECT 1 FROM grants WHERE repo_id = ? AND user = ?", (repository.key, user)
                ).fetchone()
            if granted:
                return
        raise gated_repo(repository.repo_id)

    def listed(
        self, kind: Kind, *, user: str | None, author: str | None, search: str | None, limit: int, offset: int
    ) -> list[Repository]:
        """Return a page of the repositories that *user* may see, the latest changed first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM repos WHERE kind = :kind AND (:all OR NOT private)"
                " AND (:author IS NULL OR namespace = :author COLLATE NOCASE)"
                " AND (:search IS NULL OR instr(lower(namespace || '/' || name), lower(:search)) > 0)"
                " ORDER BY last_modified DESC, id DESC LIMIT :limit OFFSET :offset",
                {
                    "kind": kind.value,
                    "all": user is not None,
                    "author": author,
                    "search": search,
                    "limit": limit,
                    "offset": offset,
                },
            ).fetchall()
        return [_repository(row) for row in rows]

    def create(self, kind: Kind, namespace: str, name: str, *, private: bool, user: str) -> bool:
        """Create a repository with an empty first commit; False: there is one of that name already."""
        checked_name(namespace, what="namespace")
        checked_name(name, what="repository name")
        created_at = now()
        unix_time = int(datetime.now(UTC).timestamp())
        first = commit_oid(
            tree=EMPTY_TREE, parent=None, author=user, message="initial commit", unix_time=unix_time
        )
        with self._database.writing() as connection:
            if connection.execute(
                f"SELECT 1 FROM repos WHERE {_BY_NAME}",
                (kind.value, namespace, name),
            ).fetchone():
                return False
            key = connection.execute(
                "INSERT INTO repos (kind, namespace, name, private, created_at, last_modified)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (kind.value, namespace, name, private, created_at, created_at),
            ).lastrowid
            connection.execute(
                "INSERT INTO commits (repo_id, oid, parent, tree, author, title, description, date)"
                " VALUES (?, ?, NULL, ?, ?, 'initial commit', '', ?)",
                (key, first, EMPTY_TREE, user, created_at),
            )
            connection.execute("INSERT INTO refs (repo_id, ref, oid) VALUES (?, ?, ?)", (key, MAIN, first))
        return True

    def delete(self, repository: Repository) -> None:
        """Forget a repository with its history."""
        with self._database.writing() as connection:
            connection.execute("DELETE FROM repos WHERE id = ?", (repository.key,))

    def rename(self, repository: Repository, namespace: str, name: str) -> None:
        """Give a repository another name.

        Raises:
            Refusal: 409: the name is taken.
        """
        checked_name(namespace, what="namespace")
        checked_name(name, what="repository name")
        try:
            with self._database.writing() as connection:
                connection.execute(
                    "UPDATE repos SET namespace = ?, name = ? WHERE id = ?", (namespace, name, repository.key)
                )
                connection.execute(
                    "INSERT OR REPLACE INTO old_names VALUES (?, ?, ?, ?)",
                    (repository.kind.value, repository.namespace, repository.name, repository.key),
                )
        except sqlite3.IntegrityError as error:
            raise Refusal(409, f"{namespace}/{name} already exists") from error

    def set_private(self, repository: Repository, private: bool) -> None:
        with self._database.writing() as connection:
            connection.execute("UPDATE repos SET private = ? WHERE id = ?", (private, repository.key))

    def set_gated(self, repository: Repository, gated: str | None) -> None:
        with self._database.writing() as connection:
            connection.execute("UPDATE repos SET gated = ? WHERE id = ?", (gated, repository.key))

    def grant(self, repository: Repository, user: str) -> None:
        """Let *user* download from a gated repository."""
        with self._database.writing() as connection:
            connection.execute("INSERT OR IGNORE INTO grants VALUES (?, ?)", (repository.key, user))
