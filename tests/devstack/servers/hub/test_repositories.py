"""Repositories as wholes, asked of by the real client."""

from __future__ import annotations

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import (
    BadRequestError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)


def _put(api, repo_id, path="a.txt", content=b"a", **options):
    return api.create_commit(
        repo_id,
        [CommitOperationAdd(path, content)],
        commit_message=f"Write {path}",
        repo_type=options.pop("repo_type", "dataset"),
        **options,
    )


def test_the_client_learns_who_it_is(api):
    assert api.whoami()["name"] == "palmares-demo"


def test_a_wrong_token_is_told_apart_from_a_missing_repository(hub_server, new_repo):
    repo_id = new_repo()
    stranger = HfApi(endpoint=hub_server.endpoint, token="hf_wrong")
    with pytest.raises(HfHubHTTPError) as raised:
        stranger.dataset_info(repo_id)
    assert raised.value.response.status_code == 401
    assert not isinstance(raised.value, RepositoryNotFoundError)


@pytest.mark.parametrize(("repo_type", "prefix"), [("dataset", "datasets/"), ("model", "")])
def test_a_new_repository_has_an_address_on_the_client_s_endpoint(api, hub_server, repo_type, prefix):
    url = api.create_repo(f"demo/fresh-{repo_type}", repo_type=repo_type)
    assert str(url) == f"{hub_server.endpoint}/{prefix}demo/fresh-{repo_type}"
    assert url.repo_id == f"demo/fresh-{repo_type}"


def test_addresses_carry_the_host_name_that_the_client_used(hub_server, new_repo):
    repo_id = new_repo()
    local = HfApi(endpoint=f"http://localhost:{hub_server.port}", token=hub_server.token)
    assert _put(local, repo_id).commit_url.startswith(f"http://localhost:{hub_server.port}/datasets/")


def test_an_endpoint_with_a_trailing_slash_works(hub_server, new_repo):
    repo_id = new_repo()
    assert HfApi(endpoint=f"{hub_server.endpoint}/", token=hub_server.token).dataset_info(repo_id).sha


def test_creating_a_repository_twice_is_a_conflict_unless_that_is_accepted(api, new_repo):
    repo_id = new_repo()
    with pytest.raises(HfHubHTTPError) as raised:
        api.create_repo(repo_id, repo_type="dataset")
    assert raised.value.response.status_code == 409
    assert api.create_repo(repo_id, repo_type="dataset", exist_ok=True).repo_id == repo_id
    assert api.create_repo(repo_id.upper(), repo_type="dataset", exist_ok=True)


@pytest.mark.parametrize("name", ["../../etc", "..", "a b", "x" * 97, "-a", "a..b", "a.git", "a\n", "é"])
def test_a_name_that_is_none_is_refused(hub_server, name):
    response = httpx.post(
        f"{hub_server.endpoint}/api/repos/create",
        json={"name": name, "organization": "demo", "type": "dataset"},
        headers={"Authorization": f"Bearer {hub_server.token}"},
    )
    assert response.status_code == 400
    assert response.json()["error"]


def test_a_stranger_creates_nothing(stranger):
    with pytest.raises(HfHubHTTPError) as raised:
        stranger.create_repo("demo/by-stranger", repo_type="dataset")
    assert raised.value.response.status_code == 401


def test_an_unknown_repository_is_recognised(api, stranger):
    for client in (api, stranger):
        with pytest.raises(RepositoryNotFoundError):
            client.model_info("nobody/nothing")
        with pytest.raises(RepositoryNotFoundError):
            client.model_info("gpt2")
        with pytest.raises(RepositoryNotFoundError):
            client.list_repo_files("nobody/nothing", repo_type="dataset")
        assert not client.repo_exists("nobody/nothing")


def test_a_private_repository_looks_missing_to_strangers(api, stranger, new_repo):
    repo_id = new_repo(private=True)
    _put(api, repo_id)
    assert api.dataset_info(repo_id).private
    with pytest.raises(RepositoryNotFoundError):
        stranger.dataset_info(repo_id)
    with pytest.raises(RepositoryNotFoundError):
        stranger.hf_hub_download(repo_id, "a.txt", repo_type="dataset")
    with pytest.raises(RepositoryNotFoundError):
        _put(stranger, repo_id, "b.txt")
    assert repo_id in [info.id for info in api.list_datasets(author="demo")]
    assert repo_id not in [info.id for info in stranger.list_datasets(author="demo")]
    api.update_repo_settings(repo_id, repo_type="dataset", private=False)
    assert stranger.dataset_info(repo_id).sha


