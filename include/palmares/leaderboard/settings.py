"""Reads leaderboard.yaml and clusters.yaml into frozen settings; unknown keys are refused by name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

from french_answers import GradingPolicy
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt, model_validator

from palmares.contract import PRECISIONS, WEIGHT_TYPES
from palmares.leaderboard.clusters import Cluster
from palmares.leaderboard.errors import SettingsError
from palmares.leaderboard.outcomes.budgets import RetryBudgets
from palmares.leaderboard.planning.overrides import OVERRIDES_FILE, Overrides, load_overrides
from palmares.leaderboard.planning.reading import Reading
from palmares.leaderboard.publishing.settings import PublishingSettings
from palmares.leaderboard.submissions.policy import AdmissionPolicy, QueuePolicy
from palmares.leaderboard.suites import Suite, SuiteTask
from palmares.leaderboard.yaml_files import parse_settings, read_yaml

__all__ = ["Cluster", "Settings", "Suite", "SuiteTask", "load_settings"]

PROJECT_ROOT = Path(__file__).resolve().parents[3]
DEFAULT_CONFIG_DIR = PROJECT_ROOT / "include" / "config"
CONFIG_DIR_VARIABLE = "PALMARES_CONFIG_DIR"
STORAGE_URL_VARIABLE = "PALMARES_STORAGE_URL"


class HubSettings(BaseModel):
    """Datasets on the Hub."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests_repo: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    results_repo: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    details_repo: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    """Private: holds prompts, answers and generations."""
    commits_per_hour: PositiveInt = 90
    """Commits that we make at most, over all datasets and workers; the Hub takes 128."""
    files_per_commit: PositiveInt = 99
    """The Hub advises fewer than a hundred."""
    linger_s: NonNegativeFloat = 2.0
    """A publication waits until no other one was queued for so long: several share a commit."""
    longest_linger_s: NonNegativeFloat = 30.0
    """… but not longer than this, unless the hour's commits are nearly used up."""


class ClearMLSettings(BaseModel):
    """How jobs look in ClearML; addresses and keys are an Airflow connection's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: str
    script: str
    """The evaluator's entry script, relative to the project's root."""


class Limits(BaseModel):
    """Bounds on what one run takes, and on what is tried without a person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_models_per_run: PositiveInt = 50
    evaluator_errors_in_a_row: PositiveInt = 6
    """Attempts of one job; after so many a person decides. Two a night with one retry: three nights."""


class Policies(BaseModel):
    """What the leaderboard evaluates."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow_custom_code: bool = False
    use_chat_template_by_default: bool = True
    """For requests that do not say."""
    precisions: tuple[str, ...]
    weight_types: tuple[str, ...]
    weights_formats: tuple[str, ...]
    """Formats that are loaded; pickles run code."""
    unknown_architectures: Literal["refuse", "conservative"] = "refuse"
    """A model class that the planner does not know: refused, or planned as a dense decoder, and said so."""
    encoder_decoders: bool = False
    """Evaluate encoder-decoders, which transformers serves on one device and vLLM does not."""

    @property
    def reading(self) -> Reading:
        """The part that the planner follows."""
        return Reading(
            unknown=self.unknown_architectures,
            allow_custom_code=self.allow_custom_code,
            encoder_decoders=self.encoder_decoders,
        )


class Settings(BaseModel):
    """Everything that somebody may tune."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hub: HubSettings
    storage_url: str
    """Raw outputs: any fsspec URL; a relative path is below the project's root."""
    clearml: ClearMLSettings
    evaluator_version: str
    """Part of the job key: raise it when the same suite would give other outputs."""
    limits: Limits = Limits()
    retries: RetryBudgets = RetryBudgets()
    """How often a job is tried again in one night, by failure class."""
    policies: Policies
    publishing: PublishingSettings = PublishingSettings()
    admission: AdmissionPolicy = AdmissionPolicy()
    queue: QueuePolicy = QueuePolicy()
    grading: GradingPolicy = GradingPolicy()
    """What the bac-fr scorer accepts where the right verdict is a choice (docs/explanation/grading.md)."""
    default_suite: str
    default_cluster: str
    suites: dict[str, Suite]
    clusters: dict[str, Cluster]
    overrides: Overrides = Field(default_factory=Overrides)
    """What people set by hand for single models: overrides.yaml beside the other two, if there is one."""

    @model_validator(mode="after")
    def _defaults_exist(self) -> Self:
        if self.default_suite not in self.suites:
            raise ValueError(f"default_suite {self.default_suite!r} is none of {sorted(self.suites)}")
        if self.default_cluster not in self.clusters:
            raise ValueError(f"default_cluster {self.default_cluster!r} is none of {sorted(self.clusters)}")
        return self

    @property
    def contents_repo(self) -> str:
        """Dataset of the contents table: ``contents`` in the results' namespace, unless another is named."""
        beside = f"{self.hub.results_repo.split('/')[0]}/contents"
        return self.publishing.contents_repo or beside

    def suite(self, name: str | None = None) -> Suite:
        """Find a suite; the default one without a name.

        Raises:
            SettingsError: No such suite.
        """
        wanted = name or self.default_suite
        if wanted not in self.suites:
            raise SettingsError(
                f"No suite {wanted!r} in leaderboard.yaml; take one of {sorted(self.suites)}."
            )
        return self.suites[wanted]

    def cluster(self, name: str | None = None) -> Cluster:
        """Find a cluster; the default one without a name.

        Raises:
            SettingsError: No such cluster.
        """
        wanted = name or self.default_cluster
        if wanted not in self.clusters:
            raise SettingsError(
                f"No cluster {wanted!r} in clusters.yaml; take one of {sorted(self.clusters)}."
            )
        return self.clusters[wanted]


