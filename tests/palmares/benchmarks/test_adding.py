"""A benchmark is added by one folder and one block of YAML: nothing else knows of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from palmares.benchmarks import registry
from palmares.leaderboard.planning import plan_job
from palmares.leaderboard.planning.plan import hyperparameters
from palmares.leaderboard.publishing import Cost, published_files
from palmares.leaderboard.publishing.settings import PublishingSettings
from palmares.leaderboard.results.verify import verify_results
from palmares.leaderboard.scoring import score_results
from palmares.leaderboard.settings import Settings, load_settings
from palmares.leaderboard.submissions.admission import Case, examine
from palmares.leaderboard.submissions.model_facts import ModelFacts, facts_of_config
from palmares.leaderboard.submissions.request_file import parse_request
from palmares.leaderboard.submissions.submission import Submission

from tests.fixtures.config import CONFIG_DIR
from tests.palmares.rescoring.tree import Tree

ROOT = Path(__file__).parents[3]
KEY = "community|capitales-fr|0"
ROWS = [("France", "Paris"), ("Espagne", "Madrid"), ("Italie", "Rome"), ("Chine", "Pékin")]
BLOCK = """
  capitales:
    title: Capitales
    tasks:
      - { name: capitales-fr, planned_rows: 4, max_prompt_tokens: 64, max_generated_tokens: 8 }
"""


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """The tests' configuration with one block more, and the folder named by the variable."""
    folder = tmp_path / "benchmarks"
    shutil.copytree(ROOT / "tests" / "data" / "benchmarks", folder)
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(folder))
    config = Path(shutil.copytree(CONFIG_DIR, tmp_path / "config"))
    path = config / "leaderboard.yaml"
    path.write_text(path.read_text(encoding="utf-8") + BLOCK.lstrip("\n"), encoding="utf-8")
    assert "capitales" in yaml.safe_load(path.read_text(encoding="utf-8"))["suites"]
    return load_settings(config)


@pytest.fixture
def datasets(tmp_path: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path / "datasets" / "capitales-fr"
    folder.mkdir(parents=True)
    rows = [{"pays": country, "capitale": capital} for country, capital in ROWS]
    pq.write_table(pa.Table.from_pylist(rows), folder / "train.parquet")
    return folder.parent


def known_model() -> ModelFacts:
    facts = facts_of_config(
        {
            "architectures": ["LlamaForCausalLM"],
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "intermediate_size": 128,
            "vocab_size": 512,
            "max_position_embeddings": 512,
        },
        model_id="org/model",
        weights_bytes=280_000,
    )
    return replace(facts, commit="a" * 40, weights_format="safetensors")


def admitted(settings: Settings, facts: ModelFacts) -> Submission:
    request = parse_request("r.json", json.dumps({"model": facts.model_id, "precision": "float32"}).encode())
    suite = settings.suite("capitales")
    case = Case(
        request=request,
        blob_oid="oid",
        facts=lambda *_: facts,
        settings=settings,
        suite_name="capitales",
        suite_hash=registry.suite_hash(suite.task_keys),
    )
    return examine(case).pinned


def evaluated(submission: Submission, tasks: str, datasets: Path, folder: Path) -> Path:
    """Run the evaluator in its own environment, with the hyperparameters of the ClearML task."""
    script = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from palmares.evaluator.evaluation import evaluate_model\n"
        "from palmares.evaluator.rows import ignore_rows\n"
        "from palmares.evaluator.settings import read_settings\n"
        "general, model, datasets, folder = json.loads(sys.argv[1]), *sys.argv[2:]\n"
        "settings = read_settings({f'General/{k}': v for k, v in general.items()}, {},\n"
        "                         datasets_directory=datasets)\n"
        "settings = settings.model_copy(update={'model': model})\n"
        "evaluate_model(settings, Path(folder), clearml_task_id='', progress=print, on_rows=ignore_rows,\n"
        "               show_errors=True)\n"
    )
    general = {
        "model": submission.model_id,
        "tasks": tasks,
        "dtype": submission.precision,
        "use_chat_template": "False",
        "suite": submission.suite,
        "suite_hash": submission.suite_hash,
        "job_key": submission.job_key,
    }
    model = ROOT / "devstack" / "demo" / "models" / "petit"
    done = subprocess.run(
        [
            str(ROOT / ".venv-evaluator" / "bin" / "python"),
            *("-c", script, json.dumps(general), str(model), str(datasets), str(folder)),
        ],
        env={
            **os.environ,
            "DATASETS_DIRECTORY": str(datasets),
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT / "include"),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "artifact"


def test_a_benchmark_of_a_folder_outside_the_package_goes_the_whole_way(
    settings: Settings, datasets: Path, tmp_path: Path
):
    suite, facts = settings.suite("capitales"), known_model()
    submission = replace(admitted(settings, facts), use_chat_template=False)
    plan = plan_job(facts, submission, suite, settings.cluster("local"))
    general = hyperparameters(submission, plan, suite)
    assert general["tasks"] == KEY

    artifact = evaluated(submission, general["tasks"], datasets, tmp_path / "job")
    manifest_path = artifact / "manifest.json"
    manifest_json = json.loads(manifest_path.read_text(encoding="utf-8"))
    assert manifest_json["suite"] == {"name": "capitales", "hash": submission.suite_hash}
    # The evaluator read a folder of this machine, whose name and hash stand for the Hub's.
    manifest_json["model"] |= {"id": submission.model_id, "revision": submission.revision}
    manifest_path.write_text(json.dumps(manifest_json), encoding="utf-8")
    manifest = verify_results(
        artifact, job_key=submission.job_key, attempt=1, submission=submission, suite=suite
    )

    scored = score_results(artifact, manifest, suite)
    assert scored.scores["capitales-fr"].scorer == "capitales-fr"
    assert len(scored.graded["capitales-fr"]) == len(ROWS)
    files = published_files(
        submission,
        plan=plan,
        manifest=manifest,
        scored=scored,
        folder=artifact,
        suite=suite,
        cost=Cost(gpu_hours=0.1, carbon_kg=None, gpu_power_kw=None, carbon_kg_per_kwh=None),
        settings=PublishingSettings(),
        results_repo="org/results",
        task_sha256s={KEY: suite.tasks[0].benchmark.definition_sha256()},
    )
    published = {file.path.rsplit("/", 1)[-1]: file for file in files}
    results = json.loads(published[f"results_{manifest.timestamp}.json"].content)
    assert results["results"][KEY]["capitale-em"] == scored.scores["capitales-fr"].value

    tree = Tree(tmp_path / "tree")
    details = tree.details / submission.model_id / manifest.timestamp
    details.mkdir(parents=True)
    shutil.copy(artifact / manifest.tasks[KEY].details, details)
    tree.add_scores(submission.model_id, results, time=manifest.timestamp)
    outcome = tree.rescore()
    assert not outcome.problems
    assert [graded.scorer.name for graded in outcome.graded] == ["capitales-fr"]
    assert outcome.graded[0].counts.rows == len(ROWS)
