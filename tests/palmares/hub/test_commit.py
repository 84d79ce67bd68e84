"""Commits and what is found of them later, against the embedded Hub."""

from __future__ import annotations

import pytest
from palmares.hub import Hub
from palmares.hub.commit import KEY_PREFIX
from palmares.leaderboard.errors import HubNotFoundError, HubRefusedError, StaleCommitError
from palmares.store.outbox.writer import is_content

from tests.fixtures.hub_server import cutting_proxy


@pytest.fixture
def repo(new_dataset):
    return new_dataset()


def commit(hub: Hub, repo: str, number: int, *, idempotency_key: str | None = None) -> str:
    return hub.commit_files(
        repo,
        {f"{number}.txt": b"%d" % number},
        message=f"m{number}",
        parent_commit=hub.head(repo),
        idempotency_key=idempotency_key,
    )


def test_a_commit_is_found_by_its_mark_and_only_after_its_parent(hub, repo):
    before = hub.head(repo)
    made = commit(hub, repo, 1, idempotency_key="abc")
    later = commit(hub, repo, 2)
    assert hub.find_commit(repo, "abc", since=before) == made
    assert hub.find_commit(repo, "abc", since=made) is None
    assert hub.find_commit(repo, "abd", since=before) is None
    assert later == hub.head(repo)


def test_the_mark_stands_in_the_history_for_people_to_see(hub, repo, api):
    commit(hub, repo, 1, idempotency_key="abc")
    newest = api.list_repo_commits(repo, repo_type="dataset")[0]
    assert (newest.title, newest.message) == ("m1", f"{KEY_PREFIX}abc")


def test_a_lost_commit_is_found_behind_more_than_a_page_of_others(hub, repo):
    before = hub.head(repo)
    made = commit(hub, repo, 0, idempotency_key="deep")
    for number in range(1, 105):
        commit(hub, repo, number)
    assert hub.find_commit(repo, "deep", since=before) == made


def test_only_as_much_of_the_history_is_read_as_is_needed(hub_server, hub, repo):
    for number in range(3):
        commit(hub, repo, number)
    parent = hub.head(repo)
    commit(hub, repo, 4, idempotency_key="near")
    with cutting_proxy(hub_server.port, cut=lambda _: False) as proxy:
        assert Hub(endpoint=proxy.endpoint, token=hub_server.token).find_commit(repo, "near", since=parent)
        assert [line for line in proxy.requests if "/commits/" in line] == proxy.requests
        assert len(proxy.requests) == 1


def test_the_history_of_a_dataset_that_is_gone_is_not_found(hub):
    with pytest.raises(HubNotFoundError):
        hub.find_commit("demo/gone", "abc", since="a" * 40)


def test_a_commit_whose_answer_was_lost_and_that_was_overtaken_since_is_found(hub_server, hub, repo):
    before = hub.head(repo)
    with cutting_proxy(hub_server.port, cut=lambda line: b"/commit/" in line, times=1) as proxy:
        through = Hub(endpoint=proxy.endpoint, token=hub_server.token)
        made = through.commit_files(
            repo, {"x": b"1"}, message="m", parent_commit=before, idempotency_key="lost"
        )
    assert proxy.cuts == 1
    assert hub.find_commit(repo, "lost", since=before) == made
    with pytest.raises(StaleCommitError):
        hub.commit_files(repo, {"x": b"2"}, message="m", parent_commit=before, idempotency_key="other")


def test_contents_are_told_apart_without_reading_them(hub, repo):
    files = {f"folder/{number}.txt": b"%d" % number for number in range(250)}
    head = hub.commit_files(repo, files, message="m", parent_commit=hub.head(repo))
    ids = hub.content_ids(repo, [*files, "missing.txt", "folder"], commit=head)
    assert ids.keys() == files.keys()
    assert all(is_content(content, ids[path]) for path, content in files.items())
    assert not is_content(b"other", ids["folder/1.txt"])
    assert hub.read_files(repo, ["folder/7.txt", "missing.txt"], commit=head) == {"folder/7.txt": b"7"}


@pytest.mark.parametrize("path", ["/absolute", "a/../b", ".git/config"])
def test_a_path_that_the_client_does_not_take_is_refused_as_content(hub, repo, path):
    with pytest.raises(HubRefusedError) as refused:
        hub.commit_files(repo, {path: b"x"}, message="m", parent_commit=hub.head(repo))
    assert refused.value.code == "content"
