"""What operators ask of queues and workers: how long, how many, who serves."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.devstack.servers.clearml.conftest import Api
from tests.devstack.servers.clearml.test_tasks import refusal, task_of


def test_a_queue_is_counted_peeked_at_and_cut_without_a_change(api: Api) -> None:
    queue = api.new_queue("statistics")
    assert api.call("queues.peek_task", queue=queue) == {"task": None}
    tasks = [api.task_in("queued", queue) for _ in range(3)]
    assert api.call("queues.get_num_entries", queue=queue) == {"num": 3}
    assert api.call("queues.peek_task", queue=queue) == {"task": tasks[0]}
    first = api.call("queues.get_by_id", queue=queue, max_task_entries=1)["queue"]
    assert [each["task"] for each in first["entries"]] == tasks[:1]
    fields = ["id", "entries.task"]
    (listed,) = api.call("queues.get_all", id=[queue], only_fields=fields, max_task_entries=2)["queues"]
    assert listed.keys() == {"id", "entries"}
    assert [each["task"] for each in listed["entries"]] == tasks[:2]
    assert api.call("queues.get_num_entries", queue=queue) == {"num": 3}
    assert refusal(api, "queues.get_num_entries", queue="nope") == (400, 701)


def test_a_queues_metrics_tell_length_and_wait_interval_by_interval(api: Api) -> None:
    queue = api.new_queue("measured")
    api.task_in("queued", queue)
    api.task_in("queued", queue)
    dates: dict[str, Any] = {"from_date": time.time() - 60, "to_date": time.time() + 60, "interval": 3600}
    (told,) = api.call("queues.get_queue_metrics", queue_ids=[queue], refresh=True, **dates)["queues"]
    assert told["queue"] == queue
    assert told["dates"][-1] % 3_600_000 == 0
    assert told["queue_lengths"][-1] == 2
    assert 0 < told["avg_waiting_times"][-1] < 60
    assert len(told["dates"]) == len(told["queue_lengths"]) == len(told["avg_waiting_times"])


def test_the_metrics_of_all_queues_are_one_series(api: Api) -> None:
    api.task_in("queued", api.new_queue("one of several"))
    dates: dict[str, Any] = {"from_date": time.time() - 60, "to_date": time.time() + 60, "interval": 3600}
    (told,) = api.call("queues.get_queue_metrics", refresh=True, **dates)["queues"]
    assert told["queue"] == "total"
    waiting = sum(len(each["entries"]) for each in api.call("queues.get_all")["queues"])
    assert told["queue_lengths"][-1] >= waiting > 0


def test_metrics_of_a_time_that_ends_before_it_begins_are_refused(api: Api) -> None:
    assert refusal(api, "queues.get_queue_metrics", from_date=2, to_date=1, interval=1) == (400, 16)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"worker_pattern": "filtered:*"}, {"filtered:gpu0", "filtered:gpu1"}),
        ({"worker_pattern": "filtered:gpu?", "tags": ["a100"]}, {"filtered:gpu1"}),
        ({"worker_pattern": "filtered:*", "system_tags": ["x"]}, set()),
        ({"worker_pattern": "filtered:*", "last_seen": 60}, {"filtered:gpu0", "filtered:gpu1"}),
    ],
)
def test_workers_are_found_by_name_and_tags(api: Api, body: dict[str, Any], expected: set[str]) -> None:
    api.call("workers.register", worker="filtered:gpu0")
    api.call("workers.register", worker="filtered:gpu1", tags=["a100", "b"])
    assert {each["id"] for each in api.call("workers.get_all", **body)["workers"]} == expected
    assert api.call("workers.get_count", **body) == {"count": len(expected)}


def test_a_worker_tells_its_queues_lengths_and_what_comes_next(api: Api) -> None:
    queue = api.new_queue("of one worker")
    api.call("workers.register", worker="telling", queues=[queue])
    task = api.task_in("queued", queue)
    api.task_in("queued", queue)
    (worker,) = api.call("workers.get_all", worker_pattern="telling")["workers"]
    entry = {"id": queue, "name": "of one worker", "num_tasks": 2}
    assert worker["queues"] == [entry | {"next_task": {"id": task, "name": task_of(api, task)["name"]}}]


def test_a_task_is_given_another_place_and_pulled_from_there(api: Api) -> None:
    queue = api.new_queue("with priorities")
    first, second, third = (api.task_in("queued", queue) for _ in range(3))
    assert api.call("queues.move_task_to_front", queue=queue, task=third)["position"] == 0
    assert api.call("queues.move_task_backward", queue=queue, task=third, count=5)["position"] == 2
    assert api.call("queues.move_task_forward", queue=queue, task=third)["position"] == 1
    assert api.call("queues.move_task_to_back", queue=queue, task=first)["position"] == 2
    pulled = [api.call("queues.get_next_task", queue=queue)["entry"]["task"] for _ in range(3)]
    assert pulled == [third, second, first]


def test_what_a_machine_reported_is_read_in_points_of_an_interval(api: Api) -> None:
    start = int(time.time()) // 60 * 60 - 600
    for second, used in ((start, [10, 30]), (start + 10, [20, 40]), (start + 60, [0, 100])):
        report: dict[str, Any] = {
            "timestamp": second * 1000,
            "machine_stats": {"gpu_usage": used, "memory_used": 5.0},
        }
        api.call("workers.status_report", worker="reporting", **report)
    items = [{"key": "gpu_usage", "category": "avg"}, {"key": "gpu_usage", "category": "max"}]
    period: dict[str, Any] = {
        "from_date": start,
        "to_date": start + 120,
        "interval": 60,
        "worker_ids": ["reporting"],
    }
    (worker,) = api.call("workers.get_stats", items=items, **period)["workers"]
    assert worker["worker"] == "reporting"
    assert worker["metrics"] == [
        {
            "metric": "gpu_usage",
            "dates": [start, start + 60],
            "stats": [
                {"aggregation": "avg", "values": [25.0, 50.0]},
                {"aggregation": "max", "values": [40.0, 100.0]},
            ],
        }
    ]
    (worker,) = api.call("workers.get_stats", items=items[:1], split_by_variant=True, **period)["workers"]
    assert [metric["variant"] for metric in worker["metrics"]] == ["0", "1"]
