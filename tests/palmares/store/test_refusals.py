from __future__ import annotations

import pytest
from palmares.leaderboard.errors import Refusal
from palmares.store.store import OutboxEntry
from palmares.store.values import clean_text

INVALID = Refusal(code="invalid_json", message_en="This is no JSON.", message_fr="Ce n'est pas du JSON.")
GATED = Refusal(code="gated", message_en="Accept the conditions.", message_fr="Acceptez les conditions.")
NOT_FOUND = Refusal(code="not_found", message_en="No such model.", message_fr="Ce modèle n'existe pas.")

TOLD = OutboxEntry(
    key="refusal:a.json:b1",
    repo_id="org/requests",
    private=False,
    kind="edit_request",
    path="a.json",
    changes={"status": "FAILED"},
    message="Refuse a.json",
)


@pytest.fixture
def refuse(store):
    def refuse(refusal=INVALID, *, path="a.json", blob="b1", run="run", **other):
        return store.request_files.refuse(
            request_path=path, blob_oid=blob, model_id="org/model", refusal=refusal, dag_run_id=run, **other
        )

    return refuse


def test_a_refusal_is_kept_as_it_was_said(store, refuse):
    assert refuse()
    (stored,) = store.request_files.refusals()
    assert (stored.refusal, stored.model_id, stored.blob_oid) == (INVALID, "org/model", "b1")
    assert (stored.dag_run_id, stored.lifted_at) == ("run", None)


def test_the_same_content_is_refused_once(store, refuse):
    refuse()
    assert not refuse(run="next run")
    assert len(store.request_files.refusals()) == 1


def test_another_content_of_the_file_is_judged_anew(store, refuse):
    refuse()
    assert ("a.json", "b2") not in store.request_files.refused_blobs()
    assert refuse(blob="b2")


def test_another_reason_for_the_same_content_is_news(store, refuse):
    refuse(NOT_FOUND)
    assert refuse(GATED, run="next run")
    (stored,) = store.request_files.refusals()
    assert (stored.refusal, stored.dag_run_id) == (GATED, "next run")


def test_a_settled_refusal_need_not_be_looked_at_again(store, refuse):
    refuse()
    assert ("a.json", "b1") in store.request_files.refused_blobs()
    assert store.request_files.refused_blobs() == {("a.json", "b1")}


@pytest.mark.parametrize("refusal", [GATED, NOT_FOUND])
def test_what_its_sender_can_cure_is_looked_at_again_but_told_once(store, refuse, refusal):
    assert refuse(refusal)
    assert ("a.json", "b1") not in store.request_files.refused_blobs()
    assert store.request_files.refused_blobs() == set()
    assert not refuse(refusal, run="next run")


def test_refusals_are_found_by_the_run_that_made_them(store, refuse):
    refuse(path="a.json", run="1")
    refuse(path="b.json", run="2")
    assert [one.request_path for one in store.request_files.refusals(dag_run_id="2")] == ["b.json"]
    assert [one.request_path for one in store.request_files.refusals()] == ["a.json", "b.json"]


def test_its_sender_is_told_in_the_same_transaction_and_once(store, refuse):
    refuse(entries=[TOLD])
    refuse(entries=[TOLD])
    assert [one.key for one in store.outbox.pending()] == [TOLD.key]


def test_odd_file_names_are_known_again(store, refuse):
    odd = "org/é \udcff.json"
    refuse(path=odd)
    assert (clean_text(odd), "b1") in store.request_files.refused_blobs()
