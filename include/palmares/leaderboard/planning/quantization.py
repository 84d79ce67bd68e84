"""Reads how a model's weights are quantised from config.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from palmares.leaderboard.planning.config_values import ConfigValues, broken, shown
from palmares.leaderboard.submissions.refusals import refused
from palmares.texts import Message, message

METHODS: Final = frozenset(
    {
        "gptq", "awq", "auto-round", "fp8", "mxfp8", "deepseek_v4_fp8", "experts_int8",
        "compressed-tensors", "mxfp4", "modelopt", "modelopt_fp4", "modelopt_mxfp8",
        "modelopt_mixed", "quark", "torchao",
    }
)  # fmt: skip
"""Served by vLLM (vllm/model_executor/layers/quantization/__init__.py) and read here.

``bitsandbytes`` and ``fbgemm_fp8`` are not: vLLM serves them no more.
"""
_BYTES_OF_SCALE: Final = 2.5
"""A group's scale (2 bytes) and its packed zero point (4 bits): GPTQ, AWQ."""
_SCALE_OF_ONE_BYTE: Final = frozenset({"mxfp4", "mxfp8", "modelopt_fp4", "modelopt_mxfp8"})
"""Methods whose groups have a scale of 8 bits, no zero point. Sources: OCP Microscaling; NVIDIA's NVFP4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """How the linear layers are stored."""

    method: str
    bits: int
    group_size: int | None
    """Inputs that share a scale; None: a whole row or tensor does."""
    block_rows: int | None = None
    """Outputs that share a scale, of FP8 in blocks."""
    experts_only: bool = False
    """Only the routed experts are quantised (MXFP4)."""

    @property
    def label(self) -> Message:
        """E.g. ``gptq, 4 bits, groups of 128``."""
        if self.group_size:
            return message(
                "{method}, {bits} bits, groups of {size}",
                method=self.method,
                bits=self.bits,
                size=self.group_size,
            )
        return message("{method}, {bits} bits", method=self.method, bits=self.bits)

    def bytes_of(self, parameters: int) -> int:
        """Bytes of that many quantised weights, their scales included."""
        size = parameters * self.bits / 8
        if self.group_size:
            scale = 1.0 if self.method in _SCALE_OF_ONE_BYTE else _BYTES_OF_SCALE
            size += parameters / (self.group_size * (self.block_rows or 1)) * scale
        return int(size)


def read_quantization(config: Mapping[str, Any], model_id: str) -> Quantization | None:
    """Read ``quantization_config`` (or ``compression_config``); None: the weights are not quantised.

    Raises:
        RefusedError: ``incompatible``: the method is not served, or a value is broken.
    """
    raw = config.get("quantization_config")
    if raw is None:
        raw = config.get("compression_config")
    if raw is None:
        return None
    if not isinstance(raw, Mapping):
        raise broken(model_id, "quantization_config", shown(raw))
    values = ConfigValues(raw, model_id)
    method = raw.get("quant_method")
    if method is None and raw.get("quant_algo") is not None:
        method = "modelopt"
    if not isinstance(method, str) or method not in METHODS:
        raise refused(
            "incompatible",
            name=model_id,
            detail=message("the quantisation method {method} is not known here", method=shown(method)),
            advice=message(
                "Submit it unquantised, or with one of: {methods}.", methods=", ".join(sorted(METHODS))
            ),
        )
    if method in {"gptq", "awq", "auto-round"}:
        return Quantization(
            method=method,
            bits=_bits(values, "bits", "w_bit"),
            group_size=_group(values, "group_size", "q_group_size", default=128),
        )
    if method.startswith("modelopt"):
        return _modelopt(raw, method)
    if method == "mxfp8":
        return Quantization(method=method, bits=8, group_size=32)
    if method == "experts_int8":
        return Quantization(method=method, bits=8, group_size=None, experts_only=True)
    if method in {"quark", "torchao"}:
        bits = 4 if "4" in str(raw.get("quant_type") or raw.get("global_quant_config") or "")[:2000] else 8
        return Quantization(method=method, bits=bits, group_size=None)
    if method == "mxfp4":
        return Quantization(method=method, bits=4, group_size=32, experts_only=True)
    if method == "compressed-tensors":
        return _compressed(values, raw, method)
    rows, columns = _block(values, raw.get("weight_block_size"))
    return Quantization(method=method, bits=8, group_size=columns, block_rows=rows)


def _modelopt(raw: Mapping[str, Any], method: str) -> Quantization:
    """NVIDIA ModelOpt: FP8, or FP4 in groups of 16 (NVFP4). Source: vLLM, quantization/modelopt.py."""
    inner = raw.get("quantization")
    stated = raw.get("quant_algo") or (inner.get("quant_algo") if isinstance(inner, Mapping) else None)
    algorithm = str(stated or method).upper()
    if "FP4" in algorithm:
        return Quantization(method="modelopt_fp4", bits=4, group_size=16)
    if "MXFP8" in algorithm:
        return Quantization(method="modelopt_mxfp8", bits=8, group_size=32)
    return Quantization(method="modelopt", bits=8, group_size=None)


def _compressed(values: ConfigValues, raw: Mapping[str, Any], method: str) -> Quantization:
    groups = raw.get("config_groups")
    if not isinstance(groups, Mapping) or not groups:
        raise broken(values.model_id, "quantization_config.config_groups", shown(groups))
    first = next(iter(groups.values()))
    weights = first.get("weights") if isinstance(first, Mapping) else None
    if not isinstance(weights, Mapping):
        raise broken(values.model_id, "quantization_config.config_groups.weights", shown(weights))
    inner = ConfigValues(weights, values.model_id)
    return Quantization(
        method=method, bits=_bits(inner, "num_bits"), group_size=_group(inner, "group_size", default=None)
    )


def _bits(values: ConfigValues, *names: str) -> int:
    bits = values.optional(*names) or 4
    if bits > 16:
        raise broken(values.model_id, f"quantization_config.{names[0]}", str(bits))
    return bits


def _group(values: ConfigValues, *names: str, default: int | None) -> int | None:
    """A group's size; -1: a whole row."""
    for name in names:
        if values.raw(name) == -1:
            return None
    return values.optional(*names) or default


def _block(values: ConfigValues, raw: object) -> tuple[int | None, int | None]:
    if raw is None:
        return None, None
    if (
        not isinstance(raw, list | tuple)
        or len(raw) != 2
        or not all(type(side) is int and 0 < side <= 65536 for side in raw)
    ):
        raise broken(values.model_id, "quantization_config.weight_block_size", shown(raw))
    return raw[0], raw[1]
