"""Reads, from one commit of a model, what admission and planning need to know."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import TYPE_CHECKING, Any

from palmares.leaderboard.model_classes import needs_custom_code
from palmares.leaderboard.submissions.model_facts import ModelFacts, architectures_of

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

log = logging.getLogger(__name__)

_SAFETENSORS_INDEX = "model.safetensors.index.json"
_BIN_INDEX = "pytorch_model.bin.index.json"
_CONFIG_BYTES = 2_000_000
_ADAPTER_WEIGHTS = "adapter_model"
_TOKENIZER_CONFIG_BYTES = 20_000_000
_INDEX_BYTES = 50_000_000
_TOKENIZERS = frozenset(
    {"tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "vocab.json",
     "vocab.txt", "tekken.json", "qwen.tiktoken", "tiktoken.model"}
)  # fmt: skip
"""One of these is enough for a tokenizer; tokenizer_config.json alone holds no vocabulary."""

Read = Callable[[str], bytes]


def facts_of(info: ModelInfo, *, read: Read) -> ModelFacts:
    """Put the facts together.

    Args:
        info: The model at a commit, with its files' sizes.
        read: Returns a file's content at that commit.
    """
    assert info.sha is not None
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}

    def document(path: str, max_bytes: int) -> Mapping[str, Any] | None:
        return _document(info.id, path, sizes, max_bytes, read)

    config = document("config.json", _CONFIG_BYTES)
    index = document(_SAFETENSORS_INDEX, _INDEX_BYTES)
    weights_format, weights_bytes = _weights(sizes, index, lambda: document(_BIN_INDEX, _INDEX_BYTES))
    return ModelFacts(
        model_id=info.id,
        commit=info.sha,
        config=config,
        weights_bytes=weights_bytes,
        weights_format=weights_format,
        parameters=_parameters(info, index),
        architectures=architectures_of(config),
        license=_license(info),
        likes=info.likes or 0,
        has_chat_template=_has_chat_template(
            sizes, lambda: document("tokenizer_config.json", _TOKENIZER_CONFIG_BYTES)
        ),
        custom_code=needs_custom_code(config or {}),
        adapter=document("adapter_config.json", _CONFIG_BYTES),
        adapter_bytes=_sum(sizes, _ADAPTER_WEIGHTS, ".safetensors") or _sum(sizes, _ADAPTER_WEIGHTS, ".bin"),
        has_tokenizer=not _TOKENIZERS.isdisjoint(sizes),
        created_at=info.created_at.astimezone(UTC).isoformat() if info.created_at else None,
    )


def _document(
    model_id: str, path: str, sizes: Mapping[str, int], max_bytes: int, read: Read
) -> Mapping[str, Any] | None:
    """Return a JSON object; None: no such file, or it is not one, which is the same to us."""
    if path not in sizes:
        return None
    if sizes[path] > max_bytes:
        log.warning("%s: %s has %s bytes, more than %s: not read", model_id, path, sizes[path], max_bytes)
        return None
    try:
        value = json.loads(read(path))
    except (ValueError, RecursionError) as error:
        log.warning("%s: %s is not JSON: %s", model_id, path, error)
        return None
    return value if isinstance(value, dict) else None


def _weights(
    sizes: Mapping[str, int],
    index: Mapping[str, Any] | None,
    bin_index: Callable[[], Mapping[str, Any] | None],
) -> tuple[str | None, int | None]:
    """Return the weights' format and size; an index is believed before the files that it names."""
    # Some repositories hold the same weights twice: consolidated.safetensors beside model-*.safetensors.
    safetensors = _sum(sizes, "model", ".safetensors") or _sum(sizes, "", ".safetensors")
    if index is not None or safetensors is not None:
        return "safetensors", _total_size(index) or safetensors
    pickled = _sum(sizes, "pytorch_model", ".bin")
    if pickled is not None or _BIN_INDEX in sizes:
        return "bin", _total_size(bin_index()) or pickled
    return None, None


def _sum(sizes: Mapping[str, int], start: str, suffix: str) -> int | None:
    found = [
        size
        for path, size in sizes.items()
        if "/" not in path and path.startswith(start) and path.endswith(suffix)
    ]
    return sum(found) if found else None


def _metadata_number(index: Mapping[str, Any] | None, key: str) -> int | None:
    metadata = (index or {}).get("metadata")
    value = metadata.get(key) if isinstance(metadata, dict) else None
    # Some tools write it as a float.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 2**60:
        return None
    return int(value)


def _total_size(index: Mapping[str, Any] | None) -> int | None:
    return _metadata_number(index, "total_size")


def _parameters(info: ModelInfo, index: Mapping[str, Any] | None) -> int | None:
    if info.safetensors is not None and info.safetensors.total:
        return info.safetensors.total
    return _metadata_number(index, "total_parameters")


def _license(info: ModelInfo) -> str | None:
    prefix = "license:"
    return next((tag.removeprefix(prefix) for tag in info.tags or () if tag.startswith(prefix)), None)


def _has_chat_template(
    sizes: Mapping[str, int], tokenizer_config: Callable[[], Mapping[str, Any] | None]
) -> bool:
    if "chat_template.jinja" in sizes or "chat_template.json" in sizes:
        return True
    return bool((tokenizer_config() or {}).get("chat_template"))
