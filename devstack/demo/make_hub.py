"""Writes the demo's model repositories that cannot be evaluated: ``python -m devstack.demo.make_hub``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HUB_DIRECTORY = Path(__file__).parent / "hub"

_LLAMA_405B = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_act": "silu",
    "hidden_size": 16384,
    "intermediate_size": 53248,
    "max_position_embeddings": 131072,
    "model_type": "llama",
    "num_attention_heads": 128,
    "num_hidden_layers": 126,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-05,
    "rope_theta": 500000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "vocab_size": 128256,
}
_405B_BYTES = 811707301888
"""Size of the weights of the 405-billion-parameter Llama 3.1 in bfloat16."""

_LLAMA_SMALL = _LLAMA_405B | {
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_attention_heads": 32,
    "num_hidden_layers": 16,
}

_T5 = {
    "architectures": ["T5ForConditionalGeneration"],
    "d_ff": 64,
    "d_kv": 8,
    "d_model": 32,
    "decoder_start_token_id": 0,
    "eos_token_id": 1,
    "is_encoder_decoder": True,
    "model_type": "t5",
    "num_heads": 4,
    "num_layers": 2,
    "pad_token_id": 0,
    "torch_dtype": "bfloat16",
    "vocab_size": 512,
}


def _card(title: str, text: str) -> str:
    return f"---\nlanguage: fr\nlicense: apache-2.0\n---\n\n# {title}\n\n{text}\n"


def _write(folder: Path, config: dict[str, Any], card: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card, encoding="utf-8")


def make_hub(directory: Path = HUB_DIRECTORY) -> None:
    """Write ``<organisation>/<model>/`` for a T5, a model too large for any demo, and one to be gated."""
    import numpy as np
    from safetensors.numpy import save_file

    t5 = directory / "palmares-demo" / "resumeur-t5"
    _write(t5, _T5, _card("resumeur-t5", "An encoder-decoder: the demo's evaluator does not serve it."))
    save_file(
        {"shared.weight": np.zeros((512, 32), dtype=np.float16)}, t5 / "model.safetensors", {"format": "pt"}
    )

    colossus = directory / "palmares-demo" / "colosse-405b"
    _write(
        colossus, _LLAMA_405B, _card("colosse-405b", "Sizes of a 405-billion-parameter Llama, no weights.")
    )
    index = {
        "metadata": {"total_size": _405B_BYTES},
        "weight_map": {
            f"model.layers.{layer}.self_attn.q_proj.weight": f"model-{layer + 1:05d}-of-00126.safetensors"
            for layer in range(126)
        },
    }
    (colossus / "model.safetensors.index.json").write_text(
        json.dumps(index, indent=2) + "\n", encoding="utf-8"
    )

    _write(
        directory / "autre-labo" / "modele-reserve",
        _LLAMA_SMALL,
        _card("modele-reserve", "Gated: its authors decide who may read it."),
    )


if __name__ == "__main__":
    make_hub()
