"""Console, scalars and single values: taken in as batches, read back in pages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.devstack.servers.clearml.conftest import Api

LINES = {"Content-Type": "application/json-lines"}


def add(api: Api, *events: dict[str, Any]) -> Any:
    body = "\n".join(json.dumps(event) for event in events)
    answer = api.http.post("/v2.23/events.add_batch", content=body, headers=LINES).json()
    return answer["data"] or answer["meta"]["result_subcode"]


def log(task: str, timestamp: int, msg: str = "line") -> dict[str, Any]:
    return {"type": "log", "task": task, "timestamp": timestamp, "msg": msg, "level": "INFO", "worker": "w"}


def scalar(task: str, iteration: int, value: float, variant: str = "v") -> dict[str, Any]:
    kind = "training_stats_scalar"
    return {"type": kind, "task": task, "iter": iteration, "metric": "m", "variant": variant, "value": value}


def test_the_console_is_read_forward_page_by_page_and_no_line_is_lost(api: Api) -> None:
    task = api.new_task()
    stamps = [1, 2, 2, 2, 3, 4, 4, 5]
    add(api, *(log(task, stamp, str(i)) for i, stamp in enumerate(stamps)))
    seen, position = [], 0
    while True:
        page = api.call(
            "events.get_task_log",
            task=task,
            batch_size=2,
            order="asc",
            navigate_earlier=False,
            from_timestamp=position,
        )
        assert page["total"] == len(stamps)
        if not page["events"]:
            break
        seen += [event["msg"] for event in page["events"]]
        position = page["events"][-1]["timestamp"]
    assert seen == [str(i) for i in range(len(stamps))]


@pytest.mark.parametrize(
    ("order", "expected"), [("asc", ["3", "4"]), ("desc", ["4", "3"]), (None, ["4", "3"])]
)
def test_the_consoles_end_comes_first_by_default(api: Api, order: str | None, expected: list[str]) -> None:
    task = api.new_task()
    add(api, *(log(task, i + 1, str(i)) for i in range(5)))
    body = {"order": order} if order else {}
    page = api.call("events.get_task_log", task=task, batch_size=2, **body)
    assert [event["msg"] for event in page["events"]] == expected


def test_what_is_unsound_in_a_batch_is_counted_and_the_rest_kept(api: Api) -> None:
    task = api.new_task()
    bad: list[dict[str, Any]] = [
        {"type": "what", "task": task},
        log("0" * 32, 1),
        scalar(task, 1, float("nan")),
        {**scalar(task, 2, 0), "value": "1"},
    ]
    answer = add(api, log(task, 1), *bad)
    assert (answer["added"], answer["errors"]) == (1, 4)
    assert sum(answer["errors_info"].values()) == 4
    assert add(api, *bad) == 131


def test_a_batch_with_a_broken_line_is_refused_whole(api: Api) -> None:
    task = api.new_task()
    body = json.dumps(log(task, 1)) + "\n{"
    assert (
        api.http.post("/events.add_batch", content=body, headers=LINES).json()["meta"]["result_code"] == 400
    )
    assert api.call("events.get_task_log", task=task)["total"] == 0


def test_reporting_again_replaces_the_point(api: Api) -> None:
    task = api.new_task()
    add(api, scalar(task, 1, 1.0), scalar(task, 2, 2.0))
    add(api, scalar(task, 2, 5.0))
    curve = api.call("events.scalar_metrics_iter_histogram", task=task)
    assert curve == {"m": {"v": {"name": "v", "x": [1, 2], "y": [1.0, 5.0]}}}


def test_long_curves_are_averaged_to_the_samples_asked_for(api: Api) -> None:
    task = api.new_task()
    add(api, *(scalar(task, i, float(i)) for i in range(1000)))
    curve = api.call("events.scalar_metrics_iter_histogram", task=task, samples=10)["m"]["v"]
    assert curve["x"] == list(range(0, 1000, 100))
    assert curve["y"][0] == pytest.approx(49.5)


def test_the_task_keeps_last_values_extremes_and_means(api: Api) -> None:
    task = api.new_task()
    add(api, scalar(task, 1, 3.0), scalar(task, 2, 1.0), scalar(task, 3, 2.0))
    document = api.call("tasks.get_by_id", task=task)["task"]
    last = next(iter(next(iter(document["last_metrics"].values())).values()))
    kept = (last["value"], last["min_value"], last["max_value"], last["mean_value"], last["count"])
    assert kept == (2.0, 1.0, 3.0, 2.0, 3)
    assert (last["min_value_iteration"], document["last_iteration"]) == (2, 3)
    assert document["unique_metrics"] == ["m/v"]


def test_single_values_are_told_apart_from_curves(api: Api) -> None:
    task, empty = api.new_task(), api.new_task()
    add(api, scalar(task, -(2**31), 0.25, "community:gpqa-fr:0 | acc"), scalar(task, 1, 9.0))
    answer = api.call("events.get_task_single_value_metrics", tasks=[task, empty])["tasks"]
    assert [(each["task"], [v["variant"] for v in each["values"]]) for each in answer] == [
        (task, ["community:gpqa-fr:0 | acc"])
    ]
    assert list(api.call("events.scalar_metrics_iter_histogram", task=task)["m"]) == ["v"]


def test_events_of_a_type_are_scrolled(api: Api) -> None:
    task = api.new_task()
    add(api, *(scalar(task, i, i) for i in range(5)), log(task, 1))
    body: dict[str, Any] = {"task": task, "event_type": "training_stats_scalar", "batch_size": 3}
    first = api.call("events.get_task_events", **body)
    second = api.call("events.get_task_events", **body, scroll_id=first["scroll_id"])
    assert [event["iter"] for page in (first, second) for event in page["events"]] == list(range(5))
    assert (first["total"], second["returned"]) == (5, 2)


def test_extreme_values_stay_finite(api: Api) -> None:
    task = api.new_task()
    add(api, scalar(task, 1, 1.7e308), scalar(task, 2, 1.7e308), {**scalar(task, 3, 0), "value": 10**400})
    metrics = api.call("tasks.get_by_id", task=task)["task"]["last_metrics"]
    last = next(iter(next(iter(metrics.values())).values()))
    assert (last["count"], last["mean_value"]) == (2, pytest.approx(1.7e308))
    curve = api.call("events.scalar_metrics_iter_histogram", task=task, samples=1)["m"]["v"]
    assert curve["y"] == [pytest.approx(1.7e308)]