def test_a_gated_repository_opens_to_its_owner_and_to_granted_users_only(api, stranger, new_repo, tmp_path):
    repo_id = new_repo("model", namespace="closed-lab")
    _put(api, repo_id, "config.json", b"{}", repo_type="model")
    api.update_repo_settings(repo_id, gated="manual")
    assert api.model_info(repo_id).gated == "manual"
    for client in (api, stranger):
        with pytest.raises(GatedRepoError):
            client.hf_hub_download(repo_id, "config.json", cache_dir=tmp_path)
        with pytest.raises(GatedRepoError):
            client.auth_check(repo_id)
    api.grant_access(repo_id, "palmares-demo")
    assert api.hf_hub_download(repo_id, "config.json", cache_dir=tmp_path)
    with pytest.raises(GatedRepoError):
        stranger.hf_hub_download(repo_id, "config.json", cache_dir=tmp_path / "other")
    api.update_repo_settings(repo_id, gated=False)
    assert stranger.hf_hub_download(repo_id, "config.json", cache_dir=tmp_path / "other")


def test_the_owner_of_a_gated_repository_needs_no_grant(api, new_repo, tmp_path):
    repo_id = new_repo("model", namespace="palmares-demo")
    _put(api, repo_id, repo_type="model")
    api.update_repo_settings(repo_id, gated="auto")
    assert api.hf_hub_download(repo_id, "a.txt", cache_dir=tmp_path)


def test_a_deleted_repository_is_gone(api, new_repo):
    repo_id = new_repo()
    api.delete_repo(repo_id, repo_type="dataset")
    assert not api.repo_exists(repo_id, repo_type="dataset")
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo(repo_id, repo_type="dataset")
    api.delete_repo(repo_id, repo_type="dataset", missing_ok=True)


def test_a_moved_repository_keeps_its_files(api, new_repo):
    repo_id = new_repo()
    oid = _put(api, repo_id).oid
    api.move_repo(repo_id, "demo/moved", repo_type="dataset")
    assert api.dataset_info("demo/moved").sha == oid


def test_a_model_and_a_dataset_may_share_a_name(api):
    for repo_type in ("model", "dataset"):
        api.create_repo("demo/shared", repo_type=repo_type)
    _put(api, "demo/shared", repo_type="model")
    assert "a.txt" not in api.list_repo_files("demo/shared", repo_type="dataset")


def test_info_describes_files_and_card(api, new_repo):
    repo_id = new_repo()
    card = b"---\nlicense: apache-2.0\ntags: [bench]\n---\n# Title\n"
    oid = _put(api, repo_id, "README.md", card).oid
    info = api.dataset_info(repo_id, files_metadata=True)
    assert (info.id, info.author, info.sha, info.gated) == (repo_id, "demo", oid, False)
    assert info.card_data.license == "apache-2.0"
    assert info.tags == ["bench", "license:apache-2.0"]
    assert [(file.rfilename, file.size) for file in info.siblings] == [("README.md", len(card))]
    assert info.created_at <= info.last_modified
    expanded = api.dataset_info(repo_id, expand=["sha", "likes"])
    assert (expanded.sha, expanded.likes, expanded.siblings) == (oid, 0, None)


@pytest.mark.parametrize(
    "front",
    [
        "a: &x [1]\nb: *x",
        "a: [",
        "- 1",
        "a: .nan",
        "? {a: 1}\n: 2",
        "d: 2020-01-01",
        "a: !!python/object:os.system x",
    ],
)
def test_a_strange_card_never_breaks_the_info(api, new_repo, front):
    repo_id = new_repo()
    _put(api, repo_id, "README.md", f"---\n{front}\n---\n".encode())
    assert api.dataset_info(repo_id).id == repo_id


def test_lists_go_on_over_pages(api, new_repo):
    made = [new_repo(namespace="many") for _ in range(5)]
    listed = [info.id for info in api.list_datasets(author="many")]
    assert sorted(listed) == sorted(made)
    assert [info.id for info in api.list_datasets(search=made[2])] == [made[2]]


