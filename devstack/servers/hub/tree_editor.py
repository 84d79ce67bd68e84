"""Applies a commit's operations to a tree, reading only the directories that they touch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from devstack.servers.hub.objects import EMPTY_TREE, Entry, ObjectStore, encode_tree
from devstack.servers.hub.operations import DeleteFile, DeleteFolder, Operation, PutFile
from devstack.servers.hub.refusals import bad_request, entry_not_found


@dataclass(slots=True)
class _Directory:
    """A directory being edited: its files' and untouched directories' entries, and the opened directories."""

    entries: dict[str, Entry]
    opened: dict[str, _Directory] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedTree:
    """The outcome of a commit's operations."""

    root: str
    trees: Mapping[str, bytes]
    """The trees that were written, by hash."""


class _Editor:
    def __init__(self, objects: ObjectStore, root: str) -> None:
        self._objects = objects
        self._root = _Directory(dict(objects.tree(root)))
        self._written: dict[str, bytes] = {}

    def apply(self, operation: Operation) -> None:
        match operation:
            case PutFile(path=path, blob=blob):
                self._put(path, blob.oid)
            case DeleteFile(path=path):
                self._delete(path, folder=False)
            case DeleteFolder(path=""):
                self._root = _Directory({})
            case DeleteFolder(path=path):
                self._delete(path, folder=True)

    def _put(self, path: str, oid: str) -> None:
        *parents, name = path.split("/")
        directory = self._root
        for part in parents:
            found = self._open(directory, part)
            if found is None:
                if part in directory.entries:
                    raise bad_request(f"{path[:200]!r}: {part[:80]!r} is a file, not a directory")
                found = directory.opened[part] = _Directory({})
            directory = found
        existing = self._open(directory, name)
        if existing is not None and not _is_empty(existing):
            raise bad_request(f"{path[:200]!r} is a directory, not a file")
        directory.opened.pop(name, None)
        directory.entries[name] = Entry(oid=oid, is_directory=False)

    def _delete(self, path: str, *, folder: bool) -> None:
        *parents, name = path.split("/")
        directory: _Directory | None = self._root
        for part in parents:
            directory = self._open(directory, part) if directory else None
        if directory is None:
            raise entry_not_found(path)
        if folder:
            if self._open(directory, name) is None:
                raise entry_not_found(path)
            del directory.opened[name]
        elif name in directory.entries and not directory.entries[name].is_directory:
            del directory.entries[name]
        else:
            raise entry_not_found(path)

    def _open(self, directory: _Directory, name: str) -> _Directory | None:
        if name in directory.opened:
            return directory.opened[name]
        entry = directory.entries.get(name)
        if entry is None or not entry.is_directory:
            return None
        del directory.entries[name]
        directory.opened[name] = _Directory(dict(self._objects.tree(entry.oid)))
        return directory.opened[name]

    def write(self) -> EditedTree:
        root = self._write(self._root)
        return EditedTree(root=root or EMPTY_TREE, trees=self._written)

    def _write(self, directory: _Directory) -> str | None:
        entries = dict(directory.entries)
        for name, child in directory.opened.items():
            # Git knows no empty directories.
            if oid := self._write(child):
                entries[name] = Entry(oid=oid, is_directory=True)
        if not entries:
            return None
        oid, data = encode_tree(entries)
        self._written[oid] = data
        return oid


def _is_empty(directory: _Directory) -> bool:
    return not directory.entries and all(_is_empty(child) for child in directory.opened.values())


def apply_operations(objects: ObjectStore, root: str, operations: Iterable[Operation]) -> EditedTree:
    """Apply *operations*, in their order, to the tree *root*.

    Raises:
        Refusal: 404: a deletion of what is not there; 400: a file where a directory is, or the reverse.
    """
    editor = _Editor(objects, root)
    for operation in operations:
        editor.apply(operation)
    return editor.write()
