"""The card's sentences, in English and in French."""

from __future__ import annotations

from dataclasses import dataclass


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
    mixed: str
    mean_of: str
    conjunction: str
    normalised: str
    colon: str
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

    def quantity(self, value: float) -> str:
        """*value* with three significant digits, or all of those before the decimal sign."""
        text = f"{value:.0f}" if value >= 100 else f"{value:.3g}"
        return text.replace(".", self.decimal)

    def number(self, value: float, digits: int) -> str:
        """*value* with so many decimals, and the language's decimal sign."""
        return f"{value:.{digits}f}".replace(".", self.decimal)


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
    parameters="Parameters (B)",
    hours="GPU-hours",
    carbon="CO₂ (kg)",
    legend=(
        "Values in per cent, ± one standard error; the average is the plain mean of the columns. GPU-hours "
        "and carbon are of the evaluation, not of the training."
    ),
    mixed=(
        "**Some results were made with another version of the tasks, the evaluator or the scorer** (columns "
        "`Suite Hash` and `Evaluator`, and each provenance): compare those with care."
    ),
    mean_of="mean of {metrics}",
    conjunction=" and ",
    normalised=", rescaled so that guessing ({baseline} %) counts as 0",
    colon=": ",
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
)

FRENCH = Words(
    heading="{title} : le classement",
    counts="Les {shown} meilleurs des {ranked} modèles classés ; {whole}.",
    whole="le classement entier",
    last="Dernière évaluation : {day}.",
    empty="Aucun modèle n’est encore classé.",
    model="Modèle",
    average="Moyenne",
    parameters="Paramètres (Md)",
    hours="Heures-GPU",
    carbon="CO₂ (kg)",
    legend=(
        "Valeurs en pour cent, ± une erreur type ; la moyenne est la moyenne simple des colonnes. Les "
        "heures-GPU et le carbone sont ceux de l’évaluation, pas de l’entraînement."
    ),
    mixed=(
        "**Certains résultats viennent d’une autre version des tâches, de l’évaluateur ou du correcteur** "
        "(colonnes `Suite Hash` et `Evaluator`, et chaque provenance) : à comparer avec précaution."
    ),
    mean_of="moyenne de {metrics}",
    conjunction=" et ",
    normalised=", ramené de sorte que le hasard ({baseline} %) compte pour 0",
    colon=" : ",
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
)
