"""Commits: one at a time, none lost, none twice."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import httpx2
import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi
from huggingface_hub.errors import BadRequestError, EntryNotFoundError, HfHubHTTPError

from tests.fixtures.hub_server import cutting_proxy


def _commit(api, repo_id, files, *, message="Write", parent=None):
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    return api.create_commit(
        repo_id, operations, commit_message=message, repo_type="dataset", parent_commit=parent
    ).oid


def _read(api, repo_id, path, commit):
    url = f"{api.endpoint}/datasets/{repo_id}/resolve/{commit}/{path}"
    return httpx.get(url, headers={"Authorization": f"Bearer {api.token}"}).content


def _count(api, repo_id):
    return len(api.list_repo_commits(repo_id, repo_type="dataset"))


def test_a_stale_parent_is_refused(api, new_repo):
    repo_id = new_repo()
    first = _commit(api, repo_id, {"a": b"1"})
    second = _commit(api, repo_id, {"a": b"2"}, parent=first[:10])
    with pytest.raises(HfHubHTTPError) as raised:
        _commit(api, repo_id, {"a": b"3"}, parent=first)
    assert raised.value.response.status_code == 412
    assert api.dataset_info(repo_id).sha == second


def test_a_commit_is_applied_whole_or_not_at_all(api, new_repo):
    repo_id = new_repo()
    head = _commit(api, repo_id, {"a": b"1"})
    with pytest.raises(EntryNotFoundError):
        api.create_commit(
            repo_id,
            [CommitOperationAdd("b", b"2"), CommitOperationDelete("missing")],
            commit_message="Half",
            repo_type="dataset",
        )
    assert api.dataset_info(repo_id).sha == head
    assert api.list_repo_files(repo_id, repo_type="dataset") == ["a"]


def test_operations_add_delete_and_copy(api, new_repo):
    repo_id = new_repo()
    _commit(api, repo_id, {"a/b/c": b"1", "a/d": b"2", "e": b"3"})
    api.create_commit(
        repo_id,
        [
            CommitOperationDelete("a/b/", is_folder=True),
            CommitOperationDelete("e"),
            CommitOperationCopy("a/d", "copied/d"),
            CommitOperationAdd("e/now-a-directory", b"4"),
        ],
        commit_message="Mix",
        repo_type="dataset",
    )
    files = api.list_repo_files(repo_id, repo_type="dataset")
    assert sorted(files) == ["a/d", "copied/d", "e/now-a-directory"]


@pytest.mark.parametrize("path", ["a", "a/b/c/d"])
def test_a_file_does_not_take_a_directory_s_place_nor_the_reverse(api, new_repo, path):
    repo_id = new_repo()
    _commit(api, repo_id, {"a/b/c": b"1"})
    with pytest.raises(BadRequestError):
        _commit(api, repo_id, {path: b"2"})


def test_hashes_are_git_s(api, new_repo, tmp_path):
    import shutil
    import subprocess

    git = shutil.which("git")
    if git is None:
        pytest.skip("no git here")
    repo_id = new_repo()
    files = {"a.txt": b"1", "a/x": b"2", "a-b": b"3", "z/y/x": b"4", "é": b"5"}
    _commit(api, repo_id, files)
    for path, content in files.items():
        # Git could not have both a.txt and a/ on some systems, but here it can.
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    subprocess.run([git, "init", "-q", "."], cwd=tmp_path, check=True)
    subprocess.run([git, "add", "."], cwd=tmp_path, check=True)
    expected = subprocess.run(
        [git, "ls-files", "-z", "-s"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    tree = subprocess.run(
        [git, "write-tree", "--prefix=a"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    listed = {item.path: item for item in api.list_repo_tree(repo_id, recursive=True, repo_type="dataset")}
    for line in expected.stdout.rstrip("\0").split("\0"):
        meta, path = line.split("\t")
        assert listed[path].blob_id == meta.split()[1]
    assert listed["a"].tree_id == tree.stdout.strip()


def test_a_commit_that_changes_nothing_is_a_commit(api, hub_server, new_repo):
    repo_id = new_repo()
    head = _commit(api, repo_id, {"a": b"1"})
    lines = [
        {"key": "header", "value": {"summary": "again"}},
        {"key": "file", "value": {"path": "a", "content": "MQ==", "encoding": "base64"}},
    ]
    response = httpx.post(
        f"{hub_server.endpoint}/api/datasets/{repo_id}/commit/main",
        content="\n".join(map(json.dumps, lines)),
        headers={"Authorization": f"Bearer {hub_server.token}"},
    )
    assert response.json()["commitOid"] == api.dataset_info(repo_id).sha != head
    assert _count(api, repo_id) == 3


def test_two_writers_never_lose_a_change_of_one_file(hub_server, api, new_repo):
    """Each adds one to the same counter, with the same message: only compare-and-swap keeps the sum."""
    repo_id = new_repo()
    _commit(api, repo_id, {"counter": b"0"})
    rounds, writers = 8, 3
    barrier = threading.Barrier(writers)

    def write(_writer):
        barrier.wait()
        done = 0
        while done < rounds:
            head = api.dataset_info(repo_id).sha
            value = int(_read(api, repo_id, "counter", head))
            try:
                _commit(api, repo_id, {"counter": str(value + 1).encode()}, message="Count", parent=head)
            except HfHubHTTPError as error:
                if error.response.status_code != 412:
                    raise
            else:
                done += 1

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    head = api.dataset_info(repo_id).sha
    assert int(_read(api, repo_id, "counter", head)) == rounds * writers
    assert _count(api, repo_id) == rounds * writers + 2


def test_writers_without_a_parent_keep_each_other_s_files(api, new_repo):
    repo_id = new_repo()
    with ThreadPoolExecutor(6) as pool:
        oids = list(pool.map(lambda n: _commit(api, repo_id, {f"f{n}": b"x"}), range(18)))
    assert len(set(oids)) == 18
    assert len(api.list_repo_files(repo_id, repo_type="dataset")) == 18


def test_a_commit_whose_answer_was_lost_meets_itself_as_a_conflict(hub_server, new_repo, api):
    repo_id = new_repo()
    parent = _commit(api, repo_id, {"a": b"1"})
    with cutting_proxy(hub_server.port, cut=lambda head: b"/commit/" in head) as proxy:
        cut_api = HfApi(endpoint=proxy.endpoint, token=hub_server.token)
        with pytest.raises(httpx2.RemoteProtocolError):
            _commit(cut_api, repo_id, {"a": b"2"}, parent=parent)
    applied = api.dataset_info(repo_id).sha
    assert applied != parent
    with pytest.raises(HfHubHTTPError) as raised:
        _commit(api, repo_id, {"a": b"2"}, parent=parent)
    assert raised.value.response.status_code == 412
    assert api.dataset_info(repo_id).sha == applied


def test_a_commit_without_a_parent_whose_answer_was_lost_is_made_twice(hub_server, new_repo, api):
    repo_id = new_repo()
    _commit(api, repo_id, {"a": b"1"})
    with cutting_proxy(hub_server.port, cut=lambda head: b"/commit/" in head) as proxy:
        cut_api = HfApi(endpoint=proxy.endpoint, token=hub_server.token)
        with pytest.raises(httpx2.RemoteProtocolError):
            _commit(cut_api, repo_id, {"a": b"2"})
    _commit(api, repo_id, {"a": b"2"})
    assert _count(api, repo_id) == 4


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        ([], "header"),
        ([{"key": "file", "value": {"path": "a", "content": ""}}], "header"),
        ([{"key": "header", "value": {"summary": "s"}}, {"key": "lfsFile", "value": {"path": "a"}}], "LFS"),
        ([{"key": "header", "value": {"summary": "s"}}, {"key": "other", "value": {}}], "other"),
        ([{"key": "header", "value": {"summary": ""}}], "summary"),
        ([{"key": "header", "value": {"summary": "s", "parentCommit": "xyz"}}], "parentCommit"),
        (
            [
                {"key": "header", "value": {"summary": "s"}},
                {"key": "file", "value": {"path": "a", "content": "!!", "encoding": "base64"}},
            ],
            "base64",
        ),
    ],
)
def test_a_malformed_commit_says_what_is_wrong(hub_server, new_repo, lines, word):
    response = httpx.post(
        f"{hub_server.endpoint}/api/datasets/{new_repo()}/commit/main",
        content="\n".join(map(json.dumps, lines)),
        headers={"Authorization": f"Bearer {hub_server.token}"},
    )
    assert response.status_code == 400
    assert word in response.json()["error"]
