"""The provenance: everything that names a result, in a form that a program checks."""

from __future__ import annotations

import hashlib
import json

import pytest
from palmares.leaderboard.planning import plan_job
from palmares.leaderboard.publishing import Cost, Provenance
from palmares.leaderboard.publishing.provenance import provenance_json
from palmares.leaderboard.publishing.reproduction import reproduction
from palmares.leaderboard.results.verify import read_manifest
from palmares.leaderboard.scoring import score_results
from pydantic import ValidationError

COST = Cost(gpu_hours=0.5, carbon_kg=0.09443, gpu_power_kw=0.7, carbon_kg_per_kwh=0.2698)
PUBLISHED = {"org/model/results.json": b"{}\n"}


@pytest.fixture
def written(results_folder, settings, make_submission, make_facts):
    def write(**changes):
        submission = make_submission(**changes)
        manifest = read_manifest(results_folder)
        return json.loads(
            provenance_json(
                submission,
                plan=plan_job(make_facts(), submission, settings.suite(), settings.cluster("musa")),
                manifest=manifest,
                scored=score_results(results_folder, manifest, settings.suite()),
                suite=settings.suite(),
                cost=COST,
                lm_eval=json.dumps(
                    {"config": {"random_seed": 42, "numpy_seed": 1, "torch_seed": "no"}}
                ).encode(),
                task_sha256s={"community|bac-fr|0": "e" * 64},
                published=PUBLISHED,
                hub_url="https://hub.example",
            )
        )

    return write


def test_it_names_everything_that_decides_a_result(written, make_submission, results_folder):
    found = written()
    manifest = read_manifest(results_folder)

    assert found["schema"] == "palmares/provenance/1"
    assert found["job_key"] == make_submission().job_key
    assert (found["model"]["id"], found["model"]["commit"]) == ("org/model", make_submission().revision)
    assert found["evaluator"]["version"] == "1"
    assert found["evaluator"]["image"] is None
    assert found["evaluator"]["versions"]["lm_eval"] == "0.4.13"
    assert found["suite"]["sha256"] == manifest.suite.hash
    assert set(found["suite"]["tasks"]) == set(manifest.tasks)
    bac = found["suite"]["tasks"]["community|bac-fr|0"]
    assert (bac["dataset_sha256"], bac["task_sha256"], bac["rows"]) == ("d" * 64, "e" * 64, 4)
    assert bac["scorer_version"]
    assert len(bac["scorer_sha256"]) == 64
    assert found["chat_template"] == {"used": True, "sha256": None}
    assert found["seeds"] == {
        "seed": 42,
        "random_seed": 42,
        "numpy_seed": 1,
        "torch_seed": None,
        "fewshot_seed": None,
    }
    assert found["plan"]["cluster"] == "musa"
    assert found["cost"]["gpu_hours"] == 0.5
    assert found["cost"]["carbon_kg"] == 0.09443
    assert found["hashes"]["raw_files"] == {path: file.sha256 for path, file in manifest.files.items()}
    assert found["hashes"]["published_files"] == {
        "org/model/results.json": hashlib.sha256(b"{}\n").hexdigest()
    }


def test_a_program_reads_it_back_and_an_unknown_key_is_refused(written):
    found = written()

    assert Provenance.model_validate(found).model_dump(mode="json") == found
    with pytest.raises(ValidationError):
        Provenance.model_validate(found | {"surprise": 1})


def test_the_same_result_gives_the_same_bytes(written):
    assert written() == written()


def test_the_command_is_one_that_the_evaluator_takes(settings, make_submission, make_facts, monkeypatch):
    """Parsed by a real shell's rules and by the evaluator's own parser."""
    import shlex

    from palmares.evaluator.run_local import _parser

    submission = make_submission(use_chat_template=False, seed=7)
    plan = plan_job(make_facts(), submission, settings.suite(), settings.cluster("musa"))
    evaluate, score = reproduction(submission, plan, settings.suite(), hub_url="https://hub.example")

    endpoint, python, _, module, *arguments = shlex.split(evaluate)
    assert endpoint == "HF_ENDPOINT=https://hub.example"
    assert (python, module) == (".venv-evaluator/bin/python", "palmares.evaluator.run_local")
    asked = _parser().parse_args(arguments)
    assert (asked.model, asked.revision) == ("org/model", submission.revision)
    assert asked.tasks.split(",") == list(settings.suite().task_keys)
    assert (asked.backend, asked.dtype, asked.seed) == ("vllm", "bfloat16", "7")
    assert asked.no_chat_template is True
    assert asked.max_model_length == str(plan.max_model_len)
    assert asked.datasets == "$DATASETS_DIRECTORY"
    assert score == f"palmares results {asked.output}/artifact"


def test_a_name_with_signs_of_the_shell_is_one_argument(settings, make_submission, make_facts):
    import shlex

    submission = make_submission(model_id="org/$(touch x);m'")
    plan = plan_job(make_facts(), make_submission(), settings.suite(), settings.cluster("musa"))
    evaluate, _ = reproduction(submission, plan, settings.suite(), hub_url="https://hub.example")

    assert submission.model_id in shlex.split(evaluate)
