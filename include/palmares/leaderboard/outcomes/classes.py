"""What each failure class says to people, and what may follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from palmares.contract import MODEL_FAULTS, FailureClass

Decision = Literal["succeeded", "retry", "skip", "fail", "cancelled"]


Fault = Literal["model", "machine", "plan", "evaluator", "person", "nobody"]

_FAULTS: Final[dict[FailureClass, Fault]] = {
    FailureClass.SUCCEEDED: "nobody",
    FailureClass.NODE_LOST: "machine",
    FailureClass.PREEMPTED: "machine",
    FailureClass.OUT_OF_MEMORY: "plan",
    FailureClass.WALL_TIME: "plan",
    FailureClass.EVALUATOR_ERROR: "evaluator",
    FailureClass.RESULTS_INCOMPLETE: "evaluator",
    FailureClass.CANCELLED: "person",
}


def fault_of(failure_class: FailureClass) -> Fault:
    """Whose fault a class is; only the model's is charged to a request."""
    return "model" if failure_class in MODEL_FAULTS else _FAULTS[failure_class]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentences:
    """A class in words that tell what to do."""

    en: str
    fr: str


SENTENCES: Final[dict[FailureClass, Sentences]] = {
    FailureClass.SUCCEEDED: Sentences(en="The job is done.", fr="Le calcul est terminé."),
    FailureClass.NODE_LOST: Sentences(
        en="The job's machine failed or gave no sign of life. The model is not at fault.",
        fr="La machine du calcul est tombée ou ne répond plus. Le modèle n'est pas en cause.",
    ),
    FailureClass.PREEMPTED: Sentences(
        en="The job's machine was wanted back. The model is not at fault.",
        fr="La machine du calcul a été reprise. Le modèle n'est pas en cause.",
    ),
    FailureClass.OUT_OF_MEMORY: Sentences(
        en="The job ran out of memory.", fr="Le calcul a manqué de mémoire."
    ),
    FailureClass.WALL_TIME: Sentences(
        en="The job outlived its wall time.", fr="Le calcul a dépassé sa durée maximale."
    ),
    FailureClass.GATED: Sentences(
        en="The model is gated and the leaderboard has no access. Grant it access, then submit again.",
        fr="L'accès au modèle est restreint et ce classement n'y a pas accès. Accordez-le-lui, puis "
        "soumettez de nouveau.",
    ),
    FailureClass.NOT_FOUND: Sentences(
        en="The model is no longer on the Hub. Restore it, then submit again.",
        fr="Le modèle n'est plus sur le Hub. Rétablissez-le, puis soumettez de nouveau.",
    ),
    FailureClass.INCOMPATIBLE: Sentences(
        en="The evaluator cannot load this architecture. Check config.json.",
        fr="L'évaluateur ne sait pas charger cette architecture. Vérifiez config.json.",
    ),
    FailureClass.BAD_MODEL: Sentences(
        en="The model's files could not be loaded. Check that they load with transformers.",
        fr="Les fichiers du modèle n'ont pas pu être chargés. Vérifiez qu'ils se chargent avec transformers.",
    ),
    FailureClass.EVALUATOR_ERROR: Sentences(
        en="The evaluator failed: see the console in ClearML.",
        fr="L'évaluateur a échoué : voyez la console dans ClearML.",
    ),
    FailureClass.RESULTS_INCOMPLETE: Sentences(
        en="The job ended without complete results.",
        fr="Le calcul s'est terminé sans résultats complets.",
    ),
    FailureClass.CANCELLED: Sentences(en="Stopped in ClearML.", fr="Arrêté dans ClearML."),
}
