"""Takes reasoning traces off, in the dialects that models write them in."""

from __future__ import annotations

import re

_NAMES = r"(?:seed:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|analysis|scratchpad|cot)"
_OPENING = (
    rf"<{_NAMES}\s*>|\[THINK(?:ING)?\]|◁think▷|<unused94>"
    r"|<\|(?:begin_of_thought|begin_of_thinking|thinking|think|inner_prefix)\|>"
    r"|<\|channel\|>\s*(?:analysis|commentary)"
)
_CLOSING = (
    rf"</{_NAMES}\s*>|\[/THINK(?:ING)?\]|◁/think▷|<unused95>"
    r"|<\|(?:end_of_thought|end_of_thinking|/thinking|/think|inner_suffix)\|>"
    r"|<\|channel\|>\s*final\b"
)
_MARK = re.compile(rf"(?P<closing>{_CLOSING})|(?:{_OPENING})", re.IGNORECASE)
"""Sources: DeepSeek-R1 and Qwen3 (``<think>``), Magistral (``[THINK]``), Kimi (``◁think▷``), Seed-OSS
(``<seed:think>``), Open-Thinker (``<|begin_of_thought|>``), gpt-oss (channels), MedGemma (``<unused94>``),
Apertus (``<|inner_prefix|>``)."""
_GATES = (
    "hink",
    "HINK",
    "hought",
    "HOUGHT",
    "eason",
    "EASON",
    "eflection",
    "nalysis",
    "cratchpad",
    "cot>",
    "<unused",
    "<|channel",
    "inner_",
)
"""A text without any of these holds no mark; looking for them is far cheaper than the pattern."""
_END_OF_TURN = re.compile(
    r"<\|(?:im_end|eot_id|endoftext|return|end|end_of_text|end_of_solution)\|>|</s>|<end_of_turn>|<eos>"
)
_MAX_CHARACTERS = 40_000
"""Of an answer's end that special tokens are looked for in."""
_TOKEN = re.compile(r"<\|[\w/]{1,24}\|>")


def without_reasoning(text: str) -> str | None:
    """Take a reasoning trace off.

    What counts is what follows the last closing mark: a trace may hold others, and its opening mark may be
    part of the prompt. An opening mark after it is a trace that never ends.

    Returns:
        None if a trace never ends: then there is no answer.
    """
    end = text.rfind("</think>")
    if end >= 0:
        text = text[end + 8 :]
    if "<" not in text and "◁" not in text and "[" not in text:
        return text
    if any(gate in text for gate in _GATES):
        after = 0
        is_open = False
        for mark in _MARK.finditer(text):
            if mark["closing"]:
                after, is_open = mark.end(), False
            else:
                is_open = True
        if is_open:
            return None
        text = text[after:]
    return _without_tokens(text) if "<|" in text or "</s>" in text or "<e" in text else text


def _without_tokens(text: str) -> str:
    """Cut at the end of the turn, and take other special tokens off: what follows is another turn."""
    text = text[-_MAX_CHARACTERS:].removeprefix("<|message|>")
    end = _END_OF_TURN.search(text)
    if end is not None and text[: end.start()].strip():
        text = text[: end.start()]
    return _TOKEN.sub("", text)
