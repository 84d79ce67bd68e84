"""The card's sentences, in English and in French."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CODE = re.compile(r"(```.*?```|`[^`\n]*`|\]\([^)\n]*\))", re.DOTALL)
_BEFORE_SIGN = re.compile(r" (?=[;!?%»]|:(?!-))|(?<=«) ")
"""Not before ``:--``, which aligns a column."""


def _no_break(match: re.Match[str]) -> str:
    """A narrow space before ; ! and ?, a full one before : and %, as the Imprimerie nationale has it."""
    following = match.string[match.end() : match.end() + 1]
    return "\u202f" if following in {";", "!", "?"} else "\u00a0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One language; braces are filled in by the card."""

    heading: str
    counts: str
    whole: str
    last: str
    empty: str
    model: str
    average: str
    parameters: str
    hours: str
    carbon: str
    legend: str
    plain_mean: str
    weighted_mean: str
    mixed: str
    mean_of: str
    mean_of_tasks: str
    mean_by_size: str
    conjunction: str
    normalised: str
    colon: str
    semicolon: str
    scores_alt: str
    cost_alt: str
    flagged: str
    withdrawn: str
    incomplete: str
    link: str
    formerly: str
    no_template: str
    load: str
    provenance: str
    decimal: str
    result: str
    tasks: str
    generated: str
    chosen: str
    shots: str
    submit: str
    cite: str
    scales: tuple[str, str, str]
    """Of a thousand, a million and a billion parameters."""
    no_break: bool
    """Whether a space before a sign or a unit may not be broken, as French typography has it."""

    def typeset(self, text: str) -> str:
        """*text* with the language's no-break spaces; code and links stay as they are."""
        if not self.no_break:
            return text
        parts = _CODE.split(text)
        parts[::2] = [_BEFORE_SIGN.sub(_no_break, part) for part in parts[::2]]
        return "".join(parts)

    def count(self, value: float) -> str:
        """A number of parameters as people write it: 7 B, 140 k."""
        for limit, scale in ((1e9, self.scales[2]), (1e6, self.scales[1]), (1e3, self.scales[0])):
            if value >= limit:
                return f"{self.quantity(value / limit)}\u00a0{scale}"
        return f"{value:.0f}"

    def quantity(self, value: float) -> str:
        """*value* with three significant digits, or all of those before the decimal sign."""
        text = f"{value:.0f}" if value >= 100 else f"{value:.3g}"
        return text.replace(".", self.decimal)

    def number(self, value: float, digits: int) -> str:
        """*value* with so many decimals, and the language's decimal sign."""
        return f"{value:.{digits}f}".replace(".", self.decimal)


_REQUEST = (
    '```json\n{{"model": "org/model", "revision": "main", "precision": "bfloat16", '
    '"weight_type": "Original", "status": "PENDING"}}\n```'
)
_CITATION = (
    "```bibtex\n@misc{{palmares,\n  title = {{{title}}},\n  year = {{{year}}},\n"
    "  howpublished = {{{url}}}\n}}\n```"
)
_LOAD = (
    '```python\nfrom datasets import load_dataset\n\ncontents = load_dataset("{repo_id}", split="train")\n```'
)

