"""What jobs leave behind, brought to where the next task finds it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.io import attach
from clearml_provider.exceptions import ClearMLArtifactError, ClearMLConfigError
from clearml_provider.flows import create, read
from clearml_provider.models import TaskSpec
from clearml_provider.operators import (
    ClearMLFetchArtifactOperator,
    ClearMLFetchLogOperator,
    ClearMLFetchScalarsOperator,
    ClearMLQueueStatisticsOperator,
)
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from tests.plugins.clearml_provider.workplace import Workplace


@pytest.fixture
def task_id(clearml: Workplace) -> str:
    """A running job."""
    clearml.enqueue()
    return clearml.start()


@pytest.fixture(autouse=True, scope="module")
def object_storage() -> None:
    """fsspec's own storage in memory stands for S3 and the like, whose providers are not installed."""
    attach("memory", fs=MemoryFileSystem())


def a_zip(**members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return buffer.getvalue()


def fetch(task_id: str, destination: object, **arguments: Any) -> str:
    made = ClearMLFetchArtifactOperator(
        task_id="fetch",
        clearml_task_id=task_id,
        artifact="results",
        destination=str(destination),
        **arguments,
    )
    done: str = made.execute({})
    return done


@pytest.mark.parametrize("kind", ["path", "file URL", "object storage"])
def test_an_artifact_arrives_where_it_is_wanted(clearml, task_id, tmp_path, kind):
    clearml.upload(task_id, "results", b"scores")
    destination = {
        "path": f"{tmp_path}/new/results.zip",
        "file URL": f"file://{tmp_path}/new/results.zip",
        "object storage": f"memory://bucket-{task_id}/new/results.zip",
    }[kind]
    for _ in range(2):  # running again replaces it
        assert fetch(task_id, destination) == destination
        assert ObjectStoragePath(destination).read_bytes() == b"scores"
    if kind != "object storage":
        assert [p.name for p in (tmp_path / "new").iterdir()] == ["results.zip"]


@pytest.mark.parametrize("kind", ["path", "object storage"])
def test_an_archive_is_unpacked_into_a_folder_of_its_own(clearml, task_id, tmp_path, kind):
    clearml.upload(task_id, "results", a_zip(**{"manifest.json": "{}", "details/a.txt": "A"}))
    destination = str(tmp_path / "out") if kind == "path" else f"memory://bucket-{task_id}/out"
    for _ in range(2):
        assert fetch(task_id, destination, unpack=True) == destination
        assert ObjectStoragePath(f"{destination}/details/a.txt").read_text() == "A"
        assert ObjectStoragePath(f"{destination}/manifest.json").read_text() == "{}"


@pytest.mark.parametrize("kind", ["path", "object storage"])
def test_a_folder_with_somebody_elses_files_is_refused_and_left_as_it_is(clearml, task_id, tmp_path, kind):
    clearml.upload(task_id, "results", a_zip(**{"manifest.json": "{}"}))
    destination = str(tmp_path / "out") if kind == "path" else f"memory://bucket-{task_id}/out"
    mine = ObjectStoragePath(f"{destination}/mine.txt")
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("kept")
    with pytest.raises(ClearMLConfigError, match=r"holds 1 other files \(mine.txt"):
        fetch(task_id, destination, unpack=True)
    assert mine.read_text() == "kept"
    assert not ObjectStoragePath(f"{destination}/manifest.json").exists()


def test_a_storage_that_fails_half_way_keeps_nothing_of_the_folder(clearml, task_id, tmp_path, monkeypatch):
    clearml.upload(task_id, "results", a_zip(a="1", b="2", c="3"))
    put = MemoryFileSystem.put_file

    def full(self: MemoryFileSystem, source: str, path: str, **options: Any) -> None:
        if path.endswith("/c"):
            raise OSError("no space left")
        put(self, source, path, **options)

    monkeypatch.setattr(MemoryFileSystem, "put_file", full)
    destination = f"memory://bucket-{task_id}/out"
    with pytest.raises(OSError, match="no space left"):
        fetch(task_id, destination, unpack=True)
    assert not any(ObjectStoragePath(f"{destination}/{name}").exists() for name in "abc")


@pytest.mark.parametrize(
    ("content", "arguments", "words"),
    [
        (b"x" * 100, {"max_bytes": 99}, "the limit is 99"),
        (a_zip(**{"../evil": "x"}), {"unpack": True}, "leads out of the folder"),
        (a_zip(zeros="0" * 10_000), {"unpack": True, "max_unpacked_bytes": 5_000}, "more than the limit"),
        (a_zip(a="1", b="2"), {"unpack": True, "max_files": 1}, "2 files, the limit is 1"),
        (b"no zip", {"unpack": True}, "not a sound zip"),
    ],
    ids=["too large", "escapes", "a bomb", "too many files", "no zip"],
)
def test_an_unsafe_artifact_fails_at_once_and_leaves_nothing(
    clearml, task_id, tmp_path, content, arguments, words
):
    clearml.upload(task_id, "results", content)
    with pytest.raises(ClearMLArtifactError, match=words) as caught:
        fetch(task_id, tmp_path / "out", **arguments)
    assert isinstance(caught.value, AirflowFailException)
    assert list(tmp_path.iterdir()) == []


def test_a_destination_that_cannot_be_opened_is_an_error_that_says_so(clearml, task_id, tmp_path):
    clearml.upload(task_id, "results", b"x")
    for destination, words in (
        ("", "destination is empty"),
        ("nosuch://bucket/x", "cannot be opened"),
        (str(tmp_path), "is a folder"),
    ):
        with pytest.raises(ClearMLConfigError, match=words):
            fetch(task_id, destination)


def report(place: Workplace, task_id: str, metric: str, variant: str, iteration: int, value: float) -> None:
    """What the SDK does for `report_scalar` and `report_single_value`."""
    event = {"type": "training_stats_scalar", "task": task_id, "metric": metric, "variant": variant}
    place.call("events.add", **event, iter=iteration, value=value)


def test_single_values_and_curves_are_returned(clearml, task_id):
    report(clearml, task_id, "Summary", "acc", -(2**31), 0.5)
    for iteration in range(10):
        report(clearml, task_id, "loss", "train", iteration, 1 / (iteration + 1))
    fetched = ClearMLFetchScalarsOperator(
        task_id="fetch", clearml_task_id=task_id, required=["acc"], samples=5
    ).execute({})
    assert fetched["single_values"] == {"acc": 0.5}
    curve = fetched["scalars"]["loss"]["train"]
    assert curve["x"] == [0, 2, 4, 6, 8]
    assert curve["y"][0] == pytest.approx((1 + 1 / 2) / 2)


def test_no_curves_are_fetched_unless_asked_for(clearml, task_id):
    report(clearml, task_id, "loss", "train", 0, 1.0)
    fetched = ClearMLFetchScalarsOperator(task_id="fetch", clearml_task_id=task_id).execute({})
    assert fetched == {"single_values": {}, "scalars": {}}


def test_a_single_value_that_is_missing_is_an_error_that_lists_the_others(clearml, task_id):
    report(clearml, task_id, "Summary", "acc", -(2**31), 0.5)
    made = ClearMLFetchScalarsOperator(task_id="fetch", clearml_task_id=task_id, required=["acc", "f1"])
    with pytest.raises(ClearMLArtifactError, match=r"no single value \['f1'\], found \['acc'\]"):
        made.execute({})


def say(place: Workplace, task_id: str, *texts: str) -> None:
    """What the agent does with a job's output: events of one line or several."""
    for number, text in enumerate(texts):
        place.call("events.add", type="log", task=task_id, msg=text, timestamp=1_700_000_000_000 + number)


def keep_public(line: str) -> str | None:
    return None if "row" in line else line.replace("token=abc", "token=…")


def log(task_id: str, **arguments: Any) -> Any:
    return ClearMLFetchLogOperator(task_id="log", clearml_task_id=task_id, **arguments).execute({})


def test_the_consoles_tail_is_returned_through_the_filter(clearml, task_id):
    say(clearml, task_id, "one\n", "row 17: secret\nrow 18: secret\n", "token=abc\n", "last\n")
    assert log(task_id, lines=2) == ["token=abc", "last"]
    shown = log(task_id, show_line=keep_public)
    assert shown == ["one", "token=…", "last", "… 2 lines withheld"]
    assert log(task_id, show_line=f"{__name__}.keep_public") == shown


def test_the_whole_console_is_written_page_by_page_in_order(clearml, task_id, tmp_path, monkeypatch):
    monkeypatch.setattr(read, "LOG_PAGE_EVENTS", 7)
    lines = [f"line {number}" for number in range(50)]
    say(clearml, task_id, *(f"{line}\n" for line in lines))
    destination = str(tmp_path / "console.txt")
    clearml.faults.seen.clear()
    assert log(task_id, destination=destination) == destination
    assert Path(destination).read_text().splitlines() == lines
    assert clearml.faults.seen.count("events.get_task_log") == 8


def test_a_console_beyond_the_limit_is_cut_and_says_so(clearml, task_id, tmp_path):
    say(clearml, task_id, *(f"line {number}\n" for number in range(50)))
    log(task_id, destination=str(tmp_path / "console.txt"), max_bytes=20, show_line=keep_public)
    written = (tmp_path / "console.txt").read_text()
    assert written == "line 0\nline 1\n… cut here, the limit is 20 bytes\n"


def test_a_filter_that_does_not_exist_is_told_before_anything_is_fetched(clearml, task_id):
    with pytest.raises(ClearMLConfigError, match=r"Cannot import 'no\.such'"):
        log(task_id, show_line="no.such")


def test_a_filter_that_fails_lets_no_line_slip_into_the_log(clearml, task_id, tmp_path):
    import traceback

    def clumsy(line: str) -> str:
        raise ValueError(f"cannot read {line}")

    say(clearml, task_id, "row 17: hidden\n")
    for destination in (None, f"{tmp_path}/console.txt"):
        with pytest.raises(
            ClearMLConfigError, match=r"clumsy' raised ValueError.*nothing was copied"
        ) as caught:
            log(task_id, show_line=clumsy, destination=destination)
        assert "hidden" not in "".join(traceback.format_exception(caught.value))
    assert list(tmp_path.iterdir()) == []


def statistics(*queues: str) -> list[dict[str, Any]]:
    made = ClearMLQueueStatisticsOperator(task_id="queues", clearml_queues=list(queues) or None)
    found: list[dict[str, Any]] = made.execute({})
    assert made.clearml_queues_url == "http://web.test/workers-and-queues/queues"
    return found


def test_queue_statistics_tell_who_waits_and_who_serves(clearml):
    (empty,) = statistics(clearml.queue)
    assert {k: empty[k] for k in ("queue", "waiting", "workers", "oldest_waiting_since")} == {
        "queue": clearml.queue,
        "waiting": 0,
        "workers": 0,
        "oldest_waiting_since": None,
    }
    clearml.enqueue()
    clearml.start()
    spec = TaskSpec.model_validate(clearml.spec)
    waits = clearml.hook.run(create.create_task(spec, properties={}))
    clearml.hook.enqueue(waits, clearml.queue)
    idle = f"idle-{clearml.queue}"
    clearml.call("workers.register", worker=idle, queues=[clearml.queue_id])
    (busy,) = statistics(clearml.queue)
    assert {k: busy[k] for k in ("waiting", "workers", "busy", "idle")} == {
        "waiting": 1,
        "workers": 2,
        "busy": 1,
        "idle": 1,
    }
    assert 0 <= busy["oldest_waiting_s"] < 60
    assert busy["oldest_waiting_since"] is not None
    assert clearml.queue in [queue["queue"] for queue in statistics()]


def test_statistics_of_a_queue_that_does_not_exist_are_an_error_and_create_nothing(clearml):
    with pytest.raises(ClearMLConfigError, match=r"no queue 'gpuu', known are .*nothing was created"):
        statistics("gpuu")
    assert "gpuu" not in {queue.name for queue in clearml.hook.queues()}
