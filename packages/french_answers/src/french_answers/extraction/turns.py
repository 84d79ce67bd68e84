"""Ends a generation where the model begins to play another part: the next question, another turn."""

from __future__ import annotations

import re
from itertools import islice

_SUBSTANCE = re.compile(r"\w")
MAX_MARKS = 50
_BLANK = re.compile(r"[^\S\n]{3,}")
_LINES = re.compile(r"\n(?:[^\S\n]{0,8}\n){2,}")
_MARKS = re.compile(r"([$*_#=`~<>|&+-])\1{7,}")
_ASKED_FIRST = re.compile(
    r"\A\s*[*#_]*(?:User|Human|Utilisateur|[ÉE]l[èe]ve)[*_]*\s*:[^\n]{0,2000}\n+"
    r"(?=[*#_]*(?:Assistant|AI|IA|Bot)[*_]*\s*:)"
)
_FIRST_TURN = re.compile(
    r"\A\s*(?:<s>|<bos>|<\|begin_of_text\|>)?\s*(?:(?:<\|(?:im_start|start_header_id|start)\|>"
    r"|<start_of_turn>)\s*)?"
    r"(?:<\|assistant\|>|(?:assistant|model|ASSISTANT|Assistant|AI|IA|Bot"
    r"|GPT)(?:\s*<\|end_header_id\|>|\s*:|(?=\s*\n))"
    r"|#{2,4}\s*(?:Response|Réponse|Assistant)\s*:?\s*(?=\n))\s*"
)
_PROMPT_TURN = re.compile(r"\A\s*(?:<s>)?\s*\[INST\].*?\[/INST\]", re.DOTALL)
_TURN = re.compile(
    r"<\|(?:im_end|im_start|eot_id|end_of_turn|start_header_id|endoftext|end|user|system|return)\|>"
    r"|</s>|<s>|<end_of_turn>"
    r"|<start_of_turn>|\[/?INST\]|<eos>|<\|/?assistant\|>|<EOT>|"
    r"^[ \t>*#_]*(?:Human|User|Utilisateur|Utilisatrice|USER|HUMAN|Élève|Eleve|Étudiant|Assistant"
    r"|ASSISTANT|System|Système|Prompt"
    r"|Question de l'utilisateur|Instruction|Input|Entrée|Consigne|Nouvelle question|Context"
    r"|Contexte)[*_]*\s*:"
    r"|^#{2,6}\s*(?:Instruction|Input|User|Human|Question|Consigne|Task|Prompt|System)s?\b",
    re.MULTILINE,
)
_EXERCISE = re.compile(
    r"^[ \t>*#_\-=]*(?P<name>[ÉEée]nonc[ée]|EXERCICE|Exercice|QUESTION|Question|Probl[èe]me"
    r"|PROBL[ÈE]ME|Exercise|Problem|Sujet|Q|Example"
    r"|Exemple|Devoir|Quiz)"
    r"(?P<next>[ \t]+(?:suivante?|next|bonus))?(?P<number>[ \t]*(?:n°|N°|no\.?|#)?[ \t]*(?:\d+"
    r"|[IVX]+|[A-H](?=\s*[:.)])))?"
    r"[*_ \t]*(?:[:.)–—-]|\r?\n|\(|$)",
    re.MULTILINE,
)
_ASKS = re.compile(r"^[^\n]{8,400}\?[*_ \t]*$", re.MULTILINE)
_ANSWERS = re.compile(
    r"^[ \t>*#_]*(?:R[ée]ponse|Answer|Solution|Corrig[ée]|R"
    r"|A)[*_]*\s*(?:finale)?\s*[:=.]",
    re.MULTILINE,
)
_DONE = re.compile(
    r"boxed|r[ée]ponse|answer|donc|ainsi|r[ée]sultat|solution|therefore|conclusion"
    r"|finalement|=|\A\s*\S{1,30}\s*\Z",
    re.IGNORECASE,
)


def own_answer(text: str, prompt: str = "") -> str:
    """Cut a generation where another part begins, unless nothing stands before.

    Args:
        text: A generation without reasoning trace.
        prompt: Question or instruction, whose first line a base model may write again.
    """
    text = _BLANK.sub("  ", _LINES.sub("\n\n", _MARKS.sub(r"\1\1\1", text)))
    text = _PROMPT_TURN.sub("", text, count=1)
    text = _ASKED_FIRST.sub("", text, count=1)
    text = _FIRST_TURN.sub("", text, count=1)
    for end in _TURN.finditer(text):
        if _SUBSTANCE.search(text[: end.start()]):
            text = text[: end.start()]
            break
    text = _before_repetition(_before_next_exercise(text))
    start = prompt.strip().split("\n", 1)[0][:60]
    if len(start) >= 12:
        again = text.find(start, 1)
        if again > 0 and _SUBSTANCE.search(text[:again]) and text[:again].rstrip(" *#_>-").endswith("\n"):
            text = text[:again]
    return text.strip()


_RULE = re.compile(r"^[ \t]*#{2,6}[ \t]*$", re.MULTILINE)
_FIELD = re.compile(r"\A[*_#> ]*([^\W\d_][^:\n]{3,40}:)")


def _before_repetition(text: str) -> str:
    """Cut before a second form of the same fields: « Prix initial : », as a base model goes on."""
    for rule in _RULE.finditer(text):
        if _DONE.search(text[: rule.start()]):
            text = text[: rule.start()]
            break
    field = _FIELD.match(text)
    if field is not None and not _ANSWERS.match(text):
        again = text.find(f"\n{field[1]}", field.end())
        if again > 0 and _DONE.search(text[:again]):
            return text[:again]
    return text


def _before_next_exercise(text: str) -> str:
    first = None
    for found in islice(_EXERCISE.finditer(text), MAX_MARKS):
        before = text[: found.start()]
        if not _SUBSTANCE.search(before):
            first = found
            continue
        if found["name"] in {"Exemple", "Example", "Q"} and not (
            found["next"] or found["number"] or ":" in found.group()
        ):
            continue
        if (
            first is not None
            and found["number"]
            and first["number"]
            and first["name"].casefold() == found["name"].casefold()
        ):
            continue  # The model numbers parts of its own.
        if first is not None and not _ANSWERS.search(before):
            continue
        if _DONE.search(before) or before.endswith("\n\n"):
            return before
    answered = _ANSWERS.search(text)
    if answered is not None:
        for asked in _ASKS.finditer(text, answered.end()):
            if asked.start() > answered.end() and _SUBSTANCE.search(text[answered.end() : asked.start()]):
                return text[: asked.start()]
    return text
