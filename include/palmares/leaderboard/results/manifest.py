"""The manifest of a job's results: what ran, what it wrote, and the hashes."""

from __future__ import annotations

from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from palmares.contract import LM_EVAL_PREFIX, RESULTS_PREFIX


class _Part(BaseModel):
    """Unknown keys are ignored: a newer evaluator may say more."""

    model_config = ConfigDict(frozen=True, extra="ignore", serialize_by_alias=True)


class ManifestModel(_Part):
    """The model that was evaluated."""

    id: str
    revision: str
    parameters: int | None = None


class ManifestSuite(_Part):
    """The suite that was evaluated."""

    name: str
    hash: str


class ManifestTask(_Part):
    """One task's outcome, as the evaluator counted it."""

    rows: int = Field(ge=0)
    expected_rows: int = Field(ge=1)
    dataset_sha256: str
    lm_eval_task: str
    metrics: dict[str, float]
    """The evaluator's own numbers, unrounded; scorers grade again."""
    details: str
    """Path of the details in the folder."""


class ManifestFile(_Part):
    """One file of the folder."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class Manifest(_Part):
    """``manifest.json`` (docs/reference/formats.md, "Artifact results")."""

    schema_: int = Field(alias="schema")
    job_key: str
    attempt: int = Field(ge=1)
    clearml_task_id: str | None = None
    model: ManifestModel
    suite: ManifestSuite
    backend: str
    precision: str
    use_chat_template: bool
    chat_template_sha256: str | None = None
    limit_samples: int | None = None
    seed: int
    versions: dict[str, str | None]
    started_at: datetime
    ended_at: datetime
    duration_s: float = Field(ge=0)
    tasks: dict[str, ManifestTask]
    """By task key, e.g. ``community|bac-fr|0``."""
    files: dict[str, ManifestFile]
    """Every file but the manifest, by path in the folder."""

    @model_validator(mode="after")
    def _paths_stay_inside(self) -> Self:
        for path in (*self.files, *(task.details for task in self.tasks.values())):
            parts = PurePosixPath(path).parts
            if not parts or path.startswith("/") or ".." in parts or "\\" in path or "\0" in path:
                raise ValueError(f"{path!r} leaves the folder")
        for key, task in self.tasks.items():
            if task.details not in self.files:
                raise ValueError(f"the details of {key} ({task.details}) are not among the files")
        return self

    @property
    def results_file(self) -> str:
        """The leaderboard-schema JSON, ``results_<ts>.json``.

        Raises:
            ValueError: There is none, or several.
        """
        return self._only(RESULTS_PREFIX)

    @property
    def lm_eval_file(self) -> str:
        """The lm-eval JSON, ``lm_eval_<ts>.json``.

        Raises:
            ValueError: There is none, or several.
        """
        return self._only(LM_EVAL_PREFIX)

    @property
    def timestamp(self) -> str:
        """``YYYY-MM-DDTHH-MM-SS.ffffff``, the same in all of a job's file names."""
        return self.results_file.removeprefix(RESULTS_PREFIX).removesuffix(".json")

    def _only(self, prefix: str) -> str:
        found = [path for path in self.files if path.startswith(prefix) and path.endswith(".json")]
        if len(found) != 1:
            raise ValueError(f"expected one {prefix}*.json, found {found}")
        return found[0]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, under the file's own names."""
        return self.model_dump(mode="json")
