"""What the API says of a repository at a commit: files, card, weights."""

from __future__ import annotations

import json
import struct
from collections import Counter
from math import prod
from typing import Any

import yaml

from devstack.servers.hub.history import Commit
from devstack.servers.hub.http import Hub
from devstack.servers.hub.repositories import Kind, Repository

_MAX_CARD_BYTES = 64 * 1024
_MAX_HEADER_BYTES = 25_000_000
_CONFIG_KEYS = ("architectures", "model_type", "auto_map", "quantization_config")


class _CardLoader(yaml.SafeLoader):
    """Reads front matter without aliases: a few of them can name a document of gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed in a card")
        return super().compose_node(parent, index)


def card_of(hub: Hub, commit: Commit) -> dict[str, Any] | None:
    """Return the metadata at the head of README.md; None: there is none that can be read."""
    entry = hub.objects.lookup(commit.tree, "README.md")
    if entry is None or entry.is_directory:
        return None
    text = (
        hub.objects.read(entry.oid, length=_MAX_CARD_BYTES).decode("utf-8", "replace").replace("\r\n", "\n")
    )
    if not text.startswith("---\n") or "\n---" not in text[3:]:
        return None
    front, _, _ = text[4:].partition("\n---")
    try:
        card = yaml.load(front, Loader=_CardLoader)  # noqa: S506 - a SafeLoader
        # Dates and other values that JSON lacks become text; NaN and the like are refused.
        plain = json.loads(json.dumps(card, default=str, allow_nan=False))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        return None
    return plain if isinstance(plain, dict) else None


def _config_of(hub: Hub, commit: Commit) -> dict[str, Any] | None:
    entry = hub.objects.lookup(commit.tree, "config.json")
    if entry is None or entry.is_directory:
        return None
    try:
        config = json.loads(hub.objects.read(entry.oid))
    except (ValueError, RecursionError):
        return None
    if not isinstance(config, dict):
        return None
    return {key: config[key] for key in _CONFIG_KEYS if key in config}


def _safetensors_header(hub: Hub, oid: str) -> dict[str, Any]:
    prefix = hub.objects.read(oid, length=8)
    if len(prefix) < 8:
        return {}
    (length,) = struct.unpack("<Q", prefix)
    if length > _MAX_HEADER_BYTES:
        return {}
    try:
        header = json.loads(hub.objects.read(oid, start=8, length=length))
    except (ValueError, RecursionError):
        return {}
    return header if isinstance(header, dict) else {}


def _safetensors_of(hub: Hub, commit: Commit) -> dict[str, Any] | None:
    """Count the parameters by data type, in all safetensors files at the root; None: there are none."""
    parameters: Counter[str] = Counter()
    for name, entry in hub.objects.tree(commit.tree).items():
        if entry.is_directory or not name.endswith(".safetensors"):
            continue
        for tensor, facts in _safetensors_header(hub, entry.oid).items():
            if tensor == "__metadata__":
                continue
            try:
                parameters[str(facts["dtype"])] += prod(int(size) for size in facts["shape"])
            except (KeyError, TypeError, ValueError):
                return None
    return {"parameters": dict(parameters), "total": parameters.total()} if parameters else None


def _tags_of(card: dict[str, Any] | None) -> list[str]:
    if card is None:
        return []
    own = card.get("tags")
    tags = [str(tag) for tag in own] if isinstance(own, list) else []
    licences = card.get("license")
    named = licences if isinstance(licences, list) else [licences]
    return [*tags, *(f"license:{licence}" for licence in named if licence)]


def siblings_of(hub: Hub, commit: Commit, *, blobs: bool) -> list[dict[str, Any]]:
    """List all files at a commit; with *blobs*, with sizes and hashes."""
    files = [(path, entry) for path, entry in hub.objects.walk(commit.tree) if not entry.is_directory]
    if not blobs:
        return [{"rfilename": path} for path, _ in files]
    sizes = hub.objects.sizes(entry.oid for _, entry in files)
    return [{"rfilename": path, "size": sizes[entry.oid], "blobId": entry.oid} for path, entry in files]


def summary_of(repository: Repository, *, sha: str | None) -> dict[str, Any]:
    """What a list of repositories says of each."""
    summary: dict[str, Any] = {
        "_id": f"{repository.key:024x}",
        "id": repository.repo_id,
        "author": repository.namespace,
        "sha": sha,
        "lastModified": repository.last_modified,
        "createdAt": repository.created_at,
        "private": repository.private,
        "gated": repository.gated or False,
        "disabled": False,
        "downloads": 0,  # not counted: a read would have to write
        "likes": repository.likes,
        "tags": [],
    }
    if repository.kind is Kind.MODELS:
        summary["modelId"] = repository.repo_id
    return summary


def info_of(
    hub: Hub, repository: Repository, commit: Commit, *, blobs: bool, expand: list[str]
) -> dict[str, Any]:
    """What the API says of one repository at one commit; with *expand*, those keys only."""
    card = card_of(hub, commit)
    info = summary_of(repository, sha=commit.oid)
    info["lastModified"] = commit.date
    info["tags"] = _tags_of(card)
    if card is not None:
        info["cardData"] = card
    if not expand or "siblings" in expand:
        info["siblings"] = siblings_of(hub, commit, blobs=blobs)
    if repository.kind is Kind.MODELS:
        if (config := _config_of(hub, commit)) is not None:
            info["config"] = config
        if (safetensors := _safetensors_of(hub, commit)) is not None:
            info["safetensors"] = safetensors
    if "usedStorage" in expand:
        files = [entry.oid for _, entry in hub.objects.walk(commit.tree) if not entry.is_directory]
        info["usedStorage"] = sum(hub.objects.sizes(files).values())
    if expand:
        wanted = {"_id", "id", "modelId", *expand}
        return {key: value for key, value in info.items() if key in wanted}
    return info
