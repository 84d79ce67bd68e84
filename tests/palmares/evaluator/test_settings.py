"""Hyperparameters as ClearML gives them: strings."""

from __future__ import annotations

import json

import pytest
from palmares.evaluator.failures import EvaluationFailure
from palmares.evaluator.settings import JobSettings, read_settings

GENERAL = {
    "model": "palmares-demo/petit",
    "revision": "0" * 40,
    "cluster": "local",
    "nb_nodes": "2",
    "nb_gpus_per_node": "2",
    "gpu_memory_utilization": "0.8",
    "tasks": "community|bac-fr|0,community|ifeval-fr|0",
    "max_model_length": "2048",
    "use_chat_template": "True",
    "walltime": "01:30",
    "dtype": "torch.bfloat16",
    "enforce_eager": "false",
    "backend": "vllm",
    "suite": "fr",
    "suite_hash": "",
    "job_key": "k" * 32,
    "limit_samples": "",
    "seed": "7",
}


def read(properties: dict[str, str] | None = None, **changes: str) -> JobSettings:
    hyperparameters = {f"General/{name}": value for name, value in (GENERAL | changes).items()}
    hyperparameters["Args/other"] = "ignored"
    return read_settings(hyperparameters, properties or {}, datasets_directory="/datasets")


def test_strings_become_values():
    job = read({"attempt": "3"})
    assert (job.dtype, job.use_chat_template, job.enforce_eager) == ("bfloat16", True, False)
    assert (job.limit_samples, job.seed, job.attempt, job.max_model_length) == (None, 7, 3, 2048)
    assert [(task.name, task.benchmark.lm_eval_task) for task in job.tasks] == [
        ("bac-fr", "bac-fr"),
        ("ifeval-fr", "ifeval-fr"),
    ]


def test_parallelism_comes_from_the_plan_and_else_from_the_shape():
    assert (read().tensor_parallel_size, read().pipeline_parallel_size) == (2, 2)
    plan = json.dumps(
        {"tensor_parallel_size": 4, "pipeline_parallel_size": 1, "max_num_seqs": 64, "queue": "q"}
    )
    job = read({"plan": plan})
    assert (job.tensor_parallel_size, job.pipeline_parallel_size, job.placement.max_num_seqs) == (4, 1, 64)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("tasks", "community|sornette|0", "unknown task 'community|sornette|0'"),
        ("tasks", "lighteval|mmlu:anatomy|0", "unknown task 'lighteval|mmlu:anatomy|0'"),
        ("tasks", "bac-fr", "String should match pattern"),
        ("tasks", "community|bac-fr|5", "zero-shot"),
        ("tasks", "community|bac-fr|0,lighteval|bac-fr|0", "holds one twice"),
        ("tasks", "", "tasks"),
        ("dtype", "int3", "'int3' is not one of"),
        ("seed", "sept", "seed"),
        ("limit_samples", "0", "greater than or equal to 1"),
        ("backend", "tgi", "backend"),
        ("gpu_memory_utilization", "1.5", "less than or equal to 1"),
        ("revision", "$(id)", "revision"),
        ("suite_hash", "abc", "suite_hash"),
    ],
)
def test_a_wrong_value_is_named(name, value, said):
    with pytest.raises(EvaluationFailure, match="hyperparameters are wrong") as failure:
        read(**{name: value})
    assert failure.value.failure_class == "evaluator_error"
    assert said in str(failure.value)


@pytest.mark.parametrize("model", ["", "../../etc/passwd", "/etc", "./here", "a/b/c", "a b", "-rf/x"])
def test_a_name_that_the_hub_could_not_know_is_not_found(model):
    with pytest.raises(EvaluationFailure, match="no name of a model") as failure:
        read(model=model)
    assert failure.value.failure_class == "not_found"


def test_a_missing_datasets_directory_says_what_to_set():
    with pytest.raises(EvaluationFailure, match="Set it in the agent's environment"):
        read_settings(
            {"General/model": "a/b", "General/tasks": "community|bac-fr|0"}, {}, datasets_directory=None
        )


def test_a_task_of_lm_eval_needs_no_datasets_directory():
    general = {"General/model": "a/b", "General/tasks": "lm-eval|gsm8k|5"}
    assert read_settings(general, {}, datasets_directory=None).datasets_directory is None


def test_a_plan_that_is_no_json_says_so():
    with pytest.raises(EvaluationFailure, match="'plan' is not JSON"):
        read({"plan": "{"})