class _ClustersFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    clusters: dict[str, Cluster]


def load_settings(config_dir: Path | None = None) -> Settings:
    """Read both files, each suite of ``suites/``, and overrides.yaml where there is one.

    Args:
        config_dir: Folder of the files. None: the environment variable ``PALMARES_CONFIG_DIR``, else
            ``include/config``. ``PALMARES_STORAGE_URL`` overrides ``storage_url``.

    Raises:
        SettingsError: A file is missing or wrong; the file and the keys are named.
    """
    folder = config_dir or Path(os.environ.get(CONFIG_DIR_VARIABLE) or DEFAULT_CONFIG_DIR)
    clusters_path = folder / "clusters.yaml"
    clusters = parse_settings(_ClustersFile, _with_names(read_yaml(clusters_path), "clusters"), clusters_path)
    path, overrides_path = folder / "leaderboard.yaml", folder / OVERRIDES_FILE
    data = _with_names(_with_suites(read_yaml(path), folder / "suites"), "suites")
    if isinstance(data, dict):
        if "clusters" in data:
            raise SettingsError(f"{path}: unknown key 'clusters'. Clusters are described in {clusters_path}.")
        if "overrides" in data:
            raise SettingsError(f"{path}: unknown key 'overrides'. They are written in {overrides_path}.")
        data["clusters"] = clusters.clusters
        data["overrides"] = load_overrides(overrides_path) if overrides_path.exists() else Overrides()
        url = os.environ.get(STORAGE_URL_VARIABLE) or data.get("storage_url")
        if isinstance(url, str):
            data["storage_url"] = _absolute(url)
    settings = parse_settings(Settings, data, path)
    if refused := list(_not_evaluated(settings)):
        raise SettingsError(f"{path}: {'; '.join(refused)}. A model let in for it would fail on its machine.")
    return settings


def _not_evaluated(settings: Settings) -> Iterator[str]:
    """What the settings allow and the evaluator does not do, each with what to write instead."""
    policies = settings.policies
    if policies.allow_custom_code:
        yield (
            "policies.allow_custom_code is true, but the evaluator runs no code of a model's "
            "repository: write false"
        )
    for name, allowed in (("weight_types", WEIGHT_TYPES), ("precisions", PRECISIONS)):
        if unknown := [one for one in getattr(policies, name) if one not in allowed]:
            has, loads = ", ".join(unknown), ", ".join(allowed)
            yield f"policies.{name} has {has}, the evaluator loads {loads}: take it out"
    for suite in settings.suites.values():
        for task in suite.tasks:
            if task.thinking_tokens:
                yield (
                    f"suite {suite.name}: {task.name} has thinking_tokens, but the evaluator does not ask "
                    "for thinking: write max_generated_tokens instead"
                )


def _with_suites(data: Any, folder: Path) -> Any:
    """Add the suites of a folder, one file each, named like its suite.

    Raises:
        SettingsError: A suite is in leaderboard.yaml, too.
    """
    if not isinstance(data, dict):
        return data
    suites = data.get("suites") or {}
    if not isinstance(suites, dict):
        return data
    for path in sorted(folder.glob("*.yaml")):
        if path.stem in suites:
            raise SettingsError(f"{path}: leaderboard.yaml has a suite {path.stem!r}, too. Keep one of them.")
        suites = {**suites, path.stem: read_yaml(path)}
    return {**data, "suites": suites}


def _with_names(data: Any, key: str) -> Any:
    """Copy each entry's key into its ``name``."""
    if not isinstance(data, dict) or not isinstance(data.get(key), dict):
        return data
    named = {
        name: {"name": name, **entry} if isinstance(entry, dict) else entry
        for name, entry in data[key].items()
    }
    return {**data, key: named}


def _absolute(url: str) -> str:
    if "://" in url or Path(url).is_absolute():
        return url
    return str(PROJECT_ROOT / url)
