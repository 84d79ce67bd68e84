"""The pages that a person sees."""

from __future__ import annotations

import re

import httpx
import pytest
from huggingface_hub import CommitOperationAdd


@pytest.fixture
def dataset(api, new_repo):
    repo_id = new_repo()
    files = {
        "README.md": b"---\nlicense: mit\n---\n# Hello <script>alert(1)</script>\n",
        "org/a <b>&?#.json": b'{"x": "<img src=x onerror=alert(1)>"}',
        "x.bin": b"\0\1",
    }
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    api.create_commit(repo_id, operations, commit_message="<i>First</i>", repo_type="dataset")
    return repo_id


def _links(html):
    return [link.replace("&amp;", "&") for link in re.findall(r'href="([^"]+)"', html)]


def test_every_link_leads_somewhere(hub_server, dataset):
    seen: set[str] = set()
    todo = ["/"]
    while todo:
        link = todo.pop()
        if link in seen or len(seen) > 60:
            continue
        seen.add(link)
        response = httpx.get(hub_server.endpoint + link)
        assert response.status_code == 200, link
        if "text/html" in response.headers["content-type"]:
            todo += [found for found in _links(response.text) if dataset in found]
    assert any("/blob/main/org/" in link for link in seen)
    assert any("/commit/" in link for link in seen)
    assert any("/resolve/" in link for link in seen)


def test_a_page_shows_files_history_and_readme_without_running_them(hub_server, dataset):
    response = httpx.get(f"{hub_server.endpoint}/datasets/{dataset}")
    assert "x.bin" in response.text
    assert "&lt;i&gt;First&lt;/i&gt;" in response.text
    assert "# Hello &lt;script&gt;" in response.text
    assert "<script" not in response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_a_file_is_shown_as_text(hub_server, dataset):
    response = httpx.get(f"{hub_server.endpoint}/datasets/{dataset}/blob/main/org/a%20%3Cb%3E%26%3F%23.json")
    assert response.status_code == 200
    assert "onerror" in response.text
    assert "<img" not in response.text


def test_private_and_gated_contents_stay_hidden(hub_server, api, new_repo):
    for options, gated in (({"private": True}, False), ({}, "manual")):
        repo_id = new_repo(**options)
        api.create_commit(
            repo_id,
            [CommitOperationAdd("README.md", b"hidden-words"), CommitOperationAdd("x.txt", b"hidden-words")],
            commit_message="Write",
            repo_type="dataset",
        )
        if gated:
            api.update_repo_settings(repo_id, gated=gated, repo_type="dataset")
        for page in ("", "/blob/main/x.txt", "/tree/main", "/commits/main"):
            response = httpx.get(f"{hub_server.endpoint}/datasets/{repo_id}{page}")
            assert response.status_code == (200 if gated else 404)
            assert "hidden-words" not in response.text
        assert (repo_id in httpx.get(hub_server.endpoint).text) == bool(gated)


def test_an_unknown_page_is_missing(hub_server):
    for path in ("/nobody/nothing", "/datasets/nobody/nothing", "/favicon.ico", "/a/b/c/d/e"):
        assert httpx.get(hub_server.endpoint + path).status_code == 404
