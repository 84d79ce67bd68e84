"""The sizes of a model that decide its placement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from palmares.leaderboard.planning.adapters import Adapter
from palmares.leaderboard.planning.layers import DENSE, MOE, PARALLEL, SLIDING, STATE
from palmares.leaderboard.planning.parameters import count_parameters
from palmares.leaderboard.planning.quantization import Quantization
from palmares.leaderboard.planning.states import StateSpace
from palmares.leaderboard.submissions.model_facts import ModelFacts

DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What may be read where config.json alone does not settle it; the leaderboard's policy."""

    unknown: Literal["refuse", "conservative"] = "refuse"
    """A class that is not known here: refused, or read as a dense decoder and said to be so."""
    allow_custom_code: bool = False
    encoder_decoders: bool = True
    """They are read, for the backend ``hf-seq2seq``; where False, refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentAttention:
    """Multi-head latent attention (MLA): one compressed vector a token instead of keys and values."""

    rank: int
    rope_head_dim: int
    nope_head_dim: int
    value_head_dim: int
    query_rank: int
    """0: queries are not compressed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """A model's sizes."""

    architecture: str
    hidden: int
    layers: int
    """Of the decoder."""
    heads: int
    """0: no attention at all."""
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
    model_type: str = ""
    """Family, in transformers' words; empty: not known here."""
    experts_per_token: int = 0
    shared_intermediate: int = 0
    """Width of the experts that every token passes, together."""
    mixers: tuple[str, ...] = ()
    """Attention or state of each layer (``layers``); empty: full attention everywhere."""
    feed_forwards: tuple[str, ...] = ()
    """Feed-forward of each layer; empty: all alike."""
    sliding_window: int | None = None
    """Tokens that a sliding layer sees, or its chunk."""
    latent: LatentAttention | None = None
    state: StateSpace | None = None
    shared_attention_parameters: int = 0
    """Of attention blocks that several layers share (Zamba 2)."""
    encoder_layers: int = 0
    norms: int = 2
    qk_norm: bool = False
    attention_bias: bool = False
    output_gate: bool = False
    """Attention's output is gated by a projection as wide as the queries (Qwen3-Next)."""
    other_parameters: int = 0
    """Learned positions, and the vision tower of a multimodal model."""
    quantization: Quantization | None = None
    adapter: Adapter | None = None
    pipeline: bool = True
    """May be cut into stages."""
    explicit_head_dim: bool = False
    """``head_dim`` stands in config.json (H1)."""
    notes: tuple[tuple[str, str], ...] = ()
    """What was assumed, in English and French."""

    @property
    def embedding_parameters(self) -> int:
        """Of one of the two ends: the input embedding or the output head."""
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """Computed from the shapes; most biases are left out, far below 1 %."""
        return count_parameters(self).total

    @property
    def active_parameters(self) -> int:
        """Those that one token passes through: fewer than all in a mixture of experts."""
        return count_parameters(self).active

    @property
    def encoder_decoder(self) -> bool:
        return self.encoder_layers > 0

    @property
    def has_dense(self) -> bool:
        """Some layer has a feed-forward without experts."""
        if not self.feed_forwards:
            return not self.experts
        return DENSE in self.feed_forwards

    @property
    def has_moe(self) -> bool:
        """Some layer has experts."""
        return bool(self.experts) and (not self.feed_forwards or MOE in self.feed_forwards)

    @property
    def backends(self) -> tuple[str, ...]:
        """What serves the model: ``vllm``, ``hf``, ``hf-seq2seq``."""
        return ("hf-seq2seq",) if self.encoder_decoder else ("vllm", "hf")

    @property
    def family(self) -> str:
        """A word on how it is built; past jobs are compared by it."""
        if self.encoder_decoder:
            return "encoder-decoder"
        if self.state is not None:
            return "state" if self.heads == 0 else "hybrid"
        if self.latent is not None:
            return "mla"
        if self.experts:
            return "moe"
        return "sliding" if SLIDING in self.mixers else "dense"

    @property
    def state_layers(self) -> int:
        return self.mixers.count(STATE) + self.mixers.count(PARALLEL)


def read_shape(facts: ModelFacts, reading: Reading | None = None) -> ModelShape:
    """Derive the sizes, under the names that the known families use.

    Args:
        facts: Of the model; of base and adapter together for an adapter (``adapters.join``).
        reading: The leaderboard's policy; None: everything doubtful is refused.

    Raises:
        RefusedError: ``incompatible`` (no class, an unknown one, an encoder-decoder, a broken config) or
            ``custom_code``.
    """
    from palmares.leaderboard.planning.reading import read

    return read(facts, reading or Reading())


def weights_bytes(facts: ModelFacts, shape: ModelShape, precision: str) -> int:
    """Bytes of the weights as they are loaded; see ``weights.weights_of``."""
    from palmares.leaderboard.planning.weights import weights_of

    return weights_of(facts, shape, precision).total_bytes
