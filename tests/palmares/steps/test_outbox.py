"""What a task hears of the outbox: written, waiting and why, or never to be written."""

from __future__ import annotations

import logging

import psycopg
import pytest
from palmares.hub import Hub
from palmares.leaderboard.errors import HubError, OutboxWaitError
from palmares.steps.outbox import check_written, outbox_limits, write_everything, write_out
from palmares.steps.reconcile.actions import _what_waits
from palmares.steps.services import Services
from palmares.store.outbox.queue import OutboxEntry


@pytest.fixture
def services(services):
    """The same, with one commit an hour to spend and no long waits for others."""
    hub = services.settings.hub.model_copy(update={"linger_s": 0.1, "longest_linger_s": 1.0})
    settings = services.settings.model_copy(update={"hub": hub})
    return Services(settings=settings, store=services.store, hub=services.hub, raw=services.raw)


def with_hub(services, **changed):
    hub = services.settings.hub.model_copy(update=changed)
    settings = services.settings.model_copy(update={"hub": hub})
    return Services(settings=settings, store=services.store, hub=services.hub, raw=services.raw)


def put(services, path, *, key=None, private=False):
    hub = services.settings.hub
    repo_id = hub.details_repo if private else hub.results_repo
    entry = OutboxEntry(
        key=key or path, repo_id=repo_id, private=private, kind="put", path=path, content=b"{}", message=path
    )
    services.store.outbox.add([entry])
    return repo_id


def test_what_is_committed_is_written(services):
    repo_id = put(services, "a/x.json")
    assert write_out(services, repo_id, shares_commits=True) == [services.hub.head(repo_id)]
    check_written(services, ["a/x.json"])


def test_everything_that_waits_is_written_to_every_repository(services):
    public, private = put(services, "a/x.json"), put(services, "a/y.parquet", private=True)
    assert write_everything(services).keys() == {public, private}
    check_written(services, ["a/x.json", "a/y.parquet"])
    assert write_everything(services) == {}


def test_a_task_that_left_its_files_to_another_comes_again(services):
    repo_id = put(services, "a/x.json")
    with services.store.database.advisory_lock(f"outbox:{repo_id}", timeout_s=1):
        assert write_out(services, repo_id, shares_commits=True) == []
    with pytest.raises(OutboxWaitError, match=r"1 of 1 files wait for .*, to share a commit") as waits:
        check_written(services, ["a/x.json"])
    assert waits.value.retry_after_s == 5


def test_a_used_up_hour_is_no_failure_but_a_wait_that_says_until_when(services, caplog):
    services = with_hub(services, commits_per_hour=1)
    first, second = put(services, "a/x.json"), put(services, "a/y.parquet", private=True)
    assert len(write_out(services, first)) == 1
    with caplog.at_level(logging.WARNING):
        assert write_out(services, second) == []
    assert "all 1 commits of the hour are used" in caplog.text
    check_written(services, ["a/x.json"])
    with pytest.raises(OutboxWaitError, match=r"\[budget\] all 1 commits.*Nothing is lost") as waits:
        check_written(services, ["a/x.json", "a/y.parquet"])
    assert 3500 < (waits.value.retry_after_s or 0) <= 3600


def test_a_revoked_token_is_told_in_the_task_and_in_the_reconciliation_and_goes_away(services, store_url):
    repo_id = put(services, "a/x.json")
    revoked = Services(
        settings=services.settings,
        store=services.store,
        hub=Hub(endpoint=services.hub.endpoint, token="hf_revoked"),
        raw=services.raw,
    )
    assert write_out(revoked, repo_id) == []
    told = r"1 of 1 files wait for .*\[token\] .*put a new one into the connection huggingface_hub"
    with pytest.raises(OutboxWaitError, match=told) as waits:
        check_written(revoked, ["a/x.json"])
    assert "hf_revoked" not in str(waits.value)
    assert 200 < (waits.value.retry_after_s or 0) <= 300
    (line,) = _what_waits(services)
    assert line.startswith("* is not written to: [token]")
    with psycopg.connect(store_url, autocommit=True) as connection:
        connection.execute("UPDATE hub_repositories SET retry_at = now()")  # five minutes later
    assert len(write_out(services, repo_id)) == 1
    check_written(services, ["a/x.json"])
    assert _what_waits(services) == []


def test_an_entry_that_can_never_be_written_is_told_with_its_reason(services):
    repo_id = put(services, "a/x.json")
    put(services, "a/x.json/y.json", key="poison")
    write_out(services, repo_id)
    check_written(services, ["a/x.json"])
    with pytest.raises(HubError, match=r"poison cannot be written: .*is a file, not a directory.*Clear"):
        check_written(services, ["a/x.json", "poison"])
    (line,) = _what_waits(services)
    assert line.startswith(f"poison cannot be written to {repo_id}")


def test_the_limits_are_the_settings(services):
    limits = outbox_limits(with_hub(services, commits_per_hour=7, files_per_commit=3))
    assert (limits.commits_per_hour, limits.files_per_commit, limits.linger_s) == (7, 3, 0.1)
