"""Datasets through the adapter: reading at a commit, and writing once."""

from __future__ import annotations

import itertools
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from palmares.hub import Hub
from palmares.leaderboard.errors import HubError, HubNotFoundError, HubUnavailableError, StaleCommitError

from devstack.servers.faults import Fault
from performance.publishing.faulty_hub import TOKEN, faulty_hub
from tests.fixtures.hub_server import cutting_proxy


def _write(hub, repo_id, files, *, message="Write"):
    return hub.commit_files(repo_id, files, message=message, parent_commit=hub.head(repo_id))


def test_the_head_is_the_newest_commit(hub, new_dataset):
    repo_id = new_dataset()
    before = hub.head(repo_id)
    made = _write(hub, repo_id, {"a.json": b"{}"})
    assert before != made == hub.head(repo_id)


def test_json_files_are_read_at_their_commit_sorted_by_path(hub, new_dataset):
    repo_id = new_dataset()
    first = _write(hub, repo_id, {"b/x.json": b"1", "a.json": b"2", "README.md": b"no", "c.json": b"2"})
    second = _write(hub, repo_id, {"a.json": b"3"})
    files = hub.read_json_files(repo_id, commit=first)
    assert [(file.path, file.content) for file in files] == [
        ("a.json", b"2"),
        ("b/x.json", b"1"),
        ("c.json", b"2"),
    ]
    assert files[0].oid == files[2].oid != files[1].oid
    assert hub.read_json_files(repo_id, commit=second)[0].content == b"3"
    assert [file.path for file in hub.read_json_files(repo_id, commit=second, since=first)] == ["a.json"]


def test_contents_that_are_known_are_not_downloaded_again(hub_server, hub, new_dataset):
    repo_id = new_dataset()
    commit = _write(hub, repo_id, {f"{number}.json": str(number % 10).encode() for number in range(30)})
    with cutting_proxy(hub_server.port, cut=lambda line: False) as proxy:
        reader = Hub(endpoint=proxy.endpoint, token=hub_server.token)
        first = reader.read_json_files(repo_id, commit=commit)
        assert sum("/resolve/" in line for line in proxy.requests) == 10
        assert reader.read_json_files(repo_id, commit=commit) == first
        assert sum("/resolve/" in line for line in proxy.requests) == 10
    assert [file.content for file in first] == [str(int(file.path[:-5]) % 10).encode() for file in first]


def test_a_quota_smaller_than_the_dataset_is_read_in_several_windows(tmp_path):
    with faulty_hub(tmp_path / "hub") as faulty:
        hub = Hub(endpoint=faulty.endpoint, token=TOKEN)
        hub.ensure_dataset("demo/requests", private=False)
        files = {f"{number}.json": str(number).encode() for number in range(40)}
        commit = _write(hub, "demo/requests", files)
        for is_last in (False, True):
            faulty.plan(
                [
                    Fault(
                        endpoint="GET /datasets/*",
                        kind="status",
                        status=429,
                        rate_limit_s=200,
                        skip=30,
                        count=None,
                    )
                ]
            )
            if not is_last:
                with pytest.raises(HubUnavailableError):
                    hub.read_json_files("demo/requests", commit=commit)
        read = hub.read_json_files("demo/requests", commit=commit)
    assert {file.path: file.content for file in read} == files


def test_a_fresh_process_downloads_only_what_changed(hub_server, hub, new_dataset, store):
    repo_id = new_dataset()
    first = _write(hub, repo_id, {f"{number}.json": str(number).encode() for number in range(20)})
    second = _write(hub, repo_id, {"3.json": b"changed", "new.json": b"new"})
    with cutting_proxy(hub_server.port, cut=lambda line: False) as proxy:
        for commit, downloads in ((first, 20), (second, 22), (second, 22)):
            reader = Hub(endpoint=proxy.endpoint, token=hub_server.token, blobs=store.request_files)
            files = {file.path: file.content for file in reader.read_json_files(repo_id, commit=commit)}
            assert sum("/resolve/" in line for line in proxy.requests) == downloads
    assert (len(files), files["3.json"], files["4.json"]) == (21, b"changed", b"4")


