"""Weight files are checked from their headers, and every number is read once; no engine is needed."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from palmares.evaluator.failures import EvaluationFailure
from palmares.evaluator.model_source import ModelSource
from palmares.evaluator.weights import _check_layers, _check_numbers, check_texts, read_headers

NAN = {
    "F64": b"\0" * 6 + b"\xf8\x7f",
    "F32": b"\0\0\xc0\x7f",
    "F16": b"\0\x7e",
    "BF16": b"\xc0\x7f",
    "F8_E4M3": b"\x7f",
    "F8_E5M2": b"\x7e",
}
INFINITY = {"F32": b"\0\0\x80\xff", "F16": b"\0\x7c", "BF16": b"\x80\x7f", "F8_E5M2": b"\xfc"}
LARGEST = {"F32": b"\xff\xff\x7f\x7f", "F16": b"\xff\x7b", "BF16": b"\x7f\x7f", "F8_E4M3": b"\x7e"}


def write(path: Path, tensors: dict[str, tuple[str, list[int], bytes]]) -> Path:
    """Write a safetensors file: dtype, shape and bytes by name."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {
            "dtype": dtype,
            "shape": shape,
            "data_offsets": [len(data), len(data) + len(content)],
        }
        data += content
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def source(folder: Path) -> ModelSource:
    return ModelSource(model="o/m", revision="0" * 40, folder=folder, is_local=True)


def refusal(folder: Path) -> str:
    with pytest.raises(EvaluationFailure) as failure:
        read_headers(source(folder))
    assert failure.value.failure_class == "bad_model"
    return str(failure.value)


def test_headers_name_every_tensor(tmp_path):
    write(tmp_path / "model.safetensors", {"a": ("F32", [2], b"\0" * 8), "b": ("BF16", [2, 3], b"\0" * 12)})

    found = {one.name: (one.dtype, one.shape) for one in read_headers(source(tmp_path))}

    assert found == {"a": ("F32", (2,)), "b": ("BF16", (2, 3))}


def test_a_cut_file_says_where_it_ends(tmp_path):
    path = write(tmp_path / "model.safetensors", {"a": ("F32", [2], b"\0" * 8)})
    path.write_bytes(path.read_bytes()[:-1])

    assert f"cut: a ends at byte {path.stat().st_size + 1} of {path.stat().st_size}" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"12345", b"\xff" * 100, b"\x10" + b"\0" * 7 + b"{" * 40])
def test_what_is_no_safetensors_file_is_refused(tmp_path, content):
    (tmp_path / "model.safetensors").write_bytes(content)

    assert "model.safetensors" in refusal(tmp_path)


def test_a_pointer_is_no_weight(tmp_path):
    (tmp_path / "model.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 16060522496\n", encoding="utf-8"
    )

    assert "Git LFS pointer" in refusal(tmp_path)


def test_a_shape_that_its_bytes_do_not_fill_is_refused(tmp_path):
    write(tmp_path / "model.safetensors", {"a": ("F32", [3], b"\0" * 8)})

    assert "a has 8 bytes for shape [3]" in refusal(tmp_path)


def test_a_file_that_the_index_names_must_be_there(tmp_path):
    write(tmp_path / "model-1.safetensors", {"a": ("F32", [1], b"\0" * 4)})
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")

    assert "names model-2.safetensors, which is not there" in refusal(tmp_path)


def test_a_tensor_that_the_index_names_must_be_in_a_file(tmp_path):
    write(tmp_path / "model-1.safetensors", {"a": ("F32", [1], b"\0" * 4)})
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-1.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")

    assert "1 tensors that no file holds: ['b']" in refusal(tmp_path)


@pytest.mark.parametrize(("dtype", "wrong"), [*NAN.items(), *INFINITY.items()])
def test_what_is_no_number_is_found_wherever_it_is(tmp_path, dtype, wrong):
    zeros = b"\0" * len(wrong) * 1000
    write(
        tmp_path / "model.safetensors",
        {"whole": (dtype, [1000], zeros), "broken": (dtype, [2001], zeros + wrong + zeros)},
    )

    with pytest.raises(EvaluationFailure, match="broken holds NaN or infinity"):
        _check_numbers(source(tmp_path), read_headers(source(tmp_path)))


@pytest.mark.parametrize(("dtype", "largest"), LARGEST.items())
def test_the_largest_number_is_one(tmp_path, dtype, largest):
    write(tmp_path / "model.safetensors", {"a": (dtype, [1], largest)})

    _check_numbers(source(tmp_path), read_headers(source(tmp_path)))

    assert [one.name for one in read_headers(source(tmp_path))] == ["a"]


def test_quantised_weights_miss_no_layer(tmp_path):
    class Config:
        num_hidden_layers = 3

        def get_text_config(self) -> Config:
            return self

    names = [f"model.layers.{layer}.mlp.up_proj.qweight" for layer in (0, 2)]
    write(tmp_path / "model.safetensors", {name: ("I32", [1], b"\0" * 4) for name in names})

    with pytest.raises(EvaluationFailure, match="no tensor for 1 of 3 layers"):
        _check_layers(source(tmp_path), Config(), read_headers(source(tmp_path)))


@pytest.mark.parametrize(
    ("dtype", "value", "asked", "is_refused"),
    [
        ("BF16", b"\x80\x47", "float16", True),
        ("BF16", b"\x7f\x47", "float16", False),
        ("BF16", b"\x80\xc7", "float16", True),
        ("F32", b"\x00\xf0\x7f\x47", "float16", True),
        ("F32", b"\x00\xe0\x7f\x47", "float16", False),
        ("BF16", b"\x80\x47", "bfloat16", False),
        ("F16", b"\xff\x7b", "float16", False),
    ],
)
def test_values_that_the_asked_precision_cannot_hold_are_named_with_it(
    tmp_path, dtype, value, asked, is_refused
):
    write(tmp_path / "model.safetensors", {"a.weight": (dtype, [1], value)})
    source = ModelSource(model="org/m", revision="0" * 40, folder=tmp_path, is_local=True)
    tensors = read_headers(source)
    if not is_refused:
        _check_numbers(source, tensors, dtype=asked)
        return
    with pytest.raises(EvaluationFailure, match=f"a.weight .{dtype}. holds values that float16 cannot"):
        _check_numbers(source, tensors, dtype=asked)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer.model"])
def test_a_pointer_in_the_place_of_a_text_is_named(tmp_path, name):
    (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    source = ModelSource(model="org/m", revision="0" * 40, folder=tmp_path, is_local=True)
    with pytest.raises(EvaluationFailure, match=f"{name} is a Git LFS pointer"):
        check_texts(source)


def test_a_configuration_that_is_no_json_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{")
    source = ModelSource(model="org/m", revision="0" * 40, folder=tmp_path, is_local=True)
    with pytest.raises(EvaluationFailure, match=r"config\.json is not valid JSON"):
        check_texts(source)
