"""Finds a model's files: on the Hub at one commit, or in a local folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from palmares.evaluator.failures import EvaluationFailure, known_failure

_WANTED = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "*.tiktoken")
_REQUEST_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """A model whose files are on this machine."""

    model: str
    """As in the job: what results are filed under."""
    revision: str
    """Commit on the Hub; for a local folder, a hash of its files. 40 hex digits."""
    folder: Path
    is_local: bool

    @property
    def repository(self) -> str:
        """What every node of an engine can load by itself: the Hub id, or the folder's path."""
        return str(self.folder) if self.is_local else self.model


def find_model(model: str, revision: str) -> ModelSource:
    """Download a model at one commit; no code of it is fetched, and weights only as safetensors.

    Args:
        model: Hub id; or a path that begins with ``/`` or ``.``.
        revision: Commit, branch or tag; resolved once.

    Raises:
        EvaluationFailure: ``not_found``, ``gated`` or ``bad_model``; ``evaluator_error``: the Hub is unwell.
    """
    source = _local(model) if model.startswith(("/", ".")) else _from_hub(model, revision)
    if not any(source.folder.glob("*.safetensors")):
        raise EvaluationFailure(
            "bad_model", f"{model} holds no *.safetensors file. Upload weights as safetensors."
        )
    if not (source.folder / "config.json").is_file():
        raise EvaluationFailure("bad_model", f"{model} holds no config.json. Upload it beside the weights.")
    return source


def _local(model: str) -> ModelSource:
    folder = Path(model).resolve()
    if not folder.is_dir():
        raise EvaluationFailure("not_found", f"{folder}: no such folder.")
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return ModelSource(model=model, revision=digest.hexdigest()[:40], folder=folder, is_local=True)


def _from_hub(model: str, revision: str) -> ModelSource:
    import httpx2
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        commit = HfApi().model_info(model, revision=revision, timeout=_REQUEST_S).sha
        folder = snapshot_download(model, revision=commit, allow_patterns=list(_WANTED))
    except GatedRepoError as error:
        raise EvaluationFailure("gated", f"{model} is gated, and this token has no access.") from error
    except HFValidationError as error:
        raise EvaluationFailure("not_found", f"{model!r} is no name of a model.") from error
    except RevisionNotFoundError as error:
        raise EvaluationFailure("not_found", f"{model} has no revision {revision}.") from error
    except RepositoryNotFoundError as error:
        raise EvaluationFailure("not_found", f"{model} is not on the Hub, or is private.") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        if status in {401, 404}:  # 401 is how the Hub hides what does not exist.
            raise EvaluationFailure(
                "not_found", f"{model} at {revision} is not on the Hub ({status})."
            ) from error
        if status == 403:
            raise EvaluationFailure("gated", f"This token may not read {model} (403).") from error
        raise EvaluationFailure(
            "evaluator_error", f"The Hub answered {status} for {model}. Try again."
        ) from error
    except (LocalEntryNotFoundError, httpx2.HTTPError, OSError) as error:
        if (known := known_failure(error, while_doing=f"downloading {model}")) is not None:
            raise known from error
        raise EvaluationFailure(
            "evaluator_error",
            f"{model} could not be downloaded ({type(error).__name__}). Check HF_ENDPOINT, try again.",
        ) from error
    if not commit:
        raise EvaluationFailure("evaluator_error", f"The Hub names no commit for {model} at {revision}.")
    return ModelSource(model=model, revision=commit, folder=Path(folder), is_local=False)