def test_branches_and_tags_name_commits(api, new_repo):
    repo_id = new_repo()
    first = _put(api, repo_id).oid
    api.create_branch(repo_id, repo_type="dataset", branch="exp/one")
    api.create_tag(repo_id, repo_type="dataset", tag="v1", tag_message="first", revision=first[:8])
    second = _put(api, repo_id, "b.txt", revision="exp/one").oid
    refs = api.list_repo_refs(repo_id, repo_type="dataset")
    assert {branch.name: branch.target_commit for branch in refs.branches} == {
        "main": first,
        "exp/one": second,
    }
    assert {tag.name: tag.target_commit for tag in refs.tags} == {"v1": first}
    assert api.dataset_info(repo_id, revision="exp/one").sha == second
    assert api.dataset_info(repo_id, revision="refs/heads/exp/one").sha == second
    assert api.dataset_info(repo_id, revision="v1").sha == first
    with pytest.raises(HfHubHTTPError):
        api.create_branch(repo_id, repo_type="dataset", branch="exp/one")
    api.create_branch(repo_id, repo_type="dataset", branch="exp/one", exist_ok=True)
    api.delete_branch(repo_id, repo_type="dataset", branch="exp/one")
    api.delete_tag(repo_id, repo_type="dataset", tag="v1")
    with pytest.raises(RevisionNotFoundError):
        api.dataset_info(repo_id, revision="exp/one")
    with pytest.raises(HfHubHTTPError):
        api.delete_branch(repo_id, repo_type="dataset", branch="main")


def test_an_unknown_revision_is_recognised(api, new_repo):
    repo_id = new_repo()
    assert api.revision_exists(repo_id, "main", repo_type="dataset")
    assert not api.revision_exists(repo_id, "refs/pr/1", repo_type="dataset")
    with pytest.raises(RevisionNotFoundError):
        api.dataset_info(repo_id, revision="f" * 40)
    with pytest.raises(RevisionNotFoundError):
        api.list_repo_files(repo_id, repo_type="dataset", revision="nope")
    with pytest.raises(RevisionNotFoundError):
        _put(api, repo_id, revision="nope")


def test_history_is_kept_and_paged(api, new_repo):
    repo_id = new_repo()
    oids = [_put(api, repo_id, content=str(number).encode()).oid for number in range(105)]
    commits = api.list_repo_commits(repo_id, repo_type="dataset")
    assert [commit.commit_id for commit in commits][:-1] == oids[::-1]
    assert (commits[0].title, commits[0].authors) == ("Write a.txt", ["palmares-demo"])
    assert commits[-1].title == "initial commit"
    older = api.list_repo_commits(repo_id, repo_type="dataset", revision=oids[1])
    assert [commit.commit_id for commit in older][:2] == [oids[1], oids[0]]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/repos/create"),
        ("DELETE", "/api/repos/delete"),
        ("POST", "/api/repos/move"),
        ("PUT", "/api/datasets/demo/json/settings"),
        ("POST", "/api/datasets/demo/json/preupload/main"),
        ("POST", "/api/datasets/demo/json/commit/main"),
        ("POST", "/api/datasets/demo/json/branch/x"),
        ("POST", "/api/validate-yaml"),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[1]",
        b'{"name": ["x"], "files": 3, "content": {}, "startingPoint": 1, "gated": 5}',
        b"\xff\xfe",
    ],
)
def test_malformed_json_is_answered_in_json(api, hub_server, method, path, body):
    api.create_repo("demo/json", repo_type="dataset", exist_ok=True)
    response = httpx.request(
        method,
        hub_server.endpoint + path,
        content=body,
        headers={"Authorization": f"Bearer {hub_server.token}"},
    )
    assert response.status_code == 400, response.text
    assert response.json()["error"]


def test_an_unknown_type_is_refused(api):
    with pytest.raises(BadRequestError):
        api.create_repo("demo/space", repo_type="space", space_sdk="static")


def test_it_tells_that_it_is_well(hub_server):
    assert httpx.get(f"{hub_server.endpoint}/healthz").json() == {"status": "ok"}
