"""The demo's twelve request files."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from devstack.demo.seed import REQUESTS_DIRECTORY

PATHS = sorted(path.relative_to(REQUESTS_DIRECTORY).as_posix() for path in REQUESTS_DIRECTORY.rglob("*.json"))
BROKEN = "palmares-demo/casse_eval_request_False_bfloat16_Original.json"


def read(path: str) -> dict[str, Any]:
    request: dict[str, Any] = json.loads((REQUESTS_DIRECTORY / path).read_text(encoding="utf-8"))
    return request


def test_there_are_twelve_and_every_path_has_the_known_form():
    assert len(PATHS) == 12
    form = re.compile(r"(?:[\w-]+/)?[\w-]+_eval_request_(?:True|False)_[\w.]+_(?:Original|False)\.json")
    assert all(form.fullmatch(path) for path in PATHS)


def test_one_is_broken_json_and_the_others_wait_but_for_a_finished_one():
    with pytest.raises(json.JSONDecodeError):
        read(BROKEN)
    statuses = [read(path)["status"] for path in PATHS if path != BROKEN]
    assert sorted(statuses) == ["FINISHED", *["PENDING"] * 10]


def test_the_good_ones_ask_for_the_three_models_in_varied_spellings():
    grand = read("palmares-demo/grand_eval_request_False_bfloat16_Original.json")
    moyen = read("palmares-demo/moyen_eval_request_False_torch.bfloat16_Original.json")
    petit = read("palmares-demo/petit_eval_request_False_False_False.json")
    assert (grand["revision"], grand["precision"]) == ("main", "bfloat16")
    assert moyen["precision"] == "torch.bfloat16"
    assert petit["a_garder"]["imbriqué"] == {"z": 1, "a": {"profond": []}}


def test_the_duplicate_is_later_and_spelt_otherwise():
    first = read("palmares-demo/grand_eval_request_False_bfloat16_Original.json")
    second = read("palmares-demo/grand_eval_request_False_torch.bfloat16_Original.json")
    assert (first["model"], first["revision"]) == (second["model"], second["revision"])
    assert first["submitted_time"] < second["submitted_time"]
    assert f"torch.{first['precision']}" == second["precision"]


def test_the_bad_ones_are_bad_each_in_its_way():
    by_model = {read(path)["model"]: read(path) for path in PATHS if path != BROKEN}
    assert by_model["palmares-demo/resumeur-t5"]["architectures"] == "T5ForConditionalGeneration"
    assert by_model["palmares-demo/colosse-405b"]["params"] > 400
    assert "modele-fantome" in by_model
    assert "autre-labo/modele-reserve" in by_model
    assert any(model.startswith("../") for model in by_model)
    lost = read("palmares-demo/moyen_eval_request_False_bfloat16_Original.json")
    assert re.fullmatch(r"[0-9a-f]{40}", lost["revision"])


def test_layouts_differ():
    texts = [(REQUESTS_DIRECTORY / path).read_text(encoding="utf-8") for path in PATHS]
    indents = {match[1] if (match := re.match(r"\{\n([ \t]+)", text)) else "" for text in texts}
    assert len(indents) >= 4
    assert {text.endswith("\n") for text in texts} == {True, False}
