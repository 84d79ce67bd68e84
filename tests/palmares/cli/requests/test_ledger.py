"""`palmares ledger`: sums of a store's attempts, as a table, JSON and CSV."""

from __future__ import annotations

import csv
import io

import pytest
from palmares.steps.services import Services

from tests.palmares.cli.requests.calling import Palmares, answer, complaint
from tests.palmares.steps.sweeping import admit, claimed

PLAN = {"cluster": "musa", "nodes": 1, "gpus_per_node": 2, "reserved_gpus": 2, "tensor_parallel_size": 1}


@pytest.fixture
def attempts(services: Services) -> None:
    """Two attempts of two models: a lost one of an hour, one of half an hour that succeeded."""
    submissions = claimed(admit(services))
    for name, cause, ran_s in (("petit", "node_lost", 3600.0), ("grand", "succeeded", 1800.0)):
        key = submissions[name].job_key
        services.store.evaluations.record_attempt(key, attempt=1, clearml_task_id="t" * 32, plan=PLAN)
        services.store.evaluations.end_attempt(
            key, attempt=1, failure_class=cause, reason="It ended.", ran_s=ran_s
        )


@pytest.mark.usefixtures("attempts")
def test_failed_attempts_are_in_the_sums(palmares: Palmares) -> None:
    said = answer(palmares("ledger", "--by", "outcome", "--json"))

    assert said["total"]["gpu_hours"] == 3.0
    assert [(row["outcome"], row["attempts"], row["gpu_hours"]) for row in said["rows"]] == [
        ("node_lost", 1, 2.0),
        ("succeeded", 1, 1.0),
    ]


@pytest.mark.usefixtures("attempts")
def test_the_table_has_a_line_a_group_and_the_sum(palmares: Palmares) -> None:
    shown = palmares("ledger", "--by", "model").stdout

    assert "palmares-demo/petit" in shown
    assert "In all" in shown
    assert "3.00" in shown


@pytest.mark.usefixtures("attempts")
def test_csv_has_a_line_an_attempt(palmares: Palmares) -> None:
    rows = list(csv.DictReader(io.StringIO(palmares("ledger", "--csv").stdout)))

    assert sorted((row["model"], row["outcome"], float(row["gpu_hours"])) for row in rows) == [
        ("palmares-demo/grand", "succeeded", 1.0),
        ("palmares-demo/petit", "node_lost", 2.0),
    ]


@pytest.mark.usefixtures("attempts")
def test_months_outside_are_left_out_and_an_empty_ledger_is_one(palmares: Palmares) -> None:
    assert answer(palmares("ledger", "--until", "2001-01", "--json"))["total"]["attempts"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--by", "weather"), "take one of month, organisation, model, cluster, outcome"),
        (("--since", "2026-13"), "give a month as 2026-11"),
        (("--until", "December"), "give a month as 2026-11"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    palmares: Palmares, arguments: tuple[str, ...], message: str
) -> None:
    assert message in complaint(palmares("ledger", *arguments))
