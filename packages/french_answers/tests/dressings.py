"""Ways in which a model dresses an answer that no teacher would mark down."""

from __future__ import annotations

from collections.abc import Callable

Dress = Callable[[str], str]


def _plainly(before: str, after: str) -> Dress:
    return lambda text: f"{before}{text}{after}"


_BEFORE = {
    "greeting": "Bonjour ! Voici ma réponse.\n\n",
    "sure": "Bien sûr ! Résolvons cela ensemble.\n\n",
    "english opening": "Sure! Let's solve this step by step.\n\n",
    "heading": "## Solution\n\n",
    "bold heading": "**Résolution**\n\n",
    "reasoning trace": "<think>\nOn essaie 3, puis 4. Non, pas 4.\n</think>\n\n",
    "mistral trace": "[THINK]Hmm, 17 ? Vérifions.[/THINK]",
    "chat marker": "<|im_start|>assistant\n",
    "role": "Assistant : ",
    "reminder": "On rappelle que l'énoncé doit être lu avec attention.\n\n",
    "blank lines": "\n\n\n",
    "rule": "---\n\n",
    "emoji": "👉 ",
    "quoted": "> ",
    "html opening": "<div>",
    "instruction echo": "[INST] Répondez à la question. [/INST] ",
    "method": "Méthode : on applique la formule du cours.\n\n",
}
_AFTER = {
    "politeness": "\n\nJ'espère que cela vous aide !",
    "offer": "\n\nN'hésitez pas à me demander plus de détails.",
    "english farewell": "\n\nHope this helps!",
    "let me know": "\n\nLet me know if you have any other questions.",
    "emoji": " ✅",
    "party": " 🎉🎉",
    "smile": " 😊",
    "proof ended": " C.Q.F.D.",
    "square": " $\\square$",
    "document ended": "\n\\end{document}",
    "turn ended": "<|im_end|>",
    "sequence ended": "</s>",
    "llama turn": "<|eot_id|>",
    "gemma turn": "<end_of_turn>",
    "next exercise": "\n\nExercice 2\nCombien de côtés a un hexagone ?\nRéponse : 6",
    "next statement": "\n\nÉnoncé : Combien font 5 + 5 ?\nRéponse : 10",
    "next question": "\n\nQuestion : Quelle est la capitale de l'Italie ?\nRéponse : Rome",
    "markdown question": "\n\n### Question\nQui a écrit Candide ?\n\n### Réponse\nVoltaire",
    "short question": "\n\nQ: What is 2+2?\nA: 4",
    "human turn": "\n\nHuman: And what is 3 times 7?\nAssistant: 21",
    "user turn": "\n\nUser: merci\nAssistant: De rien !",
    "chat turn": "<|im_end|>\n<|im_start|>user\nEt 5 fois 6 ?<|im_end|>\n<|im_start|>assistant\n30",
    "instruct turn": "</s>[INST] Et 5 fois 6 ? [/INST] 30",
    "remark": "\n\nRemarque : ce type de question est fréquent à l'examen.",
    "remark with a number": "\n\nRemarque : ce résultat a été vu au chapitre 8.",
    "note": "\n\nNB : on pense à bien relire l'énoncé.",
    "information": "\n\nPour information, cet exercice est noté sur 4 points.",
    "check": "\n\nVérification : le résultat est cohérent.",
    "interpretation": "\n\nInterprétation : cela correspond bien à ce que l'on attendait.",
    "other method": "\n\nAutre méthode : on pouvait aussi faire un schéma.",
    "further": "\n\n---\n\n**Pour aller plus loin**\n\nOn pourra étudier le cas général avec 12 valeurs.",
    "source": "\n\nSource : manuel de terminale, page 112.",
    "blank": "   \n\n",
    "rule": "\n\n---",
    "fence": "\n```",
    "html end": "</div>",
    "line break": "<br>",
    "space command": "\\,",
    "nonbreaking space": "&nbsp;",
    "coherent": "\n\nCe résultat est cohérent avec l'énoncé.",
    "encouragement": "\n\nBon courage pour la suite !",
    "attention": "\n\nAttention à ne pas confondre avec l'exercice précédent.",
}
_AROUND: dict[str, Dress] = {
    "bold": _plainly("**", "**"),
    "italic": _plainly("*", "*"),
    "underlined": _plainly("<u>", "</u>"),
    "html bold": _plainly("<b>", "</b>"),
    "paragraph": _plainly("<p>", "</p>"),
    "answer tag": _plainly("<answer>", "</answer>"),
    "announced": _plainly("Réponse : ", ""),
    "finally announced": _plainly("**Réponse finale :** ", ""),
    "english announcement": _plainly("Final answer: ", ""),
    "conclusion": _plainly("Conclusion : ", ""),
    "centred": _plainly("\\begin{center}\n", "\n\\end{center}"),
    "spaces": _plainly("  ", "  "),
    "quote marks": _plainly("« ", " »"),
    "heading of an answer": _plainly("### Réponse\n\n", ""),
    "bold announcement": _plainly("**Réponse** : **", "**"),
    "full stop": lambda text: text if text.rstrip()[-1:] in ".!?" else f"{text}.",
    "wide full stop": lambda text: text if text.rstrip()[-1:] in ".!?" else f"{text}。",
    "exclamation": lambda text: text if text.rstrip()[-1:] in ".!?" else f"{text} !",
}
DRESSINGS: dict[str, Dress] = (
    {f"before: {name}": _plainly(before, "") for name, before in _BEFORE.items()}
    | {f"after: {name}": _plainly("", after) for name, after in _AFTER.items()}
    | {f"around: {name}": dress for name, dress in _AROUND.items()}
)
STATEMENTS_ONLY = frozenset(f"around: {name}" for name in _AROUND)
"""Dressings of one statement: a whole text is not bold, and not announced as an answer."""
