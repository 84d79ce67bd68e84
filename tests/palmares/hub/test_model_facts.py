"""What the adapter says of a model."""

from __future__ import annotations

import json
import struct

import pytest
from palmares.leaderboard.errors import HubGatedError, HubNotFoundError

_CONFIG = {"architectures": ["LlamaForCausalLM"], "torch_dtype": "bfloat16"}


def _json(value):
    return json.dumps(value).encode()


def _safetensors(*shapes):
    header = _json(
        {f"t{i}": {"dtype": "BF16", "shape": shape, "data_offsets": [0, 0]} for i, shape in enumerate(shapes)}
    )
    return struct.pack("<Q", len(header)) + header


def test_a_usual_model_is_described_at_its_commit(hub, api, new_model):
    weights = _safetensors([10, 20], [5])
    repo_id = new_model(
        {
            "README.md": b"---\nlicense: mit\n---\n",
            "config.json": _json(_CONFIG),
            "model.safetensors": weights,
            "tokenizer_config.json": _json({"chat_template": "{{ messages }}"}),
            "training_args.bin": b"x" * 99,
        }
    )
    facts = hub.model_facts(repo_id, "main")
    assert facts.commit == api.model_info(repo_id).sha
    assert facts.model_id == repo_id
    assert facts.config == _CONFIG
    assert (facts.weights_bytes, facts.weights_format, facts.parameters) == (len(weights), "safetensors", 205)
    assert facts.architectures == ("LlamaForCausalLM",)
    assert (facts.license, facts.likes, facts.has_chat_template, facts.custom_code) == ("mit", 0, True, False)


def test_a_commit_stays_the_commit_that_was_asked_for(hub, api, new_model):
    repo_id = new_model({"config.json": _json(_CONFIG)})
    first = hub.model_facts(repo_id, "main").commit
    api.upload_file(path_or_fileobj=b"{}", path_in_repo="config.json", repo_id=repo_id)
    assert hub.model_facts(repo_id, first).config == _CONFIG
    assert hub.model_facts(repo_id, "main").config == {}


def test_an_index_is_believed_though_its_files_are_missing(hub, new_model):
    index = {
        "metadata": {"total_size": 1_400_000_000_000.0, "total_parameters": 7e11},
        "weight_map": {"a": "x"},
    }
    repo_id = new_model({"config.json": _json(_CONFIG), "model.safetensors.index.json": _json(index)})
    facts = hub.model_facts(repo_id, "main")
    assert (facts.weights_bytes, facts.weights_format) == (1_400_000_000_000, "safetensors")
    assert facts.parameters == 700_000_000_000


@pytest.mark.parametrize("metadata", [{}, {"total_size": -1}, {"total_size": True}, {"total_size": "1"}, []])
def test_files_are_summed_where_the_index_does_not_say(hub, new_model, metadata):
    repo_id = new_model(
        {
            "model.safetensors.index.json": _json({"metadata": metadata}),
            "model-00001-of-00002.safetensors": b"x" * 10,
            "model-00002-of-00002.safetensors": b"x" * 20,
            "consolidated.safetensors": b"x" * 30,
            "sub/model.safetensors": b"x" * 40,
        }
    )
    assert hub.model_facts(repo_id, "main").weights_bytes == 30


def test_pickled_weights_are_told_apart(hub, new_model):
    repo_id = new_model({"pytorch_model.bin": b"x" * 10, "training_args.bin": b"x", "optimizer.bin": b"x"})
    facts = hub.model_facts(repo_id, "main")
    assert (facts.weights_bytes, facts.weights_format, facts.parameters) == (10, "bin", None)


def test_a_model_without_anything_has_no_facts(hub, new_model):
    facts = hub.model_facts(new_model({"x": b""}), "main")
    assert (facts.config, facts.weights_bytes, facts.weights_format) == (None, None, None)
    assert (facts.architectures, facts.license, facts.has_chat_template) == ((), None, False)


@pytest.mark.parametrize("config", [b"{", b"[]", b"\xff", b"[" * 5000, b"x" * 2_000_001])
def test_a_config_that_is_none_counts_as_missing(hub, new_model, config):
    assert hub.model_facts(new_model({"config.json": config}), "main").config is None


def test_an_adapter_is_told_from_a_model(hub, new_model):
    config = {"peft_type": "LORA", "base_model_name_or_path": "o/base", "r": 16}
    repo_id = new_model({"adapter_config.json": _json(config), "adapter_model.bin": b"x" * 10})
    facts = hub.model_facts(repo_id, "main")
    assert (facts.config, facts.adapter, facts.adapter_bytes) == (None, config, 10)


def test_a_model_is_no_adapter(hub, new_model):
    facts = hub.model_facts(new_model({"config.json": _json(_CONFIG)}), "main")
    assert (facts.adapter, facts.adapter_bytes) == (None, None)


def test_a_template_in_its_own_file_and_custom_code_are_seen(hub, new_model):
    config = {**_CONFIG, "architectures": ["XForCausalLM"], "auto_map": {"AutoModel": "m.M"}}
    facts = hub.model_facts(new_model({"chat_template.jinja": b"x", "config.json": _json(config)}), "main")
    assert (facts.has_chat_template, facts.custom_code) == (True, True)


def test_an_auto_map_of_an_architecture_that_transformers_has_is_no_custom_code(hub, new_model):
    config = {**_CONFIG, "model_type": "llama", "auto_map": {"AutoModelForCausalLM": "m.LlamaForCausalLM"}}
    assert not hub.model_facts(new_model({"config.json": _json(config)}), "main").custom_code


@pytest.mark.parametrize("files", [{"config.json": b"{}"}, {"x": b""}])
def test_a_gated_model_is_named_so(hub, api, new_model, files):
    repo_id = new_model(files, namespace="closed-lab")
    api.update_repo_settings(repo_id, gated="manual")
    with pytest.raises(HubGatedError, match="no access"):
        hub.model_facts(repo_id, "main")
    api.grant_access(repo_id, "palmares-demo")
    assert hub.model_facts(repo_id, "main").model_id == repo_id


@pytest.mark.parametrize(
    "model_id", ["nobody/none", "gpt2", "../../etc/passwd", "a b", "", "a/b/c", "x" * 200]
)
def test_a_model_that_is_not_there_is_not_found(hub, model_id):
    with pytest.raises(HubNotFoundError) as raised:
        hub.model_facts(model_id, "main")
    assert raised.value.what == "repository"


@pytest.mark.parametrize("revision", ["nope", "f" * 40, "../..", "a b"])
def test_a_revision_that_is_not_there_is_not_found(hub, new_model, revision):
    with pytest.raises(HubNotFoundError) as raised:
        hub.model_facts(new_model({"config.json": b"{}"}), revision)
    assert raised.value.what == "revision"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"tokenizer.json": b"{}"}, True),
        ({"spiece.model": b"x"}, True),
        ({"vocab.json": b"{}", "merges.txt": b""}, True),
        ({"tokenizer_config.json": b"{}"}, False),  # holds no vocabulary
        ({"original/tokenizer.model": b"x"}, False),  # transformers looks beside config.json
        ({}, False),
    ],
)
def test_a_tokenizer_is_there_when_something_holds_its_vocabulary(hub, new_model, files, expected):
    repo_id = new_model({"config.json": _json(_CONFIG), **files})

    assert hub.model_facts(repo_id, "main").has_tokenizer is expected
