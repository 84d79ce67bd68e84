"""Every reason for which a submission is refused: code, and what to do, in English and French."""

from __future__ import annotations

from palmares.leaderboard.errors import Refusal, RefusedError

MESSAGES: dict[str, tuple[str, str]] = {
    "invalid_json": (
        "The request file is not a JSON object ({detail}). Submit the model again through the form.",
        "Le fichier de demande n'est pas un objet JSON ({detail}). Soumettez de nouveau le modèle "
        "par le formulaire.",
    ),
    "invalid_request": (
        "The request cannot be read: {detail}. Correct the file, or submit the model again.",
        "La demande est illisible : {detail}. Corrigez le fichier, ou soumettez de nouveau le modèle.",
    ),
    "invalid_name": (
        "{name} is not the name of a Hub repository ({detail}). Write it as organisation/model.",
        "{name} n'est pas le nom d'un dépôt du Hub ({detail}). Écrivez-le sous la forme organisation/modèle.",
    ),
    "invalid_revision": (
        "{name} is not a revision ({detail}). Give a branch, a tag or a commit of the model.",
        "{name} n'est pas une révision ({detail}). Donnez une branche, une étiquette ou un commit du modèle.",
    ),
    "unsupported_precision": (
        "The precision {name} is not evaluated. Submit the model with one of: {allowed}.",
        "La précision {name} n'est pas évaluée. Soumettez le modèle avec l'une de celles-ci : {allowed}.",
    ),
    "unsupported_weight_type": (
        "The weight type {name} is not evaluated. Submit merged weights, with one of: {allowed}.",
        "Le type de poids {name} n'est pas évalué. Soumettez des poids fusionnés, avec l'un de ceux-ci : "
        "{allowed}.",
    ),
    "missing_base_model": (
        "The weight type {name} needs a base model, and the request names none. Fill in base_model.",
        "Le type de poids {name} demande un modèle de base, et la demande n'en nomme aucun. "
        "Remplissez base_model.",
    ),
    "withdrawn": (
        "The model {name} was withdrawn from the leaderboard ({detail}). Write to the leaderboard's team if "
        "you disagree.",
        "Le modèle {name} a été retiré du classement ({detail}). Écrivez à l'équipe du classement si vous "
        "n'êtes pas d'accord.",
    ),
    "not_found": (
        "There is no public model {name} on the Hub. Check the spelling, or make it public; it is looked at "
        "again every night.",
        "Il n'y a pas de modèle public {name} sur le Hub. Vérifiez l'orthographe, ou rendez-le public ; "
        "la demande est relue chaque nuit.",
    ),
    "revision_not_found": (
        "The model {name} has no revision {revision}. Give an existing branch, tag or commit.",
        "Le modèle {name} n'a pas de révision {revision}. Donnez une branche, une étiquette ou un commit "
        "qui existe.",
    ),
    "gated": (
        "The model {name} is gated and this leaderboard has no access. Grant it access, or lift the gate; "
        "it is looked at again every night.",
        "L'accès au modèle {name} est restreint et ce classement n'y a pas accès. Accordez-le-lui, ou levez "
        "la restriction ; la demande est relue chaque nuit.",
    ),
    "no_weights": (
        "The model {name} has no weights that can be loaded at this revision ({detail}). "
        "Upload them as {allowed}.",
        "Le modèle {name} n'a pas de poids que l'on puisse charger à cette révision ({detail}). "
        "Déposez-les au format {allowed}.",
    ),
    "no_config": (
        "The model {name} has no config.json that can be read. Upload the one of its training.",
        "Le modèle {name} n'a pas de config.json lisible. Déposez celui de son entraînement.",
    ),
    "custom_code": (
        "The model {name} needs code of its own, which is not run here. Submit a version that the "
        "transformers library loads without trust_remote_code.",
        "Le modèle {name} demande l'exécution de son propre code, ce qui est refusé ici. Soumettez une "
        "version que la bibliothèque transformers charge sans trust_remote_code.",
    ),
    "no_license": (
        "The model {name} declares no licence, and this leaderboard asks for one. Add license to the "
        "metadata of its README.md.",
        "Le modèle {name} n'indique pas de licence, et ce classement en demande une. Ajoutez license aux "
        "métadonnées de son README.md.",
    ),
    "license_not_allowed": (
        "The licence {license} of the model {name} is not admitted here. Submit a model under one of: "
        "{allowed}.",
        "La licence {license} du modèle {name} n'est pas admise ici. Soumettez un modèle sous l'une de "
        "celles-ci : {allowed}.",
    ),
    "no_tokenizer": (
        "The model {name} has no tokenizer at this revision. Upload its tokenizer.json, or the files that "
        "its tokenizer is made of.",
        "Le modèle {name} n'a pas de tokenizer à cette révision. Déposez son tokenizer.json, ou les fichiers "
        "dont son tokenizer est fait.",
    ),
    "no_chat_template": (
        "The request asks for the chat template, and the model {name} has none. Upload a "
        "chat_template.jinja, or submit it again with use_chat_template false.",
        "La demande réclame le gabarit de conversation, et le modèle {name} n'en a pas. Déposez un "
        "chat_template.jinja, ou soumettez-le de nouveau avec use_chat_template à false.",
    ),
    "duplicate": (
        "The same model is already submitted in {path}. Nothing to do; follow that request.",
        "Le même modèle est déjà soumis dans {path}. Il n'y a rien à faire ; suivez cette demande.",
    ),
    "already_evaluated": (
        "The same model has its result already, from {path}. Nothing to do; for a new result set the status "
        "of that request to RERUN.",
        "Le même modèle a déjà son résultat, issu de {path}. Il n'y a rien à faire ; pour un nouveau "
        "résultat, mettez le statut de cette demande à RERUN.",
    ),
    "incompatible": (
        "The model {name} cannot be evaluated: {detail}. {advice}",
        "Le modèle {name} ne peut pas être évalué : {detail_fr}. {advice_fr}",
    ),
    "too_large": (
        "The model {name} does not fit on {cluster}: {detail}. Submit a smaller or quantised version.",
        "Le modèle {name} ne tient pas sur {cluster} : {detail_fr}. Soumettez une version plus petite "
        "ou quantifiée.",
    ),
}
"""English and French sentence by code; docs/operate/requests.md lists them for submitters."""

LONGEST_VALUE = 400
"""Characters of one value in a sentence; a name that is a megabyte long is cut."""


def refusal(code: str, **values: object) -> Refusal:
    """Write a refusal; values come from strangers and are shortened and made printable.

    Raises:
        KeyError: *code* is unknown, or a value that its sentence needs is missing.
    """
    english, french = MESSAGES[code]
    shown = {name: _printable(value) for name, value in values.items()}
    return Refusal(code=code, message_en=english.format(**shown), message_fr=french.format(**shown))


def refused(code: str, **values: object) -> RefusedError:
    """The error to raise for a refusal."""
    return RefusedError(refusal(code, **values))


def duplicate_refusal(winner_path: str) -> Refusal:
    """Refuse a request because the one at *winner_path* is evaluated for it."""
    return refusal("duplicate", path=winner_path)


def evaluated_refusal(earlier_path: str) -> Refusal:
    """Refuse a request because the one at *earlier_path* has its result."""
    return refusal("already_evaluated", path=earlier_path)


def _printable(value: object) -> str:
    text = "".join(character if character.isprintable() else "\ufffd" for character in str(value))
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
