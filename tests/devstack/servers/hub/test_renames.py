"""A renamed repository, as its readers and writers meet it: the Hub passes them on."""

from __future__ import annotations

import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import RepositoryNotFoundError


@pytest.fixture
def renamed(api: HfApi, request) -> tuple[str, str]:
    """Old and new name of a dataset with one file."""
    old = f"lab/{request.node.name[:60]}"
    api.create_repo(old, repo_type="dataset", private=True)
    api.create_commit(old, [CommitOperationAdd("a.txt", b"1")], commit_message="a", repo_type="dataset")
    api.move_repo(old, f"{old}-new", repo_type="dataset")
    return old, f"{old}-new"


def test_who_asks_for_the_old_name_gets_the_new_one(api, renamed):
    old, new = renamed
    assert api.dataset_info(old).id == new
    assert api.list_repo_files(old, repo_type="dataset") == ["a.txt"]


def test_a_commit_to_the_old_name_lands_in_the_renamed_dataset(api, renamed):
    old, new = renamed
    head = api.dataset_info(old).sha
    api.create_commit(
        old, [CommitOperationAdd("b.txt", b"2")], commit_message="b", repo_type="dataset", parent_commit=head
    )
    assert api.list_repo_files(new, repo_type="dataset") == ["a.txt", "b.txt"]


def test_a_new_repository_takes_the_old_name_over(api, renamed):
    old, new = renamed
    api.create_repo(old, repo_type="dataset")
    assert api.dataset_info(old).id == old
    assert api.dataset_info(new).id == new


def test_a_stranger_learns_nothing_of_a_private_one_by_its_old_name(hub_server, renamed):
    with pytest.raises(RepositoryNotFoundError):
        HfApi(endpoint=hub_server.endpoint, token=False).dataset_info(renamed[0])


def test_a_dataset_is_deleted_by_the_name_it_has(api, renamed):
    old, new = renamed
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo(old, repo_type="dataset")
    api.delete_repo(new, repo_type="dataset")
    with pytest.raises(RepositoryNotFoundError):
        api.dataset_info(old)