def test_a_file_that_is_too_large_is_marked_and_not_read(hub, new_dataset):
    repo_id = new_dataset()
    commit = _write(hub, repo_id, {"big.json": b"x" * 101, "small.json": b"x" * 100})
    big, small = hub.read_json_files(repo_id, commit=commit, max_bytes=100)
    assert (big.too_large, big.content, len(big.oid)) == (True, b"", 40)
    assert (small.too_large, len(small.content)) == (False, 100)


def test_an_empty_file_is_not_a_large_one(hub, new_dataset):
    repo_id = new_dataset()
    commit = _write(hub, repo_id, {"empty.json": b""})
    (file,) = hub.read_json_files(repo_id, commit=commit)
    assert (file.content, file.too_large) == (b"", False)


def test_a_missing_file_is_none_and_a_missing_repository_is_an_error(hub, new_dataset):
    repo_id = new_dataset()
    commit = _write(hub, repo_id, {"org/a b?#é.json": b"1"})
    assert hub.read_file(repo_id, "org/a b?#é.json", commit=commit) == b"1"
    assert hub.read_file(repo_id, "org/none.json", commit=commit) is None
    with pytest.raises(HubNotFoundError) as raised:
        hub.read_file(repo_id, "org/a.json", commit="f" * 40)
    assert raised.value.what == "revision"
    for call in (
        lambda: hub.read_file("nobody/none", "a", commit="f" * 40),
        lambda: hub.head("nobody/none"),
        lambda: hub.head("not a name"),
        lambda: hub.list_paths("nobody/none", commit="main"),
        lambda: hub.commit_files("nobody/none", {"a": b""}, message="m", parent_commit="f" * 40),
    ):
        with pytest.raises(HubNotFoundError) as raised:
            call()
        assert raised.value.what == "repository"


def test_paths_are_listed_by_prefix(hub, new_dataset):
    repo_id = new_dataset()
    commit = _write(hub, repo_id, {"a/b/c": b"", "a/bd": b"", "a/e": b"", "f": b""})
    assert hub.list_paths(repo_id, commit=commit) == ["a/b/c", "a/bd", "a/e", "f"]
    assert hub.list_paths(repo_id, commit=commit, prefix="a/b") == ["a/b/c", "a/bd"]
    assert hub.list_paths(repo_id, commit=commit, prefix="a/b/") == ["a/b/c"]
    assert hub.list_paths(repo_id, commit=commit, prefix="none/x") == []


def test_a_commit_on_a_stale_parent_is_refused_though_it_would_change_nothing(hub, new_dataset):
    """The Hub's client alone would call this a success."""
    repo_id = new_dataset()
    parent = hub.head(repo_id)
    hub.commit_files(repo_id, {"claim.json": b"mine"}, message="Claim", parent_commit=parent)
    with pytest.raises(StaleCommitError, match="412"):
        hub.commit_files(repo_id, {"claim.json": b"mine"}, message="Claim", parent_commit=parent)


def test_unchanged_files_are_sent_all_the_same(hub_server, hub, new_dataset):
    repo_id = new_dataset()
    head = _write(hub, repo_id, {"a": b"1"})
    with cutting_proxy(hub_server.port, cut=lambda line: False) as proxy:
        writer = Hub(endpoint=proxy.endpoint, token=hub_server.token)
        made = writer.commit_files(repo_id, {"a": b"1"}, message="Same", parent_commit=head)
        assert made == hub.head(repo_id) != head
        assert any("/commit/main" in line for line in proxy.requests)


