"""Checks that a model's weight files are whole and fill the model, before any engine starts."""

from __future__ import annotations

import json
import math
import mmap
import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from palmares.evaluator.failures import EvaluationFailure
from palmares.evaluator.model_source import ModelSource

INDEX: Final = "model.safetensors.index.json"
WHOLE: Final = "model.safetensors"
_LONGEST_HEADER: Final = 100_000_000
"""Bytes. Source: safetensors, ``MAX_HEADER_SIZE`` in tensor.rs."""
_POINTER: Final = b"version https://git-lfs"
_ITEM_BYTES: Final = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip
"""Bytes of an item. Source: safetensors, ``Dtype`` in tensor.rs."""
_NO_NUMBER: Final = {
    "F64": ("<u8", 0x7FF0_0000_0000_0000),
    "F32": ("<u4", 0x7F80_0000),
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
    "F8_E4M3": ("u1", 0x7F),
    "F8_E5M2": ("u1", 0x7C),
}
"""The bits that are all set in NaN and infinity. Sources: IEEE 754; OCP 8-bit floating point, version 1."""
_BEYOND_FLOAT16: Final = {"F32": (0x7FFF_FFFF, 0x477F_F000), "BF16": (0x7FFF, 0x4780)}
"""Magnitude's bits, and the least that float16 rounds to infinity: 65520. Source: IEEE 754."""
_TEXTS: Final = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
_CHUNK_ITEMS: Final = 1 << 24
_LAYER: Final = re.compile(r"\.(?:layers|h|blocks|block)\.(\d+)\.")
_MOST_READERS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """One tensor, as its file's header describes it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    path: Path
    start: int
    """First byte in the file."""
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedWeights:
    """Weights that fill their model with numbers."""

    parameters: int | None
    """None: neither the transformers library nor the files tell (quantised weights of an unknown class)."""
    surplus: tuple[str, ...]
    """Tensors that the model has no place for: some engines pass over them, some do not start."""


def check_weights(
    source: ModelSource, config: Any, *, is_seq2seq: bool = False, dtype: str = "auto"
) -> CheckedWeights:
    """Refuse weights that an engine would complete with random numbers, or that hold none.

    Names and shapes are compared by transformers' own loader on the meta device, so that tensors which it
    renames or joins are counted as it does. Quantised weights, and classes that transformers does not have,
    are compared by layer only: their tensors' names are their engine's.

    Args:
        source: The model's files.
        config: As transformers read it; None: it does not know the model's type.
        is_seq2seq: The model is an encoder-decoder.
        dtype: The precision that the job asks for, or ``auto``.

    Raises:
        EvaluationFailure: ``bad_model``: says which file or tensor, and what is wrong with it.
    """
    tensors = read_headers(source)
    kind = _class_of(config, is_seq2seq=is_seq2seq)
    is_quantized = (
        getattr(config, "quantization_config", None) is not None
        or (source.folder / "hf_quant_config.json").is_file()
    )
    surplus: tuple[str, ...] = ()
    parameters: int | None = None
    filled = _fill(source, kind, config) if kind is not None and not is_quantized else None
    if filled is not None:
        parameters, surplus = filled
    else:
        _check_layers(source, config, tensors)
        parameters = _count(kind, config) if kind is not None else None
        if parameters is None and not is_quantized:
            parameters = sum(math.prod(tensor.shape) for tensor in tensors)
    used = [tensor for tensor in tensors if tensor.name not in set(surplus)]
    _check_numbers(source, used, dtype=dtype)
    return CheckedWeights(parameters=parameters, surplus=surplus)


def check_texts(source: ModelSource) -> None:
    """Refuse configuration and tokenizer files that are Git LFS pointers or no JSON.

    Raises:
        EvaluationFailure: ``bad_model``: says which file.
    """
    for name in (*_TEXTS, "tokenizer.model"):
        path = source.folder / name
        if not path.is_file():
            continue
        with path.open("rb") as file:
            if file.read(len(_POINTER)) == _POINTER:
                raise _bad(source, f"{name} is a Git LFS pointer, not the file. Push the file itself.")
        if path.suffix == ".json":
            try:
                json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise _bad(source, f"{name} is not valid JSON ({error}).") from error


def read_headers(source: ModelSource) -> tuple[StoredTensor, ...]:
    """Read what the files that an engine loads hold, and compare with their sizes; no weight is read.

    Raises:
        EvaluationFailure: ``bad_model``: a file is missing, cut, damaged or a Git LFS pointer.
    """
    found: dict[str, StoredTensor] = {}
    paths, expected = _files(source)
    for path in paths:
        for tensor in _read_header(source, path):
            found[tensor.name] = tensor
    if absent := sorted(expected - set(found)):
        raise _bad(source, f"{INDEX} names {len(absent)} tensors that no file holds: {absent[:3]}.")
    if not found:
        raise _bad(source, "its safetensors files hold no tensor.")
    return tuple(found.values())


def _files(source: ModelSource) -> tuple[list[Path], set[str]]:
    """The files that are loaded, and the tensors that the index promises."""
    index = source.folder / INDEX
    if not index.is_file():
        whole = source.folder / WHOLE
        return ([whole] if whole.is_file() else sorted(source.folder.glob("*.safetensors"))), set()
    try:
        weights = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        names = sorted(set(weights.values()))
        expected = set(weights)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _bad(source, f"{INDEX} holds no 'weight_map' from tensors to files.") from error
    paths = [source.folder / str(name) for name in names]
    for path in paths:
        if path.parent != source.folder or not path.is_file():
            raise _bad(source, f"{INDEX} names {path.name}, which is not there.")
    return paths, expected


def _read_header(source: ModelSource, path: Path) -> Iterable[StoredTensor]:
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(len(_POINTER))
        if start == _POINTER:
            raise _bad(source, f"{path.name} is a Git LFS pointer, not the weights. Push the file itself.")
        file.seek(0)
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(_LONGEST_HEADER, size - 8):
            raise _bad(source, f"{path.name} ({size} bytes) is cut or no safetensors file.")
        try:
            header = json.loads(file.read(length))
        except ValueError as error:
            raise _bad(source, f"{path.name}: its header is damaged.") from error
    if not isinstance(header, dict):
        raise _bad(source, f"{path.name}: its header is no object.")
    header.pop("__metadata__", None)
    for name, entry in header.items():
        try:
            dtype, shape = str(entry["dtype"]), tuple(int(side) for side in entry["shape"])
            first, last = (8 + length + int(offset) for offset in entry["data_offsets"])
        except (TypeError, KeyError, ValueError) as error:
            raise _bad(source, f"{path.name}: its header describes {name!r} wrongly.") from error
        if last > size:
            raise _bad(source, f"{path.name} is cut: {name} ends at byte {last} of {size}. Upload it again.")
        width = _ITEM_BYTES.get(dtype)
        if first > last or (width is not None and last - first != width * math.prod(shape)):
            raise _bad(source, f"{path.name}: {name} has {last - first} bytes for shape {list(shape)}.")
        yield StoredTensor(name=name, dtype=dtype, shape=shape, path=path, start=first, end=last)


def _class_of(config: Any, *, is_seq2seq: bool) -> Any:
    """The transformers class that a config describes; None: there is none."""
    import transformers

    if config is None:
        return None
    auto = transformers.AutoModelForSeq2SeqLM if is_seq2seq else transformers.AutoModelForCausalLM
    if type(config) in auto._model_mapping:
        return auto
    named = (getattr(config, "architectures", None) or [None])[0]
    kind = getattr(transformers, named, None) if isinstance(named, str) else None
    return kind if kind is not None and hasattr(kind, "from_pretrained") else None


def _fill(source: ModelSource, kind: Any, config: Any) -> tuple[int, tuple[str, ...]] | None:
    """Load onto the meta device, where tensors have names and shapes and no memory.

    Returns:
        Parameters, and the tensors without a place; None: transformers cannot build the model here.
    """
    try:
        model, loading = kind.from_pretrained(
            source.folder,
            config=config,
            device_map="meta",
            trust_remote_code=False,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError, ImportError):
        return None
    missing = sorted(loading.get("missing_keys") or ())
    mismatched = sorted(str(key[0]) for key in loading.get("mismatched_keys") or ())
    if missing or mismatched:
        raise _bad(
            source,
            f"the weights do not match config.json: {len(missing)} missing {missing[:3]}, "
            f"{len(mismatched)} of another shape {mismatched[:3]}.",
        )
    return int(model.num_parameters()), tuple(sorted(loading.get("unexpected_keys") or ()))


def _check_layers(source: ModelSource, config: Any, tensors: Iterable[StoredTensor]) -> None:
    """Compare the layers that the tensors' names tell with the number that config.json gives."""
    text = config.get_text_config() if config is not None else None
    layers = getattr(text, "num_hidden_layers", None)
    stored = {int(found[1]) for tensor in tensors if (found := _LAYER.search(tensor.name))}
    if not isinstance(layers, int) or not stored:
        return
    if absent := sorted(set(range(layers)) - stored):
        raise _bad(
            source,
            f"the weights do not match config.json: no tensor for {len(absent)} of {layers} layers "
            f"({absent[:3]}).",
        )


