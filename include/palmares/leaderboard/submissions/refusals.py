"""Every reason for which a submission is refused: code, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from palmares.leaderboard.errors import Refusal, RefusedError
from palmares.texts import Language, Message, marked, message

MESSAGES: Final[dict[str, str]] = {
    "invalid_json": marked(
        "The request file is not a JSON object ({detail}). Submit the model again through the form."
    ),
    "invalid_request": marked(
        "The request cannot be read: {detail}. Correct the file, or submit the model again."
    ),
    "invalid_name": marked(
        "{name} is not the name of a Hub repository ({detail}). Write it as organisation/model."
    ),
    "invalid_revision": marked(
        "{name} is not a revision ({detail}). Give a branch, a tag or a commit of the model."
    ),
    "unsupported_precision": marked(
        "The precision {name} is not evaluated. Submit the model with one of: {allowed}."
    ),
    "unsupported_weight_type": marked(
        "The weight type {name} is not evaluated. Submit merged weights, with one of: {allowed}."
    ),
    "missing_base_model": marked(
        "The weight type {name} needs a base model, and the request names none. Fill in base_model."
    ),
    "withdrawn": marked(
        "The model {name} was withdrawn from the leaderboard ({detail}). Write to the leaderboard's team if "
        "you disagree."
    ),
    "not_found": marked(
        "There is no public model {name} on the Hub. Check the spelling, or make it public; it is looked at "
        "again every night."
    ),
    "revision_not_found": marked(
        "The model {name} has no revision {revision}. Give an existing branch, tag or commit."
    ),
    "gated": marked(
        "The model {name} is gated and this leaderboard has no access. Grant it access, or lift the gate; "
        "it is looked at again every night."
    ),
    "no_weights": marked(
        "The model {name} has no weights that can be loaded at this revision ({detail}). "
        "Upload them as {allowed}."
    ),
    "no_config": marked(
        "The model {name} has no config.json that can be read. Upload the one of its training."
    ),
    "custom_code": marked(
        "The model {name} needs code of its own, which is not run here. Submit a version that the "
        "transformers library loads without trust_remote_code."
    ),
    "no_license": marked(
        "The model {name} declares no licence, and this leaderboard asks for one. Add license to the "
        "metadata of its README.md."
    ),
    "license_not_allowed": marked(
        "The licence {license} of the model {name} is not admitted here. Submit a model under one of: "
        "{allowed}."
    ),
    "no_tokenizer": marked(
        "The model {name} has no tokenizer at this revision. Upload its tokenizer.json, or the files that "
        "its tokenizer is made of."
    ),
    "no_chat_template": marked(
        "The request asks for the chat template, and the model {name} has none. Upload a "
        "chat_template.jinja, or submit it again with use_chat_template false."
    ),
    "duplicate": marked("The same model is already submitted in {path}. Nothing to do; follow that request."),
    "already_evaluated": marked(
        "The same model has its result already, from {path}. Nothing to do; for a new result set the status "
        "of that request to RERUN."
    ),
    "incompatible": marked("The model {name} cannot be evaluated: {detail}. {advice}"),
    "too_large": marked(
        "The model {name} does not fit on {cluster}: {detail}. Submit a smaller or quantised version."
    ),
}
"""Sentence by code; docs/operate/requests.md lists them for submitters."""

LONGEST_VALUE = 400
"""Characters of one value in a sentence; a name that is a megabyte long is cut."""


def refusal(code: str, **values: str | Message) -> Refusal:
    """Write a refusal; values come from strangers and are shortened and made printable.

    Raises:
        KeyError: *code* is unknown, or a value that its sentence needs is missing.
    """
    source = MESSAGES[code]
    return Refusal(
        code=code, message_en=_written(source, values, "en"), message_fr=_written(source, values, "fr")
    )


def _written(source: str, values: Mapping[str, str | Message], language: Language) -> str:
    shown = {
        name: _printable(value.text(language) if isinstance(value, Message) else value)
        for name, value in values.items()
    }
    return message(source, **shown).text(language)


def refused(code: str, **values: str | Message) -> RefusedError:
    """The error to raise for a refusal."""
    return RefusedError(refusal(code, **values))


def duplicate_refusal(winner_path: str) -> Refusal:
    """Refuse a request because the one at *winner_path* is evaluated for it."""
    return refusal("duplicate", path=winner_path)


def evaluated_refusal(earlier_path: str) -> Refusal:
    """Refuse a request because the one at *earlier_path* has its result."""
    return refusal("already_evaluated", path=earlier_path)


def _printable(value: str) -> str:
    text = "".join(character if character.isprintable() else "\ufffd" for character in value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
