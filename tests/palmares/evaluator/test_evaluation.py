"""Endings of a job other than success, in one process."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from palmares.evaluator.failures import EvaluationFailure
from palmares.evaluator.rows import ignore_rows
from palmares.evaluator.settings import read_settings

from tests.palmares.evaluator.conftest import DATASETS, MODELS

pytestmark = pytest.mark.evaluator

T5 = Path(__file__).resolve().parents[3] / "devstack" / "demo" / "hub" / "palmares-demo" / "resumeur-t5"


def failure_of(model: Path, tmp_path: Path, datasets: Path = DATASETS, **changes: Any) -> EvaluationFailure:
    from palmares.evaluator.evaluation import evaluate_model

    general = {"model": str(model), "tasks": "community|bac-fr|0", "limit_samples": "2", **changes}
    settings = read_settings(
        {f"General/{name}": value for name, value in general.items()},
        {},
        datasets_directory=str(datasets),
        allow_local=True,
    )
    with pytest.raises(EvaluationFailure) as failure:
        evaluate_model(settings, tmp_path / "job", clearml_task_id="", progress=print, on_rows=ignore_rows)
    return failure.value


@pytest.fixture
def petit(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MODELS / "petit", tmp_path / "model"))


def test_cut_weights_are_a_bad_model(petit: Path, tmp_path: Path):
    weights = petit / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    assert failure_of(petit, tmp_path).failure_class == "bad_model"


def test_weights_of_another_shape_are_a_bad_model(petit: Path, tmp_path: Path):
    shutil.copyfile(MODELS / "moyen" / "model.safetensors", petit / "model.safetensors")
    assert failure_of(petit, tmp_path).failure_class == "bad_model"


def test_missing_weights_are_not_filled_with_random_numbers(petit: Path, tmp_path: Path):
    from safetensors.torch import load_file, save_file

    tensors = load_file(petit / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, petit / "model.safetensors", {"format": "pt"})
    failure = failure_of(petit, tmp_path)
    assert failure.failure_class == "bad_model"
    assert "1 missing ['model.norm.weight']" in str(failure)


def test_weights_that_are_no_numbers_are_a_bad_model(petit: Path, tmp_path: Path):
    from safetensors.torch import load_file, save_file

    tensors = load_file(petit / "model.safetensors")
    tensors["model.norm.weight"][0] = float("nan")
    save_file(tensors, petit / "model.safetensors", {"format": "pt"})
    failure = failure_of(petit, tmp_path)
    assert failure.failure_class == "bad_model"
    assert "NaN" in str(failure)


def test_a_broken_configuration_is_a_bad_model(petit: Path, tmp_path: Path):
    (petit / "config.json").write_text("{")
    assert failure_of(petit, tmp_path).failure_class == "bad_model"


def test_a_folder_without_weights_is_a_bad_model(petit: Path, tmp_path: Path):
    (petit / "model.safetensors").unlink()
    assert failure_of(petit, tmp_path).failure_class == "bad_model"


def test_an_unknown_architecture_is_incompatible(petit: Path, tmp_path: Path):
    config = json.loads((petit / "config.json").read_text()) | {"model_type": "grandiloquent"}
    (petit / "config.json").write_text(json.dumps(config))
    assert failure_of(petit, tmp_path).failure_class == "incompatible"


def test_an_encoder_decoder_is_incompatible_with_the_causal_backend(tmp_path: Path):
    model = Path(shutil.copytree(T5, tmp_path / "t5"))
    shutil.copyfile(MODELS / "petit" / "tokenizer.json", model / "tokenizer.json")
    shutil.copyfile(MODELS / "petit" / "tokenizer_config.json", model / "tokenizer_config.json")
    failure = failure_of(model, tmp_path, use_chat_template="false")
    assert failure.failure_class == "incompatible"
    assert "T5Config" in str(failure)


def test_a_model_without_chat_template_is_incompatible_with_its_use(petit: Path, tmp_path: Path):
    (petit / "chat_template.jinja").unlink()
    failure = failure_of(petit, tmp_path)
    assert failure.failure_class == "incompatible"
    assert "use_chat_template false" in str(failure)


def test_a_missing_folder_is_not_found(tmp_path: Path):
    assert failure_of(tmp_path / "nowhere", tmp_path).failure_class == "not_found"


def test_other_task_definitions_are_refused_before_the_model_is_loaded(tmp_path: Path):
    failure = failure_of(tmp_path / "nowhere", tmp_path, suite_hash="0" * 64)
    assert failure.failure_class == "evaluator_error"
    assert "Deploy the same checkout" in str(failure)


def test_a_missing_dataset_names_its_path(petit: Path, tmp_path: Path):
    failure = failure_of(petit, tmp_path, datasets=tmp_path / "none")
    assert failure.failure_class == "evaluator_error"
    assert "bac-fr/train.parquet: no such file" in str(failure)


def test_an_unknown_instruction_is_an_error_before_any_generation(
    petit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path / "datasets" / "ifeval-fr"
    folder.mkdir(parents=True)
    row = {
        "key": 1,
        "prompt": "?",
        "instruction_id_list": ["style:alexandrins"],
        "kwargs": [{"relation": None}],
    }
    pq.write_table(pa.Table.from_pylist([row]), folder / "train.parquet")
    monkeypatch.setenv("DATASETS_DIRECTORY", str(folder.parent))
    failure = failure_of(petit, tmp_path, datasets=folder.parent, tasks="community|ifeval-fr|0")
    assert failure.failure_class == "evaluator_error"
    assert "unknown instruction 'style:alexandrins'" in str(failure)


def test_the_versions_name_the_image_where_there_is_one(monkeypatch: pytest.MonkeyPatch):
    from palmares.evaluator.evaluation import _versions

    monkeypatch.delenv("PALMARES_IMAGE", raising=False)
    assert "image" not in _versions()
    monkeypatch.setenv("PALMARES_IMAGE", "registry.example/evaluator@sha256:abc")
    assert _versions()["image"] == "registry.example/evaluator@sha256:abc"
