"""Paths of every layout say task, time and model."""

from __future__ import annotations

from pathlib import Path

import pytest
from palmares.leaderboard.results.results_file import names_of, short_name
from palmares.rescoring.files import details_file, scores_file

DIGITS = "20250301102030123456"


@pytest.mark.parametrize(
    ("path", "model", "task"),
    [
        (
            "/x/details/org/model/2025-03-01T10-20-30.123456/"
            "details_community|bac-fr|0_2025-03-01T10-20-30.123456.parquet",
            "org/model",
            "community|bac-fr|0",
        ),
        (
            "/x/org/details_org__my__model/2025_03_01T10_20_30.123456/"
            "details_harness|arc:challenge|25_2025-03-01T10:20:30.123456.parquet",
            "org/my__model",
            "harness|arc:challenge|25",
        ),
        (
            "/x/org/details_org__model_private/2025-03-01T10-20-30.123456/"
            "details_community|bac-fr|0_2025-03-01T10-20-30.123456.parquet",
            "org/model",
            "community|bac-fr|0",
        ),
        (
            "/x/org__model-details/org__model/samples_leaderboard_ifeval_2025-03-01T10-20-30.123456.json",
            "org/model",
            "leaderboard_ifeval",
        ),
        ("/x/out/org__model/samples_bac-fr_2025-03-01T10-20-30.123456.jsonl", "org/model", "bac-fr"),
    ],
)
def test_a_details_path_says_task_time_and_model(path, model, task):
    file = details_file(Path(path))

    assert file is not None
    assert (file.models[0], file.task, file.time) == (model, task, DIGITS)


@pytest.mark.parametrize(
    "name",
    ["details_x.parquet", "graded_x_2025-03-01T10-20-30.jsonl", "results_2025-03-01T10-20-30.json", "a.txt"],
)
def test_other_files_are_no_details(name):
    assert details_file(Path("/x") / name) is None


def test_graded_records_stand_beside_and_are_no_details():
    path = Path("/x/m/2025-03-01T10-20-30/details_community|bac-fr|0_2025-03-01T10-20-30.parquet")
    file = details_file(path)

    assert file is not None
    assert file.graded == path.with_name("graded_community|bac-fr|0_2025-03-01T10-20-30.jsonl")
    assert details_file(file.graded) is None
    assert details_file(file.mark) is None


def test_a_model_without_organisation_may_be_meant():
    file = details_file(Path("/x/details/gpt2/2025-03-01T10-20-30/details_a|b|0_2025-03-01T10-20-30.parquet"))

    assert file is not None
    assert file.models == ("details/gpt2", "gpt2")


def test_a_results_path_says_time_and_model():
    file = scores_file(Path("/x/results/org/model/results_2025-03-01T10-20-30.123456.json"))

    assert file is not None
    assert (file.models[0], file.time) == ("org/model", DIGITS)
    assert scores_file(Path("/x/results.json")) is None


@pytest.mark.parametrize(
    ("task", "expected"),
    [("community|bac-fr|0", "bac-fr"), ("community|bac-fr|0|0", "bac-fr"), ("bac-fr", "bac-fr")],
)
def test_the_short_name_is_the_task_s_own(task, expected):
    assert short_name(task) == expected


@pytest.mark.parametrize(
    ("said", "meant"),
    [("org/model", "org/model"), ("org__model", "org/model"), ("/data/hub/org/model", "org/model")],
)
def test_a_model_name_may_be_sanitised_or_a_path(said, meant):
    assert meant in names_of(said)


def test_an_id_means_itself_only():
    assert names_of("org/model") == ("org/model",)
