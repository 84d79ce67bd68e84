from __future__ import annotations

import pytest
from palmares.leaderboard.submissions.about import AboutModel, about_model
from palmares.leaderboard.submissions.request_file import parse_request
from palmares.leaderboard.submissions.submission import Submission

REQUEST = b"""{"model": "org/model", "base_model": "org/base", "params": 7.24, "license": "mit",
"model_type": "\\ud83d\\udfe2 : pretrained"}"""


def test_the_hub_goes_before_the_request(make_facts):
    found = about_model(parse_request("p.json", REQUEST), make_facts(created_at="2026-01-01T00:00:00+00:00"))

    assert found == AboutModel(
        model_type="🟢 : pretrained",
        license="apache-2.0",
        architecture="LlamaForCausalLM",
        parameters=140_000,
        is_mixture=False,
        base_model="org/base",
        uploaded_at="2026-01-01T00:00:00+00:00",
    )


def test_the_request_fills_what_the_hub_does_not_say(make_facts):
    found = about_model(
        parse_request("p.json", REQUEST),
        make_facts(license=None, parameters=None, architectures=(), config=None),
    )

    assert (found.license, found.parameters) == ("mit", 7_240_000_000)
    assert (found.architecture, found.is_mixture) == (None, None)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"num_local_experts": 8}, True),
        ({"text_config": {"n_routed_experts": 64}}, True),
        ({"ffn_config": {"moe_num_experts": 16}}, True),
        ({"num_experts": 1}, False),
        ({"num_experts": "many"}, False),
        ({}, False),
    ],
)
def test_a_mixture_is_one_with_several_experts(make_facts, config, expected):
    assert about_model(parse_request("p.json", REQUEST), make_facts(config=config)).is_mixture is expected


def test_a_submission_keeps_it_through_json_and_an_older_one_has_none(make_submission, make_facts):
    about = about_model(parse_request("p.json", REQUEST), make_facts())
    submission = make_submission(about=about)

    assert Submission.from_json(submission.to_json()) == submission
    assert submission.job_key == make_submission().job_key
    older = {name: value for name, value in submission.to_json().items() if name != "about"}
    assert Submission.from_json(older).about == AboutModel()