def _count(kind: Any, config: Any) -> int | None:
    import copy

    import torch

    plain = copy.deepcopy(config)
    if hasattr(plain, "quantization_config"):
        del plain.quantization_config
    try:
        with torch.device("meta"):
            build = getattr(kind, "from_config", None) or kind._from_config
            model = build(plain)
            model.tie_weights()
    except (RuntimeError, ValueError, TypeError, AttributeError, ImportError):
        return None
    return int(model.num_parameters())


def _check_numbers(source: ModelSource, tensors: Iterable[StoredTensor], *, dtype: str = "auto") -> None:
    """Read every weight once: the engine finds the files in the machine's cache afterwards."""
    by_path: dict[Path, list[StoredTensor]] = {}
    for tensor in tensors:
        if tensor.dtype in _NO_NUMBER and tensor.end > tensor.start:
            by_path.setdefault(tensor.path, []).append(tensor)
    readers = min(_MOST_READERS, len(os.sched_getaffinity(0)))
    with ThreadPoolExecutor(readers) as pool:
        for found in pool.map(lambda each: _first_wrong(each, dtype), by_path.values()):
            if found is None:
                continue
            tensor, is_number = found
            if is_number:
                raise _bad(
                    source,
                    f"{tensor.name} ({tensor.dtype}) holds values that {dtype} cannot. Submit the model "
                    "in the precision of its files.",
                )
            raise _bad(source, f"{tensor.name} holds NaN or infinity.")


def _first_wrong(tensors: list[StoredTensor], dtype: str) -> tuple[StoredTensor, bool] | None:
    """The first tensor with NaN or infinity, or, and True, with numbers that *dtype* makes infinite."""
    import numpy as np

    with (
        tensors[0].path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view,
    ):
        for tensor in tensors:
            kind, mask = _NO_NUMBER[tensor.dtype]
            items = (tensor.end - tensor.start) // np.dtype(kind).itemsize
            for first in range(0, items, _CHUNK_ITEMS):
                part = np.frombuffer(
                    view,
                    dtype=kind,
                    count=min(_CHUNK_ITEMS, items - first),
                    offset=tensor.start + first * np.dtype(kind).itemsize,
                )
                is_wrong = bool(((part & mask) == mask).any())
                least = _BEYOND_FLOAT16.get(tensor.dtype) if dtype == "float16" else None
                is_beyond = least is not None and bool(((part & least[0]) >= least[1]).any())
                del part  # the map cannot be closed while an array looks into it
                if is_wrong or is_beyond:
                    return tensor, not is_wrong
    return None


def _bad(source: ModelSource, text: str) -> EvaluationFailure:
    return EvaluationFailure("bad_model", f"{source.model}: {text}")
