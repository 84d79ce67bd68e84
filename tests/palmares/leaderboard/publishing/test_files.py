"""What is published: the schema that readers know, history kept, and nothing hidden in public."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from palmares.leaderboard.errors import GateError, ResultsIncompleteError
from palmares.leaderboard.planning import plan_job
from palmares.leaderboard.publishing import Cost, published_files
from palmares.leaderboard.publishing.settings import PublishingSettings
from palmares.leaderboard.results.verify import read_manifest
from palmares.leaderboard.scoring import score_results

from tests.palmares.leaderboard.results_folder import CANARY, TIMESTAMP, read_manifest_json, write_manifest


@pytest.fixture
def publish(results_folder, settings, make_submission, make_facts):
    def run(without=None, **chosen):
        submission = make_submission()
        manifest = read_manifest(results_folder)
        scored = score_results(results_folder, manifest, settings.suite())
        scores = {name: score for name, score in scored.scores.items() if name != without}
        return published_files(
            submission,
            plan=plan_job(make_facts(), submission, settings.suite(), settings.cluster()),
            manifest=manifest,
            scored=replace(scored, scores=scores),
            folder=results_folder,
            suite=settings.suite(),
            cost=Cost(gpu_hours=0.5, carbon_kg=0.1, gpu_power_kw=0.7, carbon_kg_per_kwh=0.2698),
            settings=PublishingSettings.model_validate(chosen),
            results_repo="org/results",
            task_sha256s={"community|bac-fr|0": "e" * 64},
        )

    return run


def test_results_are_public_and_details_private(publish):
    assert [(file.target, file.path) for file in publish()] == [
        ("results", f"org/model/results_{TIMESTAMP}.json"),
        ("results", f"org/model/lm_eval_{TIMESTAMP}.json"),
        ("results", f"org/model/provenance_{TIMESTAMP}.json"),
        ("details", f"org/model/{TIMESTAMP}/details_community|bac-fr|0_{TIMESTAMP}.parquet"),
        ("details", f"org/model/{TIMESTAMP}/details_community|ifeval-fr|0_{TIMESTAMP}.parquet"),
        ("details", f"org/model/{TIMESTAMP}/details_community|gpqa-fr|0_{TIMESTAMP}.parquet"),
        ("details", f"org/model/{TIMESTAMP}/graded_bac-fr_{TIMESTAMP}.jsonl"),
        ("details", f"org/model/{TIMESTAMP}/graded_ifeval-fr_{TIMESTAMP}.jsonl"),
        ("details", f"org/model/{TIMESTAMP}/graded_gpqa-fr_{TIMESTAMP}.jsonl"),
    ]


EVERY_TARGET = {
    "eval_results": {"enabled": True, "benchmarks": {"bac-fr": {"id": "org/bac-fr", "task_id": "bac"}}},
    "every_eval_ever": {"enabled": True},
}


def test_optional_targets_are_written_only_when_asked_for(publish):
    plain, every = publish(), publish(**EVERY_TARGET)

    added = {file.path for file in every} - {file.path for file in plain}
    assert {path.split("/")[-1].split("_")[0] for path in added if path.endswith(".yaml")} == {"palmares"}
    assert {path.split("/")[0] for path in added if path.endswith(".json")} == {"every_eval_ever"}
    assert len(added) == 2


def test_a_result_without_every_task_is_not_published(publish):
    with pytest.raises(ResultsIncompleteError, match=r"no score of \['community\|gpqa-fr\|0'\]"):
        publish(without="gpqa-fr")


def test_no_public_file_and_no_graded_record_holds_a_hidden_text(publish):
    for file in publish(**EVERY_TARGET):
        if not file.path.endswith(".parquet"):
            assert CANARY.encode() not in file.content
            assert b"/secret" not in file.content
            assert b"hidden" not in file.content


def test_the_results_follow_the_leaderboards_schema(publish, make_submission):
    document = json.loads(publish()[0].content)

    general = document["config_general"]
    assert (general["model_name"], general["model_dtype"]) == ("org/model", "bfloat16")
    assert general["model_sha"] == make_submission().revision
    assert isinstance(general["total_evaluation_time_secondes"], str)
    assert document["results"]["community|bac-fr|0"]["bac-fr-qem"] == 0.75
    assert document["results"]["community|ifeval-fr|0"]["inst_level_strict_acc"] == pytest.approx(0.6)
    assert document["results"]["community|gpqa-fr|0"]["acc"] == 0.5
    assert document["results"]["all"]["acc"] == 0.5
    assert document["palmares"]["scores"]["bac-fr"]["reported"] == {"bac-fr-qem": 0.5}
    assert document["palmares"]["job_key"] == make_submission().job_key


def test_publishing_twice_gives_the_same_bytes(publish):
    assert publish() == publish()


def test_a_hidden_line_in_a_public_file_stops_the_publication(publish, results_folder):
    path = results_folder / f"lm_eval_{TIMESTAMP}.json"
    data = json.loads(path.read_text())
    data["results"]["bac-fr"]["alias"] = f"see: A hidden question, number 1, {CANARY}"
    path.write_text(json.dumps(data))
    write_manifest(results_folder, read_manifest_json(results_folder))

    with pytest.raises(GateError, match="would hold a text") as caught:
        publish()
    assert CANARY not in str(caught.value)


def test_a_limited_run_is_never_published(publish, results_folder):
    manifest = read_manifest_json(results_folder)
    manifest["limit_samples"] = 4
    write_manifest(results_folder, manifest)

    with pytest.raises(ValueError, match="preliminary"):
        publish()
