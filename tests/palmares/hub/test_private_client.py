"""What huggingface_hub does not export is used in one file, as it was in one release."""

from __future__ import annotations

import re
from pathlib import Path

import huggingface_hub
import pytest
from palmares.hub.private_client import READ_IN, always_sent, auth_headers, pages

ROOT = Path(__file__).parents[3]
PRIVATE = re.compile(r"huggingface_hub(?:\.\w+)*\._|from huggingface_hub.* import _|\b_local_oid\b")


def test_the_private_parts_were_read_in_the_release_that_is_pinned():
    assert huggingface_hub.__version__ == READ_IN, (
        "read again what private_client.py uses, in the new release, then name that release there"
    )
    assert f"huggingface-hub=={READ_IN}" in (ROOT / "requirements.in").read_text(encoding="utf-8").split()


def test_no_other_file_uses_them():
    folders = ("include", "plugins", "devstack", "dags", "performance")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    found = {path.name for path in files if PRIVATE.search(path.read_text(encoding="utf-8"))}

    assert found == {"private_client.py"}


@pytest.mark.parametrize("token", [None, False, ""])
def test_without_a_token_nobody_else_s_is_sent(monkeypatch, token):
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_environment")

    assert "authorization" not in auth_headers(token)
    assert auth_headers("hf_ours")["authorization"] == "Bearer hf_ours"


def test_an_addition_equals_no_file_of_the_branch():
    assert always_sent("a.txt", b"1")._local_oid is None


def test_a_listing_is_read_page_by_page_and_only_as_far_as_asked(hub, hub_server, new_dataset):
    repo_id = new_dataset()
    for number in range(3):
        hub.commit_files(
            repo_id, {"a": b"%d" % number}, message=f"Change {number}", parent_commit=hub.head(repo_id)
        )

    commits = pages(
        f"{hub_server.endpoint}/api/datasets/{repo_id}/commits/main?limit=1", token=hub_server.token
    )

    assert [next(commits)["title"] for _ in range(2)] == ["Change 2", "Change 1"]
