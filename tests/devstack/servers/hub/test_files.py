"""Files, listed and downloaded by the real client."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, HfFileSystem
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError


def _commit(api, repo_id, files, *, repo_type="dataset", message="Write"):
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    return api.create_commit(repo_id, operations, commit_message=message, repo_type=repo_type).oid


def _git_oid(data):
    return hashlib.sha1(b"blob %d\0%s" % (len(data), data)).hexdigest()


def test_a_snapshot_at_a_commit_is_that_commit_s_files(api, new_repo, tmp_path):
    repo_id = new_repo()
    first = _commit(api, repo_id, {"a/b.json": b"1", "é è+%#?.txt": "é".encode(), "empty": b""})
    _commit(api, repo_id, {"a/b.json": b"2"})
    folder = api.snapshot_download(repo_id, repo_type="dataset", revision=first, local_dir=tmp_path)
    assert folder
    assert (tmp_path / "a/b.json").read_bytes() == b"1"
    assert (tmp_path / "é è+%#?.txt").read_text() == "é"
    assert (tmp_path / "empty").read_bytes() == b""
    latest = api.snapshot_download(repo_id, repo_type="dataset", cache_dir=tmp_path / "cache")
    assert "/snapshots/" in latest


def test_every_suffix_is_kept_as_an_ordinary_file(api, new_repo, tmp_path):
    repo_id = new_repo()
    files = {
        name: name.encode() * 100 for name in ("x.parquet", "x.safetensors", "x.bin", "x.zip", ".gitignore")
    }
    _commit(api, repo_id, files)
    for name, content in files.items():
        path = api.hf_hub_download(repo_id, name, repo_type="dataset", cache_dir=tmp_path)
        assert Path(path).read_bytes() == content


def test_upload_file_and_folder_work(api, new_repo, tmp_path):
    repo_id = new_repo()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/x.txt").write_text("x")
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n")
    api.upload_folder(repo_id=repo_id, folder_path=tmp_path, repo_type="dataset")
    api.upload_file(path_or_fileobj=b"y", path_in_repo="y.txt", repo_id=repo_id, repo_type="dataset")
    assert sorted(api.list_repo_files(repo_id, repo_type="dataset")) == ["README.md", "sub/x.txt", "y.txt"]
    api.delete_folder("sub", repo_id, repo_type="dataset")
    api.delete_file("y.txt", repo_id, repo_type="dataset")
    assert api.list_repo_files(repo_id, repo_type="dataset") == ["README.md"]


def test_a_tree_lists_directories_sizes_hashes_and_last_commits(api, new_repo):
    repo_id = new_repo()
    first = _commit(api, repo_id, {"a/one": b"1", "b/two": b"22"}, message="First")
    second = _commit(api, repo_id, {"a/three": b"333"}, message="Second")
    entries = {entry.path: entry for entry in api.list_repo_tree(repo_id, repo_type="dataset", expand=True)}
    assert {path: entry.last_commit.oid for path, entry in entries.items()} == {"a": second, "b": first}
    files = {
        entry.path: (entry.size, entry.blob_id)
        for entry in api.list_repo_tree(repo_id, "a", repo_type="dataset")
    }
    assert files == {"a/one": (1, _git_oid(b"1")), "a/three": (3, _git_oid(b"333"))}
    below = api.list_repo_tree(repo_id, "a", repo_type="dataset", expand=True)
    assert {entry.path: entry.last_commit.title for entry in below} == {"a/one": "First", "a/three": "Second"}
    with pytest.raises(EntryNotFoundError):
        list(api.list_repo_tree(repo_id, "missing", repo_type="dataset"))


def test_long_lists_go_on_over_pages(api, new_repo):
    repo_id = new_repo()
    _commit(api, repo_id, {f"d{number % 7}/f{number}.json": str(number).encode() for number in range(1500)})
    files = api.list_repo_files(repo_id, repo_type="dataset")
    assert len(files) == len(set(files)) == 1500
    assert len(list(api.list_repo_tree(repo_id, recursive=True, expand=True, repo_type="dataset"))) == 1507


def test_paths_info_leaves_missing_paths_out(api, new_repo):
    repo_id = new_repo()
    _commit(api, repo_id, {"a/one": b"1", "ü?": b"2"})
    infos = api.get_paths_info(repo_id, ["a", "a/one", "ü?", "none"], repo_type="dataset", expand=True)
    assert [info.path for info in infos] == ["a", "a/one", "ü?"]
    assert all(info.last_commit for info in infos)


def test_a_missing_file_is_recognised(api, new_repo, tmp_path):
    repo_id = new_repo()
    assert not api.file_exists(repo_id, "none", repo_type="dataset")
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download(repo_id, "none", repo_type="dataset", cache_dir=tmp_path)


def test_a_file_system_reads_ranges(api, new_repo, hub_server):
    repo_id = new_repo()
    content = bytes(range(256)) * 40
    _commit(api, repo_id, {"data/x.bin": content})
    files = HfFileSystem(endpoint=hub_server.endpoint, token=hub_server.token, skip_instance_cache=True)
    root = f"datasets/{repo_id}"
    assert files.ls(f"{root}/data", detail=False) == [f"{root}/data/x.bin"]
    assert files.read_bytes(f"{root}/data/x.bin") == content
    with files.open(f"{root}/data/x.bin", block_size=64) as file:
        file.seek(1000)
        assert file.read(10) == content[1000:1010]


@pytest.mark.parametrize(
    ("header", "status", "body", "content_range"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-30", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=5-100", 206, b"56789", "bytes 5-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=-", 200, b"0123456789", None),
        ("bytes=4-2", 200, b"0123456789", None),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
    ],
)
def test_ranges_follow_the_standard(api, hub_server, header, status, body, content_range):
    repo_id = api.create_repo("demo/ranges", repo_type="dataset", exist_ok=True).repo_id
    _commit(api, repo_id, {"digits": b"0123456789"})
    url = f"{hub_server.endpoint}/datasets/{repo_id}/resolve/main/digits"
    response = httpx.get(url, headers={"Range": header})
    assert response.status_code == status
    assert response.headers.get("content-range") == content_range
    assert body is None or response.content == body


def test_head_describes_what_get_would_send(api, hub_server, new_repo):
    repo_id = new_repo()
    oid = _commit(api, repo_id, {"x.html": b"<script>1</script>"})
    response = httpx.head(f"{hub_server.endpoint}/datasets/{repo_id}/resolve/main/x.html")
    assert response.headers["x-repo-commit"] == oid
    assert response.headers["etag"] == f'"{_git_oid(b"<script>1</script>")}"'
    assert response.headers["content-length"] == "18"
    assert response.headers["content-type"].startswith("text/plain")


def test_safetensors_metadata_is_read_and_counted(api, new_repo):
    repo_id = new_repo("model")
    header = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "w": {"dtype": "BF16", "shape": [10, 20], "data_offsets": [0, 400]},
            "b": {"dtype": "F32", "shape": [], "data_offsets": [400, 404]},
        }
    ).encode()
    content = struct.pack("<Q", len(header)) + header + bytes(404)
    _commit(
        api,
        repo_id,
        {"model.safetensors": content, "config.json": b'{"model_type": "llama"}'},
        repo_type="model",
    )
    assert api.get_safetensors_metadata(repo_id).parameter_count == {"BF16": 200, "F32": 1}
    info = api.model_info(repo_id)
    assert (info.safetensors.total, info.safetensors.parameters) == (201, {"BF16": 200, "F32": 1})
    assert info.config == {"model_type": "llama"}


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 8, struct.pack("<Q", 5) + b"[1,2]", struct.pack("<Q", 2) + b"{"]
)
def test_broken_safetensors_never_break_the_info(api, new_repo, content):
    repo_id = new_repo("model")
    _commit(api, repo_id, {"model.safetensors": content, "config.json": b"[" * 10_000}, repo_type="model")
    info = api.model_info(repo_id)
    assert info.safetensors is None
    assert info.config is None


HOSTILE = [
    "../x",
    "/etc/passwd",
    "a/../../b",
    "a//b",
    "./a",
    "a\0b",
    ".git/config",
    "a/.GIT/x",
    "a\\b",
    "",
    "x" * 1025,
    "a\nb",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_a_hostile_path_is_refused_in_a_commit(api, hub_server, path):
    repo_id = api.create_repo("demo/hostile", repo_type="dataset", exist_ok=True).repo_id
    before = api.dataset_info(repo_id).sha
    url = f"{hub_server.endpoint}/api/datasets/{repo_id}"
    token = {"Authorization": f"Bearer {hub_server.token}"}
    lines = [
        {"key": "header", "value": {"summary": "s"}},
        {"key": "file", "value": {"path": path, "content": "eA==", "encoding": "base64"}},
    ]
    response = httpx.post(f"{url}/commit/main", content="\n".join(map(json.dumps, lines)), headers=token)
    assert response.status_code == 400, response.text
    response = httpx.post(f"{url}/preupload/main", json={"files": [{"path": path, "size": 1}]}, headers=token)
    assert response.status_code == 400, response.text
    assert api.dataset_info(repo_id).sha == before


@pytest.mark.parametrize(
    "path", ["..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", "a%00b", "%ff%fe", "a/%2e%2e/b"]
)
def test_a_hostile_path_is_refused_in_a_download(api, hub_server, path):
    api.create_repo("demo/hostile", repo_type="dataset", exist_ok=True)
    for url in (
        "datasets/demo/hostile/resolve/main/",
        "api/datasets/demo/hostile/tree/main/",
        "datasets/demo/hostile/blob/main/",
    ):
        # Not through a client that tidies the path.
        response = httpx.request("GET", f"{hub_server.endpoint}/{url}{path}")
        assert response.status_code in {400, 404}, (url, response.text)
        assert "root:" not in response.text


def test_a_file_over_the_limit_is_refused_before_it_is_sent(api, hub_server, new_repo, monkeypatch):
    from devstack.servers.hub import api as routes
    from devstack.servers.hub import commits

    monkeypatch.setattr(routes, "MAX_FILE_BYTES", 1000)
    monkeypatch.setattr(commits, "MAX_FILE_BYTES", 1000)
    repo_id = new_repo()
    with pytest.raises(HfHubHTTPError) as raised:
        _commit(api, repo_id, {"big": b"x" * 1001})
    assert raised.value.response.status_code == 413
    _commit(api, repo_id, {"fits": b"x" * 1000})


def test_a_commit_over_the_limit_is_refused(hub_server, new_repo, monkeypatch):
    from devstack.servers.hub import commits

    monkeypatch.setattr(commits, "MAX_COMMIT_BYTES", 1000)
    response = httpx.post(
        f"{hub_server.endpoint}/api/datasets/{new_repo()}/commit/main",
        content=b" " * 2000,
        headers={"Authorization": f"Bearer {hub_server.token}"},
    )
    assert response.status_code == 413
    assert "1000" in response.json()["error"]
