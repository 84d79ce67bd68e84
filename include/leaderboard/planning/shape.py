"""Reads the sizes that decide a placement from a model's config.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.leaderboard.planning.architectures import GATED, SUPPORTED, is_encoder_decoder
from include.leaderboard.submissions.model_facts import ModelFacts
from include.leaderboard.submissions.refusals import refused

LARGEST_SIZE = 10_000_000
"""No dimension of a model is larger; a config that says so is broken."""

DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """A decoder's sizes."""

    architecture: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int
    window: int | None
    """Longest sequence; None: config.json does not say."""
    tied_embeddings: bool
    experts: int = 0
    moe_intermediate: int = 0
    gated: bool = True

    @property
    def embedding_parameters(self) -> int:
        """Of one of the two ends: the input embedding or the output head."""
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """Computed from the shapes; biases are left out, far below 1 %."""
        attention = self.hidden * self.head_dim * (2 * self.heads + 2 * self.kv_heads)
        matrices = 3 if self.gated else 2
        if self.experts:
            feed_forward = self.experts * matrices * self.hidden * self.moe_intermediate
            feed_forward += self.hidden * self.experts
        else:
            feed_forward = matrices * self.hidden * self.intermediate
        ends = self.embedding_parameters * (1 if self.tied_embeddings else 2)
        return self.layers * (attention + feed_forward + 2 * self.hidden) + ends + self.hidden


def read_shape(facts: ModelFacts) -> ModelShape:
    """Derive the sizes, under the names that the supported families use.

    Rule H1: ``head_dim`` of config.json wins; hidden / heads only where it is absent (wrong for
    Mistral-Small-24B and Qwen3-30B-A3B).

    Raises:
        RefusedError: ``incompatible``: no class, an unknown one, an encoder-decoder, or a broken config.
    """
    config = facts.config or {}
    architecture = _architecture(facts, config)
    sizes = _Sizes(config, facts.model_id)
    hidden = sizes.required("hidden_size", "n_embd")
    heads = sizes.required("num_attention_heads", "n_head")
    intermediate = sizes.optional("intermediate_size", "n_inner", "ffn_dim") or 4 * hidden
    experts = sizes.optional("num_local_experts", "num_experts") or 0
    head_dim = sizes.optional("head_dim")
    if head_dim is None:
        if hidden % heads:
            raise _broken(facts.model_id, "hidden_size", f"{hidden}, no multiple of {heads} heads")
        head_dim = hidden // heads
    tied = config.get("tie_word_embeddings")
    return ModelShape(
        architecture=architecture,
        hidden=hidden,
        layers=sizes.required("num_hidden_layers", "n_layer"),
        heads=heads,
        kv_heads=sizes.optional("num_key_value_heads") or heads,
        head_dim=head_dim,
        intermediate=intermediate,
        vocabulary=sizes.required("vocab_size"),
        window=sizes.optional("max_position_embeddings", "n_positions", "n_ctx"),
        tied_embeddings=tied if isinstance(tied, bool) else architecture == "GPT2LMHeadModel",
        experts=experts,
        moe_intermediate=(sizes.optional("moe_intermediate_size") or intermediate) if experts else 0,
        gated=architecture in GATED,
    )


def weights_bytes(facts: ModelFacts, shape: ModelShape, precision: str) -> int:
    """Bytes of the weights as they are loaded, in the precision that was asked for.

    From the parameters that the safetensors headers count; else the files' size; else the shapes.
    """
    if facts.parameters:
        return facts.parameters * DTYPE_BYTES.get(precision, 2)
    if facts.weights_bytes:
        stored = str((facts.config or {}).get("dtype") or (facts.config or {}).get("torch_dtype") or "")
        stored_bytes = DTYPE_BYTES.get(stored.removeprefix("torch."), 2)
        return facts.weights_bytes * DTYPE_BYTES.get(precision, 2) // stored_bytes
    return shape.parameters * DTYPE_BYTES.get(precision, 2)


def _architecture(facts: ModelFacts, config: Mapping[str, Any]) -> str:
    names = facts.architectures
    if not names:
        raise refused(
            "incompatible",
            name=facts.model_id,
            detail="config.json names no architecture",
            detail_fr="config.json ne nomme aucune architecture",
            advice="Add the field 'architectures'.",
            advice_fr="Ajoutez le champ « architectures ».",
        )
    architecture = names[0]
    if is_encoder_decoder(architecture, declared=config.get("is_encoder_decoder") is True):
        raise refused(
            "incompatible",
            name=facts.model_id,
            detail=f"{architecture} is an encoder-decoder, and only decoders are served",
            detail_fr=f"{architecture} est un encodeur-décodeur, et seuls les décodeurs sont servis",
            advice="Submit a causal language model.",
            advice_fr="Soumettez un modèle de langue causal.",
        )
    if architecture not in SUPPORTED:
        raise refused(
            "incompatible",
            name=facts.model_id,
            detail=f"the architecture {architecture} is not known here",
            detail_fr=f"l'architecture {architecture} n'est pas connue ici",
            advice="Ask the leaderboard's team to add it.",
            advice_fr="Demandez à l'équipe du classement de l'ajouter.",
        )
    return architecture


class _Sizes:
    """Looks a size up under the first of its names; a bad value is refused by name."""

    def __init__(self, config: Mapping[str, Any], model_id: str) -> None:
        self._config = config
        self._model_id = model_id

    def optional(self, *names: str) -> int | None:
        for name in names:
            value = self._config.get(name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= LARGEST_SIZE:
                raise _broken(self._model_id, name, repr(value)[:60])
            return value
        return None

    def required(self, *names: str) -> int:
        value = self.optional(*names)
        if value is None:
            raise _broken(self._model_id, names[0], "missing")
        return value


def _broken(model_id: str, key: str, value: str) -> Exception:
    return refused(
        "incompatible",
        name=model_id,
        detail=f"{key} of config.json is {value}",
        detail_fr=f"{key} de config.json vaut {value}",
        advice="Correct config.json and submit again.",
        advice_fr="Corrigez config.json et soumettez de nouveau.",
    )
