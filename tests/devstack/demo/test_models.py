"""The demo's tiny models, as files."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from devstack.demo.canary import CANARY
from devstack.demo.seed import HUB_DIRECTORY, MODELS_DIRECTORY

NAMES = ["petit", "moyen", "grand"]


def tensors(path: Path) -> dict[str, dict[str, object]]:
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    return {name: facts for name, facts in header.items() if name != "__metadata__"}


def test_the_models_are_small():
    assert sum(path.stat().st_size for path in MODELS_DIRECTORY.rglob("*") if path.is_file()) < 8_000_000


@pytest.mark.parametrize("name", NAMES)
def test_a_model_has_all_that_an_evaluation_needs(name: str):
    folder = MODELS_DIRECTORY / name
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["model_type"] == "llama"
    assert config["num_attention_heads"] % config["num_key_value_heads"] == 0
    assert {facts["dtype"] for facts in tensors(folder / "model.safetensors").values()} == {"BF16"}
    assert "<|assistant|>" in (folder / "chat_template.jinja").read_text()
    assert (folder / "tokenizer.json").is_file()


def test_no_public_file_of_the_demo_holds_the_canary():
    for directory in (MODELS_DIRECTORY, HUB_DIRECTORY):
        for path in directory.rglob("*"):
            assert path.is_dir() or CANARY.encode() not in path.read_bytes()
            assert path.is_dir() or b"CANARI" not in path.read_bytes()


def test_the_bad_models_are_what_their_requests_say():
    t5 = json.loads((HUB_DIRECTORY / "palmares-demo" / "resumeur-t5" / "config.json").read_text())
    assert t5["architectures"] == ["T5ForConditionalGeneration"]
    colossus = HUB_DIRECTORY / "palmares-demo" / "colosse-405b"
    index = json.loads((colossus / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == 811707301888
    assert not list(colossus.glob("*.safetensors"))
