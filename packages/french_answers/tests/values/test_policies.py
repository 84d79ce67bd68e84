"""Each choice of the policy turns its own answer round, and no other."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from french_answers import DEFAULT, GradingPolicy
from french_answers.values import compare_values

# Name, gold, answer, instruction, and an answer that stays wrong either way.
CHOICES = [
    ("units", "250 g", "250", None, "250 L"),
    ("conversion", "250 g", "0,25 kg", None, "2,5 kg"),
    ("percent", "0,05", "5 %", None, "5"),
    ("extra_precision", "0,683", "0,6827", None, "0,6837"),
    ("exact_for_rounded", "0,67", "2/3", None, "1/3"),
    ("approximation", "√2/2", "0,707", None, "0,708"),
    ("rounding", "4,0", "4", None, "5"),
    ("form", "120", "5!", None, "4!"),
    ("asked_form", "2/3", "4/6", "Donner une fraction irréductible.", "3/6"),
    ("notation", "[-2;5[", "[-2;5)", None, "(-2;5)"),
    ("broken_notation", "12", "{{12", None, "{{13"),
    ("infinity_sign", "+∞", "∞", None, "-∞"),
    ("hedge", "8", "sans doute 8", None, "7 ou 8"),
]


@pytest.mark.parametrize(("name", "gold", "text", "instruction", "wrong"), CHOICES)
def test_a_policy_decides_on_its_answer_alone(name, gold, text, instruction, wrong):
    default = getattr(DEFAULT, name)
    other = replace(DEFAULT, **{name: not default})

    assert compare_values(gold, text, instruction=instruction).equal is default
    assert compare_values(gold, text, instruction=instruction, policy=other).equal is not default
    assert not compare_values(gold, wrong, instruction=instruction).equal
    assert not compare_values(gold, wrong, instruction=instruction, policy=other).equal


def test_a_policy_names_what_differs_from_the_default():
    assert DEFAULT.describe() == ""
    assert GradingPolicy(units=False, case=True).describe() == "units=False,case=True"


def test_every_choice_is_a_truth_value():
    assert all(isinstance(getattr(DEFAULT, field.name), bool) for field in fields(GradingPolicy))
