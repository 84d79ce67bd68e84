"""Plans that people set by hand: read from YAML so that none is ignored silently."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from palmares.leaderboard.errors import SettingsError

OVERRIDES_FILE: Final = "overrides.yaml"
NEAR: Final = 0.95
"""Similarity (difflib) from which another name is taken for a misspelling of this model's."""
NEAREST: Final = 0.6
"""Similarity from which a name is worth suggesting."""


class Override(BaseModel):
    """What a person set for one model; None: the planner decides."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster: str | None = None
    """Holds on this cluster only; None: on any."""
    verdict: Literal["too_large", "incompatible"] | None = None
    """Do not run it at all."""
    nodes: PositiveInt | None = None
    gpus_per_node: PositiveInt | None = None
    tensor_parallel_size: PositiveInt | None = None
    pipeline_parallel_size: PositiveInt | None = None
    gpu_memory_utilization: float | None = Field(default=None, gt=0, le=1)
    max_model_len: PositiveInt | None = None
    max_num_seqs: PositiveInt | None = None
    enforce_eager: bool | None = None
    walltime: str | None = Field(default=None, pattern=r"^\d{1,3}:[0-5]\d$")

    @property
    def placement(self) -> dict[str, int]:
        """The members that say where the job lies."""
        names = ("nodes", "gpus_per_node", "tensor_parallel_size", "pipeline_parallel_size")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    @property
    def engine(self) -> dict[str, Any]:
        """The members that a cluster gives for all its models."""
        names = ("gpu_memory_utilization", "enforce_eager")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def members(self) -> tuple[str, ...]:
        """Names of what is set."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) is not None)


@dataclass(frozen=True)
class Overrides:
    """Every override by model, and what was odd in the file."""

    by_model: Mapping[str, Override] = field(default_factory=dict)
    warnings_by_model: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Found while reading: written twice, illegal values."""
    source: str = OVERRIDES_FILE

    @property
    def warnings(self) -> tuple[str, ...]:
        """All that was odd in the file, in its order."""
        return tuple(text for texts in self.warnings_by_model.values() for text in texts)

    def find(self, model_id: str, cluster: str) -> Override | None:
        """The override of a model on a cluster."""
        override = self.by_model.get(model_id)
        return None if override is None or override.cluster not in {None, cluster} else override

    def warnings_for(self, model_id: str) -> tuple[str, ...]:
        """What whoever plans this model should know: oddities of its entry, near misses of its name."""
        found = list(self.warnings_by_model.get(model_id, ()))
        if model_id not in self.by_model:
            found += [
                f"{self.source}: {name!r} is not the name of this model, {model_id!r}: it was not applied. "
                "If it was meant, correct the name."
                for name in self._near(model_id)
            ]
        return tuple(found)

    def unmatched(self, known: Iterable[str]) -> tuple[str, ...]:
        """Warn of each name that is no known model's, with the nearest that is.

        Args:
            known: Every model that has been submitted.
        """
        models = sorted(set(known))
        return tuple(
            f"{self.source}: {name!r} matches no model. {_suggestion(name, models)}"
            for name in self.by_model
            if name not in models
        )

    def _near(self, model_id: str) -> Iterator[str]:
        plain = _plain(model_id)
        for name, other in self._plain_names.get(_digits(model_id), ()):
            if plain in other or plain.endswith(f"/{other}") or _similarity(plain, other) >= NEAR:
                yield name

    @cached_property
    def _plain_names(self) -> dict[str, list[tuple[str, str]]]:
        """Names and their plain forms by digits: models that differ in a number are different ones."""
        found: dict[str, list[tuple[str, str]]] = {}
        for name in self.by_model:
            found.setdefault(_digits(name), []).append((name, _plain(name)))
        return found


def load_overrides(path: Path) -> Overrides:
    """Read a file of overrides: under ``overrides``, a mapping by model.

    A model that is written twice keeps the members of both; where they disagree the last one holds, and a
    warning gives both values. A member that is unknown or illegal is left out with a warning.

    Raises:
        SettingsError: The file cannot be read, or is not such a mapping.
    """
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        document = loader.get_single_node()
        pairs = _pairs(loader, _overrides_node(document, path), path)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read ({error}). Restore it, or remove its use.") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: not valid YAML: {error}. Correct the line that is named.") from error
    values: dict[str, dict[str, Any]] = {}
    warnings: dict[str, list[str]] = {}
    for model, line, members in pairs:
        remarks = warnings.setdefault(model, [])
        if model in values:
            remarks.append(f"{path.name}, line {line}: {model} is written twice; both entries are joined.")
        entry = values.setdefault(model, {})
        for name, value in members:
            if name in entry and entry[name] != value:
                remarks.append(
                    f"{path.name}, line {line}: {name} of {model} is written twice, {entry[name]!r} and then "
                    f"{value!r}: the last holds. Remove the other."
                )
            entry[name] = value
    return Overrides(
        by_model={model: _override(model, entry, warnings[model], path) for model, entry in values.items()},
        warnings_by_model={model: tuple(remarks) for model, remarks in warnings.items() if remarks},
        source=path.name,
    )


def _overrides_node(document: Any, path: Path) -> yaml.MappingNode | None:
    if document is None:
        return None
    if isinstance(document, yaml.MappingNode) and [key.value for key, _ in document.value] == ["overrides"]:
        node = document.value[0][1]
        if isinstance(node, yaml.MappingNode):
            return node
        if node.tag == "tag:yaml.org,2002:null":
            return None
    raise SettingsError(
        f"{path}: it has to hold one key, 'overrides', with a mapping by model. See overrides.example.yaml."
    )


def _pairs(
    loader: yaml.SafeLoader, node: yaml.MappingNode | None, path: Path
) -> list[tuple[str, int, list[tuple[str, Any]]]]:
    """Model, line, and members in the order of the file, whatever is written twice."""
    found = []
    for key, value in () if node is None else node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or not isinstance(value, yaml.MappingNode):
            raise SettingsError(
                f"{path}, line {line}: write a model's name and, below it, what is set for it."
            )
        members = [(str(name.value), loader.construct_object(item, deep=True)) for name, item in value.value]  # type: ignore[no-untyped-call]
        found.append((str(key.value), line, members))
    return found


def _override(model: str, entry: Mapping[str, Any], remarks: list[str], path: Path) -> Override:
    """Keep what is legal of an entry, and report what is not."""
    legal = dict(entry)
    while True:
        try:
            return Override.model_validate(legal)
        except ValidationError as error:
            for problem in error.errors():
                name = str(problem["loc"][0])
                what = (
                    "is no member that can be set"
                    if problem["type"] == "extra_forbidden"
                    else f"cannot be {str(legal[name])[:60]!r} ({problem['msg']})"
                )
                remarks.append(f"{path.name}: {name} of {model} {what}: it was not applied. Correct it.")
                legal.pop(name, None)


def _suggestion(name: str, models: list[str]) -> str:
    nearest = difflib.get_close_matches(name, models, n=1, cutoff=NEAREST)
    return f"Did you mean {nearest[0]!r}?" if nearest else "Remove it, or correct the name."


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9/]", "", name.casefold())


def _digits(name: str) -> str:
    return re.sub(r"\D+", " ", name).strip()


def _similarity(one: str, other: str) -> float:
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    return matcher.ratio() if matcher.quick_ratio() >= NEAR else 0.0
