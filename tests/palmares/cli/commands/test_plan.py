"""`palmares plan`: a verdict for whatever can be planned, one clear line for what cannot."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from palmares.cli.main import build_app
from palmares.hub import Hub
from palmares.leaderboard.submissions.model_facts import facts_of_config
from typer.testing import CliRunner, Result

from tests.fixtures.config import CONFIG_DIR
from tests.fixtures.hub_server import DEMO_TOKEN, running_hub

LLAMA_8B = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16",
    "tie_word_embeddings": False,
}
PLAN_MEMBERS = {
    "verdict", "cluster", "queue", "nodes", "gpus_per_node", "tensor_parallel_size",
    "pipeline_parallel_size", "gpu_memory_utilization", "max_model_len", "max_num_seqs", "backend",
    "walltime", "gpu_hours", "carbon_kg", "bytes_per_gpu", "reasons", "alternatives",
}  # fmt: skip


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Any], str]:
    """Write a config.json, JSON or bytes, and return its path."""

    def write(config: Any) -> str:
        path = tmp_path / "config.json"
        path.write_bytes(config if isinstance(config, bytes) else json.dumps(config).encode())
        return str(path)

    return write


def plan(*arguments: str, columns: int = 80) -> Result:
    result = CliRunner().invoke(build_app(), ["plan", *arguments], env={"COLUMNS": str(columns)})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def answer(*arguments: str) -> dict[str, Any]:
    result = plan(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    loaded: dict[str, Any] = json.loads(result.stdout)
    return loaded


def test_a_config_is_placed_and_every_promised_member_is_there(write):
    found = answer("--config", write(LLAMA_8B), "--cluster", "musa")

    assert set(found) >= PLAN_MEMBERS
    assert (found["verdict"], found["cluster"], found["backend"]) == ("placed", "musa", "vllm")
    assert found["reasons"]
    hours, minutes = found["walltime"].split(":")
    assert (len(hours), len(minutes)) == (2, 2)


def test_explained_each_rule_is_told_with_its_source(write):
    found = answer("--config", write(LLAMA_8B), "--cluster", "musa", "--explain")

    rules = {check["rule"]: check for check in found["checks"]}
    assert {"T1", "T2", "T3", "T4", "P1", "P5"} <= set(rules)
    assert all(check["ok"] and check["detail"] and check["source"] for check in found["checks"])
    assert "checks" not in answer("--config", write(LLAMA_8B), "--cluster", "musa")


def test_a_model_that_fits_nowhere_is_a_verdict_with_the_same_members(write):
    found = answer("--config", write(LLAMA_8B), "--cluster", "local")

    assert set(found) >= PLAN_MEMBERS
    assert (found["verdict"], found["queue"], found["bytes_per_gpu"]) == ("too_large", None, {})
    assert "does not fit on local" in found["reasons"][0]
    assert "ne tient pas" in found["reasons_fr"][0]


def test_an_unknown_family_is_a_verdict_that_names_it(write):
    found = answer("--config", write({**LLAMA_8B, "architectures": ["MysteryForCausalLM"]}))

    assert found["verdict"] == "incompatible"
    assert "MysteryForCausalLM" in found["reasons"][0]


def test_an_encoder_decoder_is_planned_for_transformers_and_the_sweep_s_policy_is_told(write):
    t5 = {
        "architectures": ["T5ForConditionalGeneration"],
        "is_encoder_decoder": True,
        "d_model": 1024,
        "d_kv": 64,
        "d_ff": 2816,
        "num_layers": 24,
        "num_decoder_layers": 24,
        "num_heads": 16,
        "vocab_size": 32128,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
    }
    found = answer("--config", write(t5), "--cluster", "musa")

    assert (found["verdict"], found["backend"]) == ("placed", "hf-seq2seq")
    assert "The sweep refuses encoder-decoders" in found["reasons"][-1]
    assert len(found["reasons"]) == len(found["reasons_fr"])


def test_an_adapter_s_own_config_is_not_enough(write):
    adapter = {"peft_type": "LORA", "base_model_name_or_path": "org/base", "r": 16}

    _is_one_line(plan("--config", write(adapter)), "is an adapter")


def test_an_adapter_of_the_hub_is_planned_with_its_base(monkeypatch):
    facts = {
        "org/base": facts_of_config(LLAMA_8B, model_id="org/base"),
        "org/adapter": replace(
            facts_of_config({}, model_id="org/adapter"),
            config=None,
            adapter={"peft_type": "LORA", "base_model_name_or_path": "org/base", "r": 16},
            adapter_bytes=167_832_240,
        ),
    }
    monkeypatch.setattr(Hub, "model_facts", lambda _, model_id, revision: facts[model_id])

    base, found = (answer(name, "--cluster", "musa") for name in ("org/base", "org/adapter"))

    assert (found["verdict"], found["model"]) == ("placed", "org/adapter")
    assert found["bytes_per_gpu"]["weights"] > base["bytes_per_gpu"]["weights"]


def test_an_adapter_that_names_no_base_is_unusable(monkeypatch):
    facts = replace(facts_of_config({}, model_id="org/adapter"), config=None, adapter={"peft_type": "LORA"})
    monkeypatch.setattr(Hub, "model_facts", lambda *_: facts)

    _is_one_line(plan("org/adapter"), "names no base_model_name_or_path")


def test_a_person_s_override_is_seen(write, tmp_path, monkeypatch):
    folder = tmp_path / "config"
    folder.mkdir()
    for name in ("clusters.yaml", "leaderboard.yaml"):
        (folder / name).write_bytes((CONFIG_DIR / name).read_bytes())
    (folder / "overrides.yaml").write_text("overrides: {my-model: {walltime: '12:00'}}", encoding="utf-8")
    monkeypatch.setenv("PALMARES_CONFIG_DIR", str(folder))
    path = tmp_path / "my-model"
    path.mkdir()
    (path / "config.json").write_text(json.dumps(LLAMA_8B), encoding="utf-8")

    found = answer("--config", str(path / "config.json"), "--cluster", "musa")

    assert (found["walltime"], found["overridden"]) == ("12:00", ["walltime"])
    assert "override  set by hand: walltime" in plan("--config", str(path / "config.json")).stdout


def test_code_of_the_model_s_own_is_not_run(write):
    own = {"architectures": ["TheirOwnForCausalLM"], "auto_map": {"AutoModelForCausalLM": "modeling.Model"}}
    found = answer("--config", write({**LLAMA_8B, **own}))

    assert found["verdict"] == "incompatible"
    assert "code" in found["reasons"][0]


def test_a_native_architecture_is_placed_though_its_configuration_names_code(write):
    found = answer("--config", write({**LLAMA_8B, "auto_map": {"AutoModelForCausalLM": "modeling.Model"}}))

    assert found["verdict"] == "placed"


def test_the_weights_size_that_is_given_counts(write):
    config = write(LLAMA_8B)
    as_is = answer("--config", config, "--cluster", "musa")
    larger = answer("--config", config, "--cluster", "musa", "--weights-bytes", "240_000_000_000")

    assert larger["nodes"] > as_is["nodes"]


def test_without_a_cluster_all_are_looked_at(write):
    found = answer("--config", write(LLAMA_8B))

    assert found["verdict"] == "placed"
    looked_at = {found["cluster"], *(one["cluster"] for one in found["other_clusters"])}
    assert looked_at == {"local", "musa", "chuc"}


def test_another_file_of_clusters_takes_the_place_of_ours(write, tmp_path):
    shipped = (CONFIG_DIR / "clusters.yaml").read_text(encoding="utf-8")
    other = tmp_path / "clusters.yaml"
    other.write_text(shipped.replace("\n  musa:", "\n  lune:"), encoding="utf-8")

    assert (
        answer("--config", write(LLAMA_8B), "--clusters", str(other), "--cluster", "lune")["cluster"]
        == "lune"
    )
    assert plan("--config", write(LLAMA_8B), "--clusters", str(other), "--cluster", "musa").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "either MODEL_ID or --config"),
        (["a/b", "--config", "x.json"], "either MODEL_ID or --config"),
        (["--config", "/does/not/exist.json"], "cannot be read"),
        (["../../etc/passwd"], "not the name of a Hub repository"),
    ],
)
def test_unusable_input_is_one_line_and_status_2(arguments, said):
    _is_one_line(plan(*arguments), said)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"hidden_size": ' + b"9" * 10_000 + b"}", "not JSON"),
        (b"[1]", "a JSON list"),
        (b"null", "a JSON NoneType"),
        (b" " * 2_000_001, "more than"),
    ],
)
def test_a_file_that_is_no_config_is_one_line_and_status_2(write, config, said):
    _is_one_line(plan("--config", write(config)), said)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--weights-bytes", "many"], "'many'"),
        (["--weights-bytes", "-5"], "'-5'"),
        (["--weights-bytes", "0"], "outside"),
        (["--weights-bytes", "9" * 30], "no whole number"),
        (["--cluster", "nowhere"], "'nowhere'"),
        (["--suite", "nothing"], "'nothing'"),
        (["--precision", "int3"], "'int3'"),
        (["--clusters", "/does/not/exist.yaml"], "cannot be read"),
    ],
)
def test_an_option_that_means_nothing_is_one_line_and_status_2(write, option, said):
    _is_one_line(plan("--config", write(LLAMA_8B), *option), said)


def test_a_broken_file_of_clusters_is_named_in_one_line(write, tmp_path):
    broken = tmp_path / "clusters.yaml"
    for content, said in [("clusters: {a: {nodes: 1}}", "clusters.a"), ("a: [", "not valid YAML"), ("", "")]:
        broken.write_text(content, encoding="utf-8")
        _is_one_line(plan("--config", write(LLAMA_8B), "--clusters", str(broken)), said)


values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just(10**400),
    st.lists(st.integers(), max_size=3), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.dictionaries(
        st.sampled_from([*LLAMA_8B, "quantization_config", "auto_map"]), values, max_size=4
    )
)
def test_whatever_a_config_holds_there_is_a_verdict(write, changes):
    config = write({**LLAMA_8B, **changes})

    found = answer("--config", config, "--cluster", "musa")

    assert found["verdict"] in {"placed", "too_large", "incompatible"}
    assert found["reasons"]
    assert plan("--config", config).exit_code == 0


def _is_one_line(result: Result, said: str) -> None:
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_terminal_shows_the_verdict_and_the_sentences_within_its_width(write, columns):
    result = plan("--config", write(LLAMA_8B), "--cluster", "musa", "--explain", columns=columns)

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert "placed" in lines[0]
    assert max(map(len, lines)) <= columns
    assert "Why" in lines
    assert "queue" in result.stdout


def test_a_model_of_the_hub_is_planned_with_the_environment_s_address_and_token(tmp_path, monkeypatch):
    from devstack.demo.seed import seed_hub

    with running_hub(tmp_path / "hub") as hub:
        seed_hub(hub.endpoint, hub.token)
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        monkeypatch.setenv("HF_TOKEN", DEMO_TOKEN)
        found = answer("palmares-demo/grand", "--cluster", "local")
        assert (found["verdict"], found["model"]) == ("placed", "palmares-demo/grand")
        assert answer("palmares-demo/colosse-405b", "--cluster", "local")["verdict"] == "too_large"
        _is_one_line(plan("palmares-demo/nobody"), "has no model palmares-demo/nobody")
        _is_one_line(plan("autre-labo/modele-reserve"), "gated")
