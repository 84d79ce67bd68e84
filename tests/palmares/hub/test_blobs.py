"""Contents by git's hash: kept as long as they fit, or as long as somebody lists them."""

from __future__ import annotations

from palmares.hub.blobs import BlobsInMemory, git_hash


def test_the_hash_is_gits():
    assert git_hash(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


def test_memory_forgets_the_oldest_contents_first():
    blobs = BlobsInMemory(most_bytes=10)
    for name in "abc":
        blobs.keep_contents("org/requests", {name: name.encode() * 4}, listed={"a", "b", "c"})
    assert blobs.contents({"a", "b", "c"}) == {"b": b"bbbb", "c": b"cccc"}


def test_a_content_that_is_kept_twice_counts_once():
    blobs = BlobsInMemory(most_bytes=10)
    for _ in range(3):
        blobs.keep_contents("org/requests", {"a": b"aaaa"}, listed={"a"})
    blobs.keep_contents("org/requests", {"b": b"bbbb"}, listed={"b"})
    assert set(blobs.contents({"a", "b"})) == {"a", "b"}
