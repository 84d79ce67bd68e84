"""Contents of request files outlive the process that read them."""

from __future__ import annotations

from palmares.store.store import Store


def test_contents_are_known_to_another_process(store, store_url):
    store.request_files.keep_contents(
        "org/requests", {"a" * 40: b"\x00\xff", "b" * 40: b""}, listed={"a" * 40, "b" * 40}
    )
    with Store.connect(store_url) as other:
        assert other.request_files.contents(["a" * 40, "b" * 40, "c" * 40]) == {
            "a" * 40: b"\x00\xff",
            "b" * 40: b"",
        }


def test_asking_about_nothing_needs_no_database(store):
    assert store.request_files.contents([]) == {}


def test_what_a_dataset_no_longer_lists_is_forgotten_when_something_new_comes(store):
    store.request_files.keep_contents("org/requests", {"a": b"1", "b": b"2"}, listed={"a", "b"})
    store.request_files.keep_contents("org/others", {"c": b"3"}, listed={"c"})
    store.request_files.keep_contents("org/requests", {}, listed={"b"})
    assert set(store.request_files.contents(["a", "b", "c"])) == {"a", "b", "c"}
    store.request_files.keep_contents("org/requests", {"d": b"4"}, listed={"b", "d"})
    assert set(store.request_files.contents(["a", "b", "c", "d"])) == {"b", "c", "d"}


def test_keeping_a_content_again_changes_nothing(store):
    for _ in range(2):
        store.request_files.keep_contents("org/requests", {"a": b"1"}, listed={"a"})
    assert store.request_files.contents(["a"]) == {"a": b"1"}


def test_thousands_are_kept_and_found_at_once(store):
    contents = {f"{number:040x}": str(number).encode() for number in range(2_500)}
    store.request_files.keep_contents("org/requests", contents, listed=set(contents))
    assert store.request_files.contents(set(contents)) == contents