def test_concurrent_writers_lose_no_change(hub, new_dataset):
    repo_id = new_dataset()
    _write(hub, repo_id, {"counter": b"0"})
    barrier = threading.Barrier(3)

    def write(_number):
        barrier.wait()
        done = 0
        while done < 4:
            head = hub.head(repo_id)
            value = int(hub.read_file(repo_id, "counter", commit=head))
            try:
                hub.commit_files(
                    repo_id, {"counter": b"%d" % (value + 1)}, message="Count", parent_commit=head
                )
                done += 1
            except StaleCommitError:
                continue

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, range(3)))
    assert hub.read_file(repo_id, "counter", commit=hub.head(repo_id)) == b"12"


def test_a_commit_whose_answer_is_lost_is_made_once_and_reported(hub_server, hub, api, new_dataset):
    repo_id = new_dataset()
    parent = hub.head(repo_id)
    with cutting_proxy(hub_server.port, cut=lambda line: b"/commit/" in line, times=1) as proxy:
        writer = Hub(endpoint=proxy.endpoint, token=hub_server.token)
        made = writer.commit_files(repo_id, {"a": b"1"}, message="Once", parent_commit=parent)
        assert proxy.cuts == 1
    assert made == hub.head(repo_id)
    assert len(api.list_repo_commits(repo_id, repo_type="dataset")) == 2


def test_a_lost_answer_is_found_behind_another_writers_commit(hub_server, hub, api, new_dataset):
    repo_id = new_dataset()
    parent = hub.head(repo_id)
    posts = itertools.count()

    def other_writer_comes_first(line):
        if b"/commit/" in line and next(posts) == 0:
            _write(hub, repo_id, {"b": b"2"}, message="Other")
            return True
        return False

    with cutting_proxy(hub_server.port, cut=other_writer_comes_first) as proxy:
        writer = Hub(endpoint=proxy.endpoint, token=hub_server.token)
        made = writer.commit_files(repo_id, {"a": b"1"}, message="Once", parent_commit=parent)
    commits = [commit.commit_id for commit in api.list_repo_commits(repo_id, repo_type="dataset")]
    assert commits[1] == made
    assert len(commits) == 3


def test_a_commit_of_fifty_changes_has_a_summary_and_a_list_within_the_hubs_limits(hub, api, new_dataset):
    repo_id = new_dataset()
    lines = [f"RUNNING organisation/{'long-name-' * 8}{number}.json" for number in range(50)]
    message = "\n".join([f"{lines[0] * 3} (and 49 more)", "", *(f"- {line}" for line in lines)])

    _write(hub, repo_id, {"a": b"1"}, message=message)

    newest = api.list_repo_commits(repo_id, repo_type="dataset")[0]
    shown = [line for line in newest.message.splitlines() if line.startswith("- ")]
    assert newest.title == message[:199] + "…"
    assert shown == [f"- {line}" for line in lines[: len(shown)]]
    assert 10 < len(shown) < 50


@pytest.mark.parametrize("path", ["../x", "/x", ".", ".git/x"])
def test_a_path_that_is_none_is_refused_before_anything_is_sent(hub, new_dataset, path):
    repo_id = new_dataset()
    with pytest.raises(HubError, match="cannot be written"):
        _write(hub, repo_id, {path: b""})


def test_a_dataset_is_created_once_and_never_public_by_mistake(hub, api):
    for _ in range(2):
        hub.ensure_dataset("demo/details", private=True)
    assert api.dataset_info("demo/details").private
    hub.ensure_dataset("demo/details", private=False)
    hub.ensure_dataset("demo/open", private=False)
    with pytest.raises(HubError, match="public"):
        hub.ensure_dataset("demo/open", private=True)


def test_anonymous_means_anonymous_whatever_the_environment_holds(hub_server, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", hub_server.token)
    hub.ensure_dataset("demo/hidden", private=True)
    with pytest.raises(HubNotFoundError):
        Hub(endpoint=hub_server.endpoint, token=None).head("demo/hidden")


def test_addresses_which_may_be_signed_are_not_logged(hub, new_dataset, caplog):
    repo_id = new_dataset()
    with caplog.at_level(logging.INFO):
        hub.head(repo_id)
    assert [record.name for record in caplog.records if "http://" in record.getMessage()] == []
