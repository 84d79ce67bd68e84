"""Reasoning traces in several dialects: what follows the last one counts."""

from __future__ import annotations

import pytest
from french_answers.answers import final_answer, without_reasoning

DIALECTS = [
    ("<think>", "</think>"),
    ("<THINK>", "</THINK>"),
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<unused94>thought\n", "<unused95>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
]


@pytest.mark.parametrize(("opening", "closing"), DIALECTS)
def test_the_answer_stands_after_the_trace(opening, closing):
    answer = final_answer(f"{opening}La réponse est 13.{closing}\n12")

    assert answer is not None
    assert answer.text == "12"


@pytest.mark.parametrize(("opening", "closing"), DIALECTS)
def test_a_trace_that_never_ends_holds_no_answer(opening, closing):
    assert final_answer(f"{opening}La réponse finale est 12.") is None
    assert final_answer(f"{opening}13{closing}{opening}12") is None


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("Essayons 14… non.</think>12", "12"),
        ("<think>a<think>b</think>c</think>12", "12"),
        ("<think>13</think>", ""),
        ("12<|im_end|>\n<|im_start|>user\nEt 13 ?", "12"),
        ("x < 3 et thinking", "x < 3 et thinking"),
    ],
)
def test_what_follows_the_last_mark_is_kept(text, rest):
    assert without_reasoning(text) == rest
