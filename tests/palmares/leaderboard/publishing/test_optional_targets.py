"""Optional targets, held to the formats' own readers and schemas."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from palmares.leaderboard.publishing.eval_results import eval_results_yaml
from palmares.leaderboard.publishing.every_eval_ever import every_eval_ever_json, every_eval_ever_path
from palmares.leaderboard.publishing.settings import EvalResultsSettings, EveryEvalEverSettings
from palmares.leaderboard.results.verify import read_manifest
from palmares.leaderboard.scoring import score_results

SCHEMA = Path(__file__).resolve().parents[3] / "data" / "every_eval_ever-0.3.0.schema.json"
"""From the package every-eval-ever 0.3.0 (MIT, its licence is beside it)."""


@pytest.fixture
def result(results_folder, settings, make_submission):
    manifest = read_manifest(results_folder)
    scored = score_results(results_folder, manifest, settings.suite())
    return make_submission(), manifest, scored


@pytest.fixture
def record(result, settings):
    submission, manifest, scored = result
    return json.loads(
        every_eval_ever_json(
            submission,
            manifest=manifest,
            scored=scored,
            suite=settings.suite(),
            settings=EveryEvalEverSettings(enabled=True, organisation="Ministère"),
            title="Palmarès",
            hub_url="https://hub.example",
        )
    )


def test_a_record_of_every_eval_ever_is_valid_by_its_own_schema(record):
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert schema["version"] == "0.3.0"

    jsonschema.Draft202012Validator(schema).validate(record)


def test_the_schema_refuses_a_record_that_lacks_a_score(record):
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    del record["evaluation_results"][0]["score_details"]["score"]

    with pytest.raises(jsonschema.ValidationError, match="'score' is a required property"):
        jsonschema.Draft202012Validator(schema).validate(record)


def test_a_record_holds_every_task_with_its_uncertainty(record, result):
    _, _, scored = result
    values = {one["evaluation_name"]: one["score_details"] for one in record["evaluation_results"]}

    assert set(values) == {"BAC-fr", "IFEval-fr", "GPQA-fr"}
    assert values["GPQA-fr"]["score"] == 0.5  # as measured, not rescaled
    error = values["GPQA-fr"]["uncertainty"]["standard_error"]["value"]
    assert error == scored.scores["gpqa-fr"].stderr
    assert record["source_metadata"]["source_organization_name"] == "Ministère"
    assert record["model_info"]["additional_details"]["revision"] == result[0].revision


def test_a_result_has_one_place_among_the_records(result, settings, make_submission):
    submission, _, _ = result
    path = every_eval_ever_path(submission, settings.suite())

    assert path == every_eval_ever_path(submission, settings.suite())
    assert path.startswith("every_eval_ever/data/palmares-fr/org/model/")
    assert path != every_eval_ever_path(make_submission(run_number=2), settings.suite())


def eval_results(result, **benchmarks):
    submission, manifest, scored = result
    return eval_results_yaml(
        submission,
        manifest=manifest,
        scored=scored,
        settings=EvalResultsSettings(enabled=True, benchmarks=benchmarks),
        title="Palmarès",
        source_url="https://hub.example/datasets/org/results/blob/main/p.json",
    )


def test_eval_results_are_read_by_the_hubs_own_client(result):
    from huggingface_hub import parse_eval_result_entries

    content = eval_results(result, **{"bac-fr": {"id": "org/bac-fr", "task_id": "bac"}})
    (entry,) = parse_eval_result_entries(yaml.safe_load(content))

    assert (entry.dataset_id, entry.task_id, entry.value) == ("org/bac-fr", "bac", 75.0)
    assert entry.source_url == "https://hub.example/datasets/org/results/blob/main/p.json"
    assert entry.source_name == "Palmarès"
    assert entry.date == "2026-01-01T00:00:12+00:00"
    assert result[0].revision in (entry.notes or "")


def test_a_task_that_is_no_registered_benchmark_is_left_out(result):
    assert eval_results(result) is None
    assert eval_results(result, **{"other-task": {"id": "org/x", "task_id": "x"}}) is None


def test_a_limited_run_is_written_to_no_target(result, settings):
    from dataclasses import replace

    submission, manifest, scored = result
    limited = replace(scored, preliminary=True)

    with pytest.raises(ValueError, match="preliminary"):
        eval_results((submission, manifest, limited), **{"bac-fr": {"id": "org/b", "task_id": "b"}})
    with pytest.raises(ValueError, match="preliminary"):
        every_eval_ever_json(
            submission,
            manifest=manifest,
            scored=limited,
            suite=settings.suite(),
            settings=EveryEvalEverSettings(),
            title="Palmarès",
            hub_url="https://hub.example",
        )
