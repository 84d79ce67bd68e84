"""One word for each type of model, whatever a request calls it."""

from __future__ import annotations

OTHER = "❓ other"
MODEL_TYPES = (
    ("🟩", ("continuously",), "🟩 continuously pretrained"),
    ("🟢", ("pretrained",), "🟢 pretrained"),
    ("🟦", ("rl-tuned", "rl tuned", "rl_tuned"), "🟦 RL-tuned"),
    ("🆎", ("language adapted", "language-adapted"), "🆎 language adapted"),
    ("💬", ("chat", "rlhf", "instruction"), "💬 chat models (RLHF, DPO, IFT, ...)"),
    ("🤝", ("merge",), "🤝 base merges and moerges"),
    ("🌸", ("multimodal",), "🌸 multimodal"),
    ("🔶", ("fine-tuned", "fine tuned", "finetuned"), "🔶 fine-tuned on domain-specific datasets"),
)
"""Sign, words, and the type as the contents tables of the Open LLM Leaderboard and its forks write it."""


def model_type(text: str | None) -> str:
    """Read ``pretrained``, ``🟢 : pretrained`` or ``💬 : 💬 chat models (…)``; nonsense is `OTHER`."""
    said = (text or "").casefold()
    for sign, _, name in MODEL_TYPES:
        if sign in said:
            return name
    for _, words, name in MODEL_TYPES:
        if any(word in said for word in words):
            return name
    return OTHER
