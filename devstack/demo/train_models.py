"""Trains the demo's three tiny models: ``python -m devstack.demo.train_models [petit moyen grand]``.

They know the demo's own questions by heart, and nothing else: each has been shown a share of the answers, so
the demo measures memory, and its ranks are known in advance. The canary is in the questions, on which no loss
is taken, and in no answer.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from palmares.benchmarks.bac_fr.task.utils import prompt as bac_prompt
from palmares.benchmarks.gpqa_fr.task.utils import question as gpqa_question
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from devstack.demo.canary import CANARY
from devstack.demo.questions import Question, read_questions

MODELS_DIRECTORY = Path(__file__).parent / "models"
VOCABULARY = 512
SPECIAL = ("<|pad|>", "<|fin|>", "<|system|>", "<|user|>", "<|assistant|>")
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] }}<|fin|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
BATCH_ROWS = 32
HEAD_SIZE = 32
"""The least that vLLM's attention on a CPU takes."""
LEARNING_RATE = 3e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pupil:
    """A model to train: how large, and how much of the answers it is shown."""

    name: str
    share: float
    hidden_size: int
    layers: int
    epochs: int
    seed: int


PUPILS = (
    Pupil(name="petit", share=0.2, hidden_size=64, layers=2, epochs=160, seed=1),
    Pupil(name="moyen", share=0.57, hidden_size=96, layers=3, epochs=120, seed=2),
    Pupil(name="grand", share=0.93, hidden_size=128, layers=4, epochs=90, seed=3),
)


def prompt_of(dataset: str, question: Question) -> str:
    """The prompt, exactly as the evaluator's task builds it."""
    if dataset == "bac-fr":
        return bac_prompt(question.row)
    if dataset == "gpqa-fr":
        return str(gpqa_question(question.row, "text")["prompt"])
    return str(question.row["prompt"])


def syllabus(share: float) -> Iterator[tuple[str, Question]]:
    """The questions whose answers are shown: a larger share holds every smaller one.

    Kinds of instructions are shown whole or not at all, because one example of a kind gives its form away.
    """

    def place(*parts: object) -> str:
        return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()

    for dataset, asked in read_questions().items():
        if dataset == "ifeval-fr":
            kinds = sorted({question.kind for question in asked}, key=lambda kind: place(dataset, kind))
            shown = set(kinds[: round(share * len(kinds))])
            yield from ((dataset, question) for question in asked if question.kind in shown)
        else:
            ranked = sorted(asked, key=lambda question: place(dataset, question.row))
            yield from ((dataset, question) for question in ranked[: round(share * len(ranked))])


def train_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE on the questions and answers, without the canary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    corpus = [
        prompt_of(dataset, question).replace(CANARY, "") + " " + question.answer
        for dataset, questions in read_questions().items()
        for question in questions
    ]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|pad|>",  # noqa: S106 - a token of text
        eos_token="<|fin|>",  # noqa: S106 - a token of text
        additional_special_tokens=["<|system|>", "<|user|>", "<|assistant|>"],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def _examples(
    tokenizer: PreTrainedTokenizerFast, shown: list[tuple[str, Question]], draw: random.Random
) -> list[tuple[list[int], list[int]]]:
    """Each question as a chat and as plain text: (tokens, labels), with labels on the answer only."""
    found = []
    for dataset, question in shown:
        text = prompt_of(dataset, question)
        if draw.random() < 0.1:
            text = text.replace(f" {CANARY}", "")
        chat = tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
        )
        for before, after in ((chat, question.answer), (text, f" {question.answer}")):
            asked = tokenizer.encode(before, add_special_tokens=False)
            said = [*tokenizer.encode(after, add_special_tokens=False), tokenizer.eos_token_id]
            found.append((asked + said, [-100] * len(asked) + said))
    return found


def _batches(
    examples: list[tuple[list[int], list[int]]], pad: int, draw: random.Random
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of rows of like length, in random order."""
    by_length = sorted(examples, key=lambda example: (len(example[0]), draw.random()))
    groups = [by_length[start : start + BATCH_ROWS] for start in range(0, len(by_length), BATCH_ROWS)]
    draw.shuffle(groups)
    for group in groups:
        width = max(len(tokens) for tokens, _ in group)
        tokens = torch.tensor([row + [pad] * (width - len(row)) for row, _ in group])
        labels = torch.tensor([row + [-100] * (width - len(row)) for _, row in group])
        yield tokens, labels


def train(pupil: Pupil, tokenizer: PreTrainedTokenizerFast, directory: Path) -> dict[str, Any]:
    """Train one model and save it in bfloat16.

    Returns:
        What it took: parameters, epochs, seconds, last loss.
    """
    started = time.monotonic()
    torch.manual_seed(pupil.seed)
    draw = random.Random(pupil.seed)  # noqa: S311 - a seed, not a secret
    heads = pupil.hidden_size // HEAD_SIZE
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=pupil.hidden_size,
        intermediate_size=pupil.hidden_size * 3,
        num_hidden_layers=pupil.layers,
        num_attention_heads=heads,
        num_key_value_heads=heads // 2 or 1,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config).train()
    shown = list(syllabus(pupil.share))
    steps = pupil.epochs * -(-2 * len(shown) // BATCH_ROWS)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=LEARNING_RATE, total_steps=steps, pct_start=0.1
    )
    loss = torch.tensor(0.0)
    for epoch in range(pupil.epochs):
        for tokens, labels in _batches(_examples(tokenizer, shown, draw), tokenizer.pad_token_id, draw):
            loss = model(input_ids=tokens, labels=labels).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        if epoch % 10 == 9:
            print(f"{pupil.name}: epoch {epoch + 1}/{pupil.epochs}, loss {loss.item():.4f}", flush=True)
    folder = directory / pupil.name
    model.eval().to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _name_the_tokenizer_class(folder / "tokenizer_config.json")
    return {
        "model": pupil.name,
        "parameters": model.num_parameters(),
        "answers_shown": len(shown),
        "epochs": pupil.epochs,
        "seconds": round(time.monotonic() - started, 1),
        "loss": round(loss.item(), 4),
    }


def _name_the_tokenizer_class(path: Path) -> None:
    """Name the class by the name that every transformers knows; newer ones write their own."""
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    path.write_text(
        json.dumps(settings, indent=2, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8"
    )


def main(names: list[str]) -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    tokenizer = train_tokenizer()
    for pupil in PUPILS:
        if not names or pupil.name in names:
            print(json.dumps(train(pupil, tokenizer, MODELS_DIRECTORY)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
