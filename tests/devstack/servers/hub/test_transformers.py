"""The evaluator's transformers, unmodified, loading a model from the embedded Hub."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.stack

_ROOT = Path(__file__).parents[4]
_PYTHON = Path(os.environ.get("PALMARES_EVALUATOR_PYTHON") or _ROOT / ".venv-evaluator/bin/python")

_BUILD = """
import sys
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

config = LlamaConfig(vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=1,
                     num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=64)
LlamaForCausalLM(config).save_pretrained(sys.argv[1])
words = Tokenizer(models.WordLevel({"<unk>": 0, "le": 1, "chat": 2}, unk_token="<unk>"))
words.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>")
tokenizer.chat_template = "{{ messages[0].content }}"
tokenizer.save_pretrained(sys.argv[1])
"""

_LOAD = """
import json, sys
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

model_id, revision = sys.argv[1:]
config = AutoConfig.from_pretrained(model_id, revision=revision)
tokenizer = AutoTokenizer.from_pretrained(model_id, revision=revision)
model = AutoModelForCausalLM.from_pretrained(model_id, revision=revision)
print(json.dumps({
    "model_type": config.model_type,
    "ids": tokenizer("le chat").input_ids,
    "chat": tokenizer.apply_chat_template([{"role": "user", "content": "le"}], tokenize=False),
    "parameters": model.num_parameters(),
}))
"""


def _run(script, *arguments, **environment):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [str(_PYTHON), "-c", script, *map(str, arguments)],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_transformers_loads_a_model_at_a_commit(api, hub_server, new_repo, tmp_path):
    folder = tmp_path / "model"
    _run(_BUILD, folder, HF_HOME=str(tmp_path / "home"))
    repo_id = new_repo("model", private=True)
    revision = api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message="Model").oid
    api.upload_file(path_or_fileobj=b"{}", path_in_repo="config.json", repo_id=repo_id)
    printed = _run(
        _LOAD,
        repo_id,
        revision,
        HF_ENDPOINT=hub_server.endpoint,
        HF_TOKEN=hub_server.token,
        HF_HOME=str(tmp_path / "home"),
    )
    loaded = json.loads(printed.splitlines()[-1])
    assert loaded["model_type"] == "llama"
    assert loaded["ids"] == [1, 2]
    assert loaded["chat"] == "le"
    assert loaded["parameters"] == api.model_info(repo_id, revision=revision).safetensors.total
