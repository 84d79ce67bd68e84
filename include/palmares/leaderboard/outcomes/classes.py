"""The classes of endings: which are the model's fault, and what each says to people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

FailureClass = Literal[
    "succeeded",
    "node_lost",
    "preempted",
    "out_of_memory",
    "wall_time",
    "gated",
    "not_found",
    "incompatible",
    "bad_model",
    "evaluator_error",
    "results_incomplete",
    "cancelled",
]

Outcome = Literal["succeeded", "retry", "skip", "fail", "cancelled"]

MODELS_FAULT: Final = frozenset({"gated", "not_found", "incompatible", "bad_model"})
"""No retry: the request fails, and its sender reads why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentences:
    """A class in words that tell what to do."""

    en: str
    fr: str


SENTENCES: Final[dict[FailureClass, Sentences]] = {
    "succeeded": Sentences(en="The job is done.", fr="Le calcul est terminé."),
    "node_lost": Sentences(
        en="The job's machine failed or gave no sign of life. The model is not at fault.",
        fr="La machine du calcul est tombée ou ne répond plus. Le modèle n'est pas en cause.",
    ),
    "preempted": Sentences(
        en="The job's machine was wanted back. The model is not at fault.",
        fr="La machine du calcul a été reprise. Le modèle n'est pas en cause.",
    ),
    "out_of_memory": Sentences(en="The job ran out of memory.", fr="Le calcul a manqué de mémoire."),
    "wall_time": Sentences(en="The job outlived its wall time.", fr="Le calcul a dépassé sa durée maximale."),
    "gated": Sentences(
        en="The model is gated and the leaderboard has no access. Grant it access, then submit again.",
        fr="L'accès au modèle est restreint et ce classement n'y a pas accès. Accordez-le-lui, puis "
        "soumettez de nouveau.",
    ),
    "not_found": Sentences(
        en="The model is no longer on the Hub. Restore it, then submit again.",
        fr="Le modèle n'est plus sur le Hub. Rétablissez-le, puis soumettez de nouveau.",
    ),
    "incompatible": Sentences(
        en="The evaluator cannot load this architecture. Check config.json.",
        fr="L'évaluateur ne sait pas charger cette architecture. Vérifiez config.json.",
    ),
    "bad_model": Sentences(
        en="The model's files could not be loaded. Check that they load with transformers.",
        fr="Les fichiers du modèle n'ont pas pu être chargés. Vérifiez qu'ils se chargent avec transformers.",
    ),
    "evaluator_error": Sentences(
        en="The evaluator failed: see the console in ClearML.",
        fr="L'évaluateur a échoué : voyez la console dans ClearML.",
    ),
    "results_incomplete": Sentences(
        en="The job ended without complete results.",
        fr="Le calcul s'est terminé sans résultats complets.",
    ),
    "cancelled": Sentences(en="Stopped in ClearML.", fr="Arrêté dans ClearML."),
}
