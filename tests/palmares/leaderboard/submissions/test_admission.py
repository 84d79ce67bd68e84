"""Admission: each reason has its code, outages refuse nobody, the queue is in order."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils._validators import validate_repo_id
from hypothesis import given
from hypothesis import strategies as st
from palmares.leaderboard.errors import HubGatedError, HubNotFoundError, HubUnavailableError, RefusedError
from palmares.leaderboard.submissions.admission import Case, examine, find_duplicates
from palmares.leaderboard.submissions.moderation import Moderation, ModerationAction
from palmares.leaderboard.submissions.names import validate_model_id, validate_revision
from palmares.leaderboard.submissions.policy import AdmissionPolicy, LicensePolicy
from palmares.leaderboard.submissions.request_file import parse_request
from palmares.leaderboard.submissions.submission import Submission

OWN_CODE = {
    "architectures": ["XForCausalLM"],
    "auto_map": {"AutoModelForCausalLM": "modeling_x.XForCausalLM"},
}


@pytest.fixture
def admit_request(settings, make_facts):
    def run(facts=None, error=None, with_settings=None, moderation=None, asked=None, **fields):
        def ask(model_id, revision):
            if asked is not None:
                asked.append((model_id, revision))
            if error:
                raise error
            return facts[model_id] if isinstance(facts, dict) else facts or make_facts()

        content = json.dumps({"model": "org/model", **fields}).encode()
        case = Case(
            request=parse_request("r.json", content),
            blob_oid="oid",
            facts=ask,
            settings=with_settings or settings,
            suite_name="fr",
            suite_hash="hash",
            moderation=moderation or {},
        )
        return examine(case).pinned

    return run


def moderated(name, action, new=None):
    return Moderation(
        model_id=name, action=action, reason="It copies the test set.", new_model_id=new,
        at=datetime(2026, 1, 1, tzinfo=UTC), by="amelie",
    )  # fmt: skip


def code_of(caught):
    return caught.value.refusal.code


def test_an_admitted_submission_is_pinned_to_the_commit(admit_request, make_facts):
    submission = admit_request(
        revision="main", precision="torch.float16", submitted_time="2026-01-02T03:04:05Z"
    )

    assert submission.revision == make_facts().commit
    assert (submission.requested_revision, submission.precision, submission.backend) == (
        "main",
        "float16",
        "hf",
    )
    assert submission.submitted_time == "2026-01-02T03:04:05+00:00"
    assert Submission.from_json(json.loads(json.dumps(submission.to_json()))) == submission


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HubNotFoundError("x", what="repository"), "not_found"),
        (HubNotFoundError("x", what="revision"), "revision_not_found"),
        (HubGatedError("x"), "gated"),
    ],
)
def test_what_the_hub_says_becomes_a_reason(admit_request, error, code):
    with pytest.raises(RefusedError) as caught:
        admit_request(error=error)

    assert code_of(caught) == code


def test_an_outage_is_not_a_refusal(admit_request):
    with pytest.raises(HubUnavailableError):
        admit_request(error=HubUnavailableError("down"))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"precision": "4bit"}, "unsupported_precision"),
        ({"weight_type": "Adapter"}, "unsupported_weight_type"),
        ({"revision": "../main"}, "invalid_revision"),
        ({"revision": "--upload-pack=x"}, "invalid_revision"),
    ],
)
def test_what_the_request_asks_is_checked_before_the_hub_is_asked(admit_request, fields, code):
    with pytest.raises(RefusedError) as caught:
        admit_request(error=AssertionError("the Hub was asked"), **fields)

    assert code_of(caught) == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"weights_format": None}, "no_weights"),
        ({"weights_format": "bin"}, "no_weights"),
        ({"custom_code": True, "config": OWN_CODE}, "custom_code"),
        ({"config": None}, "no_config"),
        ({"has_tokenizer": False}, "no_tokenizer"),
        (
            {"config": {"architectures": ["MysteryForCausalLM"]}, "architectures": ("MysteryForCausalLM",)},
            "incompatible",
        ),
        ({"weights_bytes": 10**13, "parameters": 5 * 10**12}, "too_large"),
    ],
)
def test_what_the_repository_lacks_is_refused(admit_request, make_facts, changes, code):
    with pytest.raises(RefusedError) as caught:
        admit_request(facts=make_facts(**changes))

    assert code_of(caught) == code


def test_a_model_without_a_chat_template_is_prompted_as_plain_text(admit_request, make_facts):
    assert admit_request().use_chat_template
    assert not admit_request(facts=make_facts(has_chat_template=False)).use_chat_template
    assert not admit_request(use_chat_template=False).use_chat_template


def test_a_template_that_is_asked_for_and_missing_is_refused_or_done_without(
    admit_request, make_facts, settings
):
    without = make_facts(has_chat_template=False)
    with pytest.raises(RefusedError) as caught:
        admit_request(facts=without, use_chat_template=True)
    assert code_of(caught) == "no_chat_template"

    plain = settings.admission.model_copy(update={"missing_chat_template": "plain-text"})
    lenient = settings.model_copy(update={"admission": plain})
    assert not admit_request(facts=without, with_settings=lenient, use_chat_template=True).use_chat_template


@pytest.mark.parametrize(
    ("policy", "license", "code"),
    [
        ({"mode": "off"}, None, None),
        ({"mode": "required"}, None, "no_license"),
        ({"mode": "required"}, "other", None),
        ({"mode": "allow-list", "allowed": ["Apache-2.0"]}, "apache-2.0", None),
        ({"mode": "allow-list", "allowed": ["mit"]}, "apache-2.0", "license_not_allowed"),
        ({"mode": "allow-list", "allowed": ["mit"]}, None, "no_license"),
    ],
)
def test_licences_are_asked_for_as_the_settings_say(
    admit_request, make_facts, settings, policy, license, code
):
    admission = AdmissionPolicy.model_validate({"license": policy})
    strict = settings.model_copy(update={"admission": admission})
    facts = make_facts(license=license)
    if code is None:
        assert admit_request(facts=facts, with_settings=strict).revision == facts.commit
        return
    with pytest.raises(RefusedError) as caught:
        admit_request(facts=facts, with_settings=strict)
    assert code_of(caught) == code


def test_a_bare_off_of_yaml_is_off():
    assert LicensePolicy.model_validate({"mode": False}).mode == "off"


@pytest.mark.parametrize("policy", [{"mode": "allow-list"}, {"mode": "off", "allowed": ["mit"]}])
def test_a_list_of_licences_belongs_to_its_mode(policy):
    with pytest.raises(ValueError, match="allowed"):
        LicensePolicy.model_validate(policy)


def test_a_tokenizer_need_not_be_there_where_nobody_asks_for_it(admit_request, make_facts, settings):
    admission = settings.admission.model_copy(update={"require_tokenizer": False})
    lenient = settings.model_copy(update={"admission": admission})

    assert admit_request(facts=make_facts(has_tokenizer=False), with_settings=lenient)


def test_a_withdrawn_model_is_refused_under_each_of_its_names_without_asking_the_hub(admit_request):
    held = {
        "org/model": moderated("org/model", ModerationAction.RENAMED, new="org/new"),
        "org/new": moderated("org/new", ModerationAction.WITHDRAWN),
    }
    with pytest.raises(RefusedError, match="It copies the test set") as caught:
        admit_request(error=AssertionError("the Hub was asked"), moderation=held)

    assert code_of(caught) == "withdrawn"


def test_a_renamed_model_is_asked_for_and_evaluated_under_its_new_name(admit_request, make_facts):
    held = {"org/model": moderated("org/model", ModerationAction.RENAMED, new="org/new")}
    asked: list[tuple[str, str]] = []

    submission = admit_request(facts=make_facts(), moderation=held, asked=asked)

    assert (submission.model_id, asked) == ("org/new", [("org/new", "main")])


def test_an_adapter_is_checked_together_with_its_base(admit_request, make_facts, settings):
    policies = settings.policies.model_copy(update={"weight_types": ("Original", "Adapter")})
    adapters = settings.model_copy(update={"policies": policies})
    adapter = make_facts(
        config=None, architectures=(), adapter={"r": 8, "base_model_name_or_path": "org/base"},
        has_tokenizer=False, has_chat_template=False, adapter_bytes=1000, weights_bytes=1000,
    )  # fmt: skip
    base = make_facts(model_id="org/base", commit="b" * 40, has_tokenizer=True)

    submission = admit_request(
        facts={"org/model": adapter, "org/base": base},
        with_settings=adapters, weight_type="Adapter", base_model="org/base",
    )  # fmt: skip

    assert (submission.revision, submission.base_revision) == (adapter.commit, "b" * 40)


def test_a_model_for_which_no_cluster_has_room_names_the_default_one(admit_request, make_facts, settings):
    with pytest.raises(RefusedError, match="does not fit on local"):
        admit_request(facts=make_facts(weights_bytes=10**13, parameters=5 * 10**12))


def test_a_larger_cluster_of_the_same_backend_is_room_enough(admit_request, make_facts, settings):
    local = settings.clusters["local"]
    large = local.model_copy(update={"name": "large", "gpu_memory_bytes": 80 * 2**30})
    both = settings.model_copy(update={"clusters": {"local": local, "large": large}})
    facts = make_facts(weights_bytes=6 * 10**9, parameters=3 * 10**9)

    with pytest.raises(RefusedError, match="too_large"):
        admit_request(facts=facts)
    assert admit_request(facts=facts, with_settings=both)


def test_the_job_key_names_the_result_and_not_who_asked(make_submission):
    one = make_submission()

    assert len(one.job_key) == 32
    assert make_submission(sender="someone", likes=9, request_path="other").job_key == one.job_key
    for change in (
        {"revision": "f" * 40},
        {"run_number": 2},
        {"limit_samples": 3},
        {"use_chat_template": False},
    ):
        assert make_submission(**change).job_key != one.job_key


def test_the_earliest_of_two_equal_submissions_wins(make_submission):
    late = make_submission(request_path="a.json", submitted_time="2026-02-01T00:00:00+00:00")
    early = make_submission(request_path="b.json", submitted_time="2026-01-01T00:00:00.5+00:00")

    assert list(find_duplicates([late, early])) == ["a.json"]
    assert "b.json" in find_duplicates([late, early])["a.json"].message_en


@given(st.text(alphabet=st.sampled_from("ab-._/é \0\n.git"), max_size=12) | st.text(max_size=100))
def test_names_are_those_that_the_hub_client_accepts(name):
    try:
        validate_repo_id(name)
        legal = bool(name)
    except HFValidationError:
        legal = False
    try:
        validate_model_id(name)
        accepted = True
    except RefusedError:
        accepted = False
    assert accepted == legal


@pytest.mark.parametrize("revision", ["main", "refs/pr/3", "v1.0", "0" * 40])
def test_usual_revisions_pass(revision):
    assert validate_revision(revision) == revision