ENGLISH = Words(
    heading="{title}: the leaderboard",
    counts="The best {shown} of {ranked} ranked models; {whole}.",
    whole="the whole leaderboard",
    last="Last evaluation: {day}.",
    empty="No model is ranked yet.",
    model="Model",
    average="Average",
    parameters="Parameters",
    hours="GPU-hours",
    carbon="CO₂ (kg)",
    legend=(
        "Values in per cent, ± one standard error; the average is the {mean} of the columns. GPU-hours "
        "and carbon are of the evaluation, not of the training."
    ),
    plain_mean="plain mean",
    weighted_mean="weighted mean",
    mixed=(
        "**Some results were made with another version of the tasks, the evaluator or the scorer** (columns "
        "`Suite Hash` and `Evaluator`, and each provenance): compare those with care."
    ),
    mean_of="mean of {metrics}",
    mean_of_tasks="mean of {tasks} tasks",
    mean_by_size="mean of {tasks} tasks, each weighted by its number of rows",
    conjunction=" and ",
    normalised=", rescaled so that guessing ({baseline} %) counts as 0",
    colon=": ",
    semicolon="; ",
    scores_alt="Scores of each model with 95 % intervals; the numbers are in the table above",
    cost_alt="Average against the GPU-hours of the evaluation; the numbers are in the table above",
    flagged="Flagged",
    withdrawn="Withdrawn",
    incomplete="Not displayed: a task has no score",
    link="why",
    formerly="formerly {names}",
    no_template="without chat template",
    load="The whole table, with raw scores and standard errors:\n\n" + _LOAD,
    provenance=(
        "Each result lies in {results}, with its provenance: commits, versions, hashes, seeds, plan, cost, "
        "and the command that reproduces it. Questions and answers are hidden."
    ),
    decimal=".",
    result="Result",
    tasks="### The tasks",
    generated="answers are written by the model",
    chosen="the answer is the most likely of the given ones",
    shots="{shots} examples in the prompt",
    submit=(
        "### How to submit a model\n\nOpen a pull request to {requests} with a file "
        "`org/model_eval_request_False_bfloat16_Original.json`:\n\n" + _REQUEST + "\n\n"
        "The model is evaluated in one of the next nights; the file's `status` and `error_msg` tell how far."
    ),
    cite="### How to cite\n\n" + _CITATION,
    scales=("k", "M", "B"),
    no_break=False,
)

FRENCH = Words(
    heading="{title} : le classement",
    counts="Les {shown} meilleurs des {ranked} modèles classés ; {whole}.",
    whole="le classement entier",
    last="Dernière évaluation : {day}.",
    empty="Aucun modèle n’est encore classé.",
    model="Modèle",
    average="Moyenne",
    parameters="Paramètres",
    hours="Heures-GPU",
    carbon="CO₂ (kg)",
    legend=(
        "Valeurs en pour cent, ± une erreur type ; la moyenne est la {mean} des colonnes. Les "
        "heures-GPU et le carbone sont ceux de l’évaluation, pas de l’entraînement."
    ),
    plain_mean="moyenne simple",
    weighted_mean="moyenne pondérée",
    mixed=(
        "**Certains résultats viennent d’une autre version des tâches, de l’évaluateur ou du correcteur** "
        "(colonnes `Suite Hash` et `Evaluator`, et chaque provenance) : à comparer avec précaution."
    ),
    mean_of="moyenne de {metrics}",
    mean_of_tasks="moyenne de {tasks} tâches",
    mean_by_size="moyenne de {tasks} tâches, pondérées par leur nombre de lignes",
    conjunction=" et ",
    normalised=", ramené de sorte que le hasard ({baseline} %) compte pour 0",
    colon=" : ",
    semicolon=" ; ",
    scores_alt="Scores de chaque modèle avec intervalles à 95 % ; les nombres sont dans le tableau ci-dessus",
    cost_alt="Moyenne selon les heures-GPU de l’évaluation ; les nombres sont dans le tableau ci-dessus",
    flagged="Signalés",
    withdrawn="Retirés",
    incomplete="Non affichés : il manque le score d’une tâche",
    link="pourquoi",
    formerly="anciennement {names}",
    no_template="sans gabarit de dialogue",
    load="Le tableau entier, avec scores bruts et erreurs types :\n\n" + _LOAD,
    provenance=(
        "Chaque résultat se trouve dans {results}, avec sa provenance : commits, versions, empreintes, "
        "graines, plan, coût, et la commande qui le reproduit. Questions et réponses sont cachées."
    ),
    decimal=",",
    result="Résultat",
    tasks="### Les tâches",
    generated="le modèle écrit sa réponse",
    chosen="la réponse est la plus vraisemblable de celles qui sont proposées",
    shots="{shots} exemples dans la consigne",
    submit=(
        "### Soumettre un modèle\n\nOuvrez une pull request sur {requests} avec un fichier "
        "`org/model_eval_request_False_bfloat16_Original.json` :\n\n" + _REQUEST + "\n\n"
        "Le modèle est évalué l’une des nuits suivantes ; `status` et `error_msg` du fichier disent la suite."
    ),
    cite="### Citer ce classement\n\n" + _CITATION,
    scales=("k", "M", "Md"),
    no_break=True,
)
