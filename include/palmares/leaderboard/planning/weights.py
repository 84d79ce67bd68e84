"""How many bytes a model's weights take, and from what that is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from palmares.leaderboard.planning.layers import stage_layers
from palmares.leaderboard.planning.parameters import count_parameters
from palmares.leaderboard.planning.placement import Placement
from palmares.leaderboard.planning.shape import DTYPE_BYTES, ModelShape
from palmares.leaderboard.submissions.model_facts import ModelFacts

Source = Literal["safetensors", "files", "shapes", "given"]
DIFFERENCE_TO_TELL = 0.05
"""Sizes by files and by shapes that differ by more are worth a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Bytes in a GPU's memory, in the precision that was asked for."""

    total_bytes: int
    embedding_bytes: int
    """Of one end: the input embedding, or the output head."""
    source: Source
    """``safetensors`` (counts in their headers), ``files`` (sizes), ``shapes``, ``given`` (by the caller)."""
    quantization: str | None = None
    layers: int = 1
    tied: bool = False
    adapter_bytes: int = 0
    notes: tuple[tuple[str, str], ...] = ()

    def bytes_per_gpu(self, placement: Placement) -> int:
        """The fullest GPU's share: its stage's layers and, at a pipeline's ends, an embedding.

        Embeddings that are tied lie on both ends of a pipeline.
        """
        tp, pp = placement.tensor_parallel, placement.pipeline_parallel
        whole = self.total_bytes + self.adapter_bytes
        if pp == 1:
            return -(-whole // tp)
        ends = self.embedding_bytes * (1 if self.tied else 2)
        body = max(0, whole - ends)
        stages = stage_layers(self.layers, min(pp, self.layers))
        first, last, middle = stages[0], stages[-1], max(stages)
        with_end = body * max(first, last) // self.layers + min(whole, self.embedding_bytes)
        return -(-max(with_end, body * middle // self.layers) // tp)


def weights_of(facts: ModelFacts, shape: ModelShape, precision: str) -> Weights:
    """Bytes of the weights as they are loaded.

    Unquantised: the parameters that the safetensors headers count times the precision's bytes; else the
    files' size, converted from the precision that they are stored in; else the shapes. Quantised weights are
    loaded as they are stored: the files' size; else the shapes with the quantisation's bits.
    """
    width = DTYPE_BYTES.get(precision, 2)
    quantization = shape.quantization
    notes: tuple[tuple[str, str], ...] = ()
    source: Source = "shapes"
    if quantization is not None:
        label: str | None = quantization.label
        if facts.weights_bytes:
            total, source = facts.weights_bytes, _file_source(facts)
        else:
            total = _quantized_bytes(shape)
        width = 2
        notes = (
            (
                f"Its weights are quantised ({label}).",
                f"Ses poids sont quantifiés ({quantization.label_fr}).",
            ),
        )
    else:
        label = None
        expected = shape.parameters * width
        if facts.parameters:
            total, source = facts.parameters * width, "safetensors"
        elif facts.weights_bytes:
            total, source = facts.weights_bytes * width // _stored_width(facts), _file_source(facts)
        else:
            total = expected
        if source != "shapes":
            notes = _difference(total, expected)
    return Weights(
        total_bytes=total,
        embedding_bytes=shape.embedding_parameters * width,
        source=source,
        quantization=label,
        layers=max(1, shape.layers),
        tied=shape.tied_embeddings,
        adapter_bytes=_adapter_bytes(shape),
        notes=(*notes, *_adapter_notes(shape)),
    )


def _file_source(facts: ModelFacts) -> Source:
    return "files" if facts.weights_format else "given"


def _stored_width(facts: ModelFacts) -> int:
    """Bytes a weight in the files; 16 bits where config.json does not say."""
    config = facts.config or {}
    stored = config.get("dtype") or config.get("torch_dtype")
    return DTYPE_BYTES.get(stored.removeprefix("torch."), 2) if isinstance(stored, str) else 2


def _quantized_bytes(shape: ModelShape) -> int:
    quantization = shape.quantization
    assert quantization is not None
    parameters = count_parameters(shape)
    if quantization.experts_only:
        return quantization.bytes_of(parameters.experts) + 2 * (parameters.total - parameters.experts)
    ends = shape.embedding_parameters * (1 if shape.tied_embeddings else 2) + shape.other_parameters
    return quantization.bytes_of(max(0, parameters.total - ends)) + 2 * ends


def _adapter_bytes(shape: ModelShape) -> int:
    """Of the adapter's matrices; without its file's size, at every linear layer of its rank."""
    if shape.adapter is None:
        return 0
    if shape.adapter.weights_bytes:
        return shape.adapter.weights_bytes
    sides = 4 * shape.hidden + 2 * shape.head_dim * (shape.heads + shape.kv_heads)
    sides += 3 * (shape.hidden + (shape.intermediate or shape.moe_intermediate))
    return 2 * shape.layers * shape.adapter.rank * sides


def _adapter_notes(shape: ModelShape) -> tuple[tuple[str, str], ...]:
    if shape.adapter is None:
        return ()
    size = _adapter_bytes(shape) / 2**20
    return (
        (
            f"An adapter of rank {shape.adapter.rank} lies beside its base's weights: {size:.1f} MiB.",
            f"Un adaptateur de rang {shape.adapter.rank} s'ajoute aux poids de sa base : {size:.1f} Mio.",
        ),
    )


def _difference(total: int, expected: int) -> tuple[tuple[str, str], ...]:
    if not expected or abs(total - expected) <= DIFFERENCE_TO_TELL * expected:
        return ()
    stored, computed = total / 2**30, expected / 2**30
    return (
        (
            f"The files say {stored:.2f} GiB of weights and the shapes {computed:.2f} GiB; the files are "
            "believed.",
            f"Les fichiers disent {stored:.2f} Gio de poids et les formes {computed:.2f} Gio ; les fichiers "
            "font foi.",
        ),
    )
