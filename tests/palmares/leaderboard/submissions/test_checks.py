"""Every check and every reason: on the page, in both languages, and whatever a request holds."""

from __future__ import annotations

import dataclasses
import json
import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from palmares.leaderboard.errors import RefusedError
from palmares.leaderboard.settings import load_settings
from palmares.leaderboard.submissions.admission import Case, examine
from palmares.leaderboard.submissions.checks import CHECKS
from palmares.leaderboard.submissions.model_facts import facts_of_config
from palmares.leaderboard.submissions.names import validate_model_id
from palmares.leaderboard.submissions.refusals import MESSAGES
from palmares.leaderboard.submissions.refusals import refusal as refusal_of
from palmares.leaderboard.submissions.request_file import parse_request
from palmares.leaderboard.submissions.submission import Submission

from tests.fixtures.config import CONFIG_DIR

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 512,
    "max_position_embeddings": 512,
}
REQUESTS_MD = Path(__file__).parents[4] / "docs" / "operate" / "requests.md"


def test_every_code_is_explained_to_submitters():
    text = REQUESTS_MD.read_text(encoding="utf-8")

    explained = re.findall(r"^\| `(\w+)` \|.+\|.+\|$", text, re.MULTILINE)
    assert sorted(set(MESSAGES) - set(explained)) == []


def test_every_check_is_on_the_page_with_its_codes_in_its_order():
    text = REQUESTS_MD.read_text(encoding="utf-8")

    rows = []
    for check in CHECKS:
        codes = ", ".join(f"`{code}`" for code in check.codes)
        rows.append(f"| `{check.name}` | {check.meaning.replace('``', '`')} | {codes} |")
    assert "\n".join(rows) in text


def test_every_code_belongs_to_a_check_or_to_those_that_need_all_submissions():
    of_reading = {"invalid_json", "invalid_request"}
    of_all = {"duplicate", "already_evaluated"}

    assert {code for check in CHECKS for code in check.codes} | of_reading | of_all == set(MESSAGES)


@pytest.mark.parametrize("code", MESSAGES)
def test_every_reason_says_in_both_languages_what_to_do(code):
    names = {name for _, name, _, _ in string.Formatter().parse(MESSAGES[code]) if name}
    refusal = refusal_of(code, **{name: f"<{name}>" for name in names})

    for text in (refusal.message_en, refusal.message_fr):
        assert len(re.findall(r"[.!?»>](?= |$)", text)) >= 2, text


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
USUAL = {
    "revision": st.sampled_from(["main", "v1", ""]),
    "precision": st.sampled_from(["bfloat16", "torch.float16", "4bit"]),
    "weight_type": st.sampled_from(["Original", "Adapter", "delta"]),
    "base_model": st.sampled_from(["", "org/base"]),
    "use_chat_template": st.booleans(),
    "submitted_time": st.sampled_from(["2026-01-01T00:00:00Z", "yesterday"]),
    "sender": st.text(max_size=20),
    "votes": st.integers(),
}


@given(
    st.fixed_dictionaries(
        {"model": st.sampled_from(["org/model", "gpt2"]) | JSON_VALUES},
        optional={name: one | JSON_VALUES for name, one in USUAL.items()},
    )
)
def test_whatever_a_request_holds_is_a_submission_or_a_reason(fields):
    settings, content = load_settings(CONFIG_DIR), json.dumps(fields).encode()
    facts = facts_of_config(LLAMA, model_id="org/model", weights_bytes=280_000)
    known = dataclasses.replace(facts, commit="a" * 40, weights_format="safetensors")
    try:
        case = Case(
            request=parse_request("r.json", content), blob_oid="oid", facts=lambda *_: known,
            settings=settings, suite_name="fr", suite_hash="hash",
        )  # fmt: skip
        submission = examine(case).pinned
    except RefusedError as error:
        code: str | None = error.refusal.code
    else:
        code = None
    if code is not None:
        assert code in MESSAGES
        return
    assert validate_model_id(submission.model_id)
    assert (submission.precision, submission.weight_type) in {
        (precision, "Original") for precision in settings.policies.precisions
    }
    assert Submission.from_json(json.loads(json.dumps(submission.to_json()))) == submission
