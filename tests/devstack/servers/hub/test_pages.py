"""The pages that a person sees."""

from __future__ import annotations

import io
import re

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
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
    assert "<h1>Hello &lt;script&gt;" in response.text
    assert "<script" not in response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_a_file_is_shown_as_text(hub_server, dataset):
    response = httpx.get(f"{hub_server.endpoint}/datasets/{dataset}/blob/main/org/a%20%3Cb%3E%26%3F%23.json")
    assert response.status_code == 200
    assert "onerror" in response.text
    assert "<img" not in response.text


CARD = b"""---
license: mit
configs:
- config_name: default
  data_files: data/contents.parquet
---
<!-- palmares:begin -->
## The board

| # | Model |
|--:|:--|
| 1 | [org/m](files/a.json) |

![Scores](charts/scores.png) [bad](javascript:alert(1)) <img src=x onerror=alert(1)>
"""
PICTURE = bytes.fromhex("89504e470d0a1a0a") + b"picture"


@pytest.fixture
def board(api, new_repo):
    """A leaderboard's dataset: a card, a picture and a table of 120 rows."""
    table = pa.table({"Model": [f"org/m<b>{number}" for number in range(120)], "Average": [0.5] * 120})
    rows = io.BytesIO()
    pq.write_table(table, rows)
    repo_id = new_repo()
    files = {
        "README.md": CARD,
        "charts/scores.png": PICTURE,
        "data/contents.parquet": rows.getvalue(),
        "a/other.parquet": b"no table",
        "files/a.json": b"{}",
    }
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    api.create_commit(repo_id, operations, commit_message="Publish", repo_type="dataset")
    return f"/datasets/{repo_id}"


def test_a_card_is_rendered_with_its_own_pictures_and_links_and_runs_nothing(hub_server, board):
    text = httpx.get(hub_server.endpoint + board).text

    assert "<h2>The board</h2>" in text
    assert "palmares:begin" not in text
    assert "<table>" in text
    (picture,) = re.findall(r'<img src="([^"]+)" alt="Scores"', text)
    assert picture.startswith(f"{board}/resolve/")
    answer = httpx.get(hub_server.endpoint + picture)
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "image/png", PICTURE)
    assert "sandbox" in answer.headers["content-security-policy"]
    (link,) = re.findall(rf'href="({board}/blob/[^"]+/files/a.json)"', text)
    assert httpx.get(hub_server.endpoint + link).status_code == 200
    assert 'href="javascript' not in text
    assert "<img src=x" not in text


def test_a_picture_is_shown_on_its_page(hub_server, board):
    assert (
        '<img class="picture"' in httpx.get(f"{hub_server.endpoint}{board}/blob/main/charts/scores.png").text
    )


def test_the_viewer_shows_the_table_that_the_card_names_page_by_page(hub_server, board):
    assert f'href="{board}/viewer"' in httpx.get(hub_server.endpoint + board).text
    first = httpx.get(f"{hub_server.endpoint}{board}/viewer").text
    second = httpx.get(f"{hub_server.endpoint}{board}/viewer", params={"p": 1}).text

    assert "120 rows, 1 to 100 are shown" in first
    assert "<td>org/m&lt;b&gt;0</td><td>0.5</td>" in first
    assert "org/m&lt;b&gt;119" not in first
    assert "org/m&lt;b&gt;119" in second


def test_a_dataset_without_a_table_says_so_on_a_page(hub_server, dataset):
    answer = httpx.get(f"{hub_server.endpoint}/datasets/{dataset}/viewer")

    assert answer.status_code == 404
    assert "Parquet" in answer.text
    assert answer.headers["content-type"].startswith("text/html")


def test_a_broken_table_is_named_on_a_page(hub_server, api, new_repo):
    repo_id = new_repo()
    operations = [CommitOperationAdd("x.parquet", b"no table")]
    api.create_commit(repo_id, operations, commit_message="Write", repo_type="dataset")

    answer = httpx.get(f"{hub_server.endpoint}/datasets/{repo_id}/viewer")
    assert (answer.status_code, "x.parquet as a table: it is no Parquet file" in answer.text) == (404, True)


def test_what_is_missing_is_a_page_for_a_browser(hub_server):
    browser = {"Accept": "text/html,application/xhtml+xml"}
    for path in ("/datasets/nobody/nothing", "/a/b/c/d/e"):
        answer = httpx.get(hub_server.endpoint + path, headers=browser)
        assert answer.status_code == 404
        assert "<h1>Not here</h1>" in answer.text
    assert httpx.get(f"{hub_server.endpoint}/a/b/c/d/e").json() == {"error": "Not found"}


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
        rows = httpx.get(f"{hub_server.endpoint}/datasets/{repo_id}/viewer")
        assert rows.status_code == (403 if gated else 404)
        assert (repo_id in httpx.get(hub_server.endpoint).text) == bool(gated)


def test_an_unknown_page_is_missing(hub_server):
    for path in ("/nobody/nothing", "/datasets/nobody/nothing", "/favicon.ico", "/a/b/c/d/e"):
        assert httpx.get(hub_server.endpoint + path).status_code == 404
