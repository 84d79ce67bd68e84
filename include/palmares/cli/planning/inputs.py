"""Turns what a person gave `palmares plan` into what the planner takes, or says in one line what is wrong."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from palmares.cli.requests.addresses import local_stack
from palmares.leaderboard.clusters import Cluster
from palmares.leaderboard.errors import LeaderboardError, RefusedError, StackError
from palmares.leaderboard.planning.adapters import join
from palmares.leaderboard.settings import Settings, Suite
from palmares.leaderboard.submissions.model_facts import ModelFacts, facts_of_config
from palmares.leaderboard.submissions.names import validate_model_id, validate_revision
from palmares.leaderboard.submissions.submission import Submission
from palmares.leaderboard.yaml_files import parse_settings, read_yaml

CONFIG_BYTES = 2_000_000
"""No config.json is larger; what is, is another file."""
MOST_WEIGHTS_BYTES = 10**15
HUB = "https://huggingface.co"
DEFAULT_PRECISION = "bfloat16"
LONGEST_MESSAGE = 1_000


class UnusableInputError(LeaderboardError):
    """What was given cannot be planned at all: no verdict."""


def one_line(error: object) -> str:
    """An error's text in one line, and not endless."""
    text = " ".join(str(error).split())
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"


class _ClustersFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")  # overrides and anchors may stand beside them

    clusters: dict[str, Cluster] = Field(min_length=1)


def read_clusters(path: Path) -> dict[str, Cluster]:
    """Read the machines of another clusters.yaml.

    Raises:
        SettingsError: The file cannot be read, or a key in it is wrong.
    """
    data = read_yaml(path)
    if isinstance(data, dict) and isinstance(data.get("clusters"), dict):
        entries = data["clusters"].items()
        data = {"clusters": {str(n): {"name": str(n), **e} if isinstance(e, dict) else e for n, e in entries}}
    return parse_settings(_ClustersFile, data, path).clusters


def clusters_named(clusters: Mapping[str, Cluster], name: str | None) -> list[Cluster]:
    """The one called *name*, or all without a name.

    Raises:
        UnusableInputError: There is no such cluster.
    """
    if name is None:
        return list(clusters.values())
    if name not in clusters:
        raise UnusableInputError(f"There is no cluster {name[:60]!r}; take one of {sorted(clusters)}.")
    return [clusters[name]]


def weights_bytes_from(text: str | None) -> int | None:
    """Read ``--weights-bytes``: a whole number, with ``_`` or ``,`` between digits if one likes.

    Raises:
        UnusableInputError: It is none, or not between 1 and 10^15.
    """
    if text is None:
        return None
    digits = re.sub(r"(?<=\d)[_,](?=\d)", "", text.strip())
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 20):
        raise UnusableInputError(
            f"--weights-bytes is {text[:40]!r}, no whole number of bytes. Give e.g. 16060522496."
        )
    value = int(digits)
    if not 0 < value <= MOST_WEIGHTS_BYTES:
        raise UnusableInputError(
            f"--weights-bytes is {value}, outside 1 to {MOST_WEIGHTS_BYTES}. Give the size of the weights."
        )
    return value


def read_config(path: Path) -> dict[str, Any]:
    """Read a model's config.json.

    Raises:
        UnusableInputError: The file cannot be read, is too large, or holds no JSON object.
    """
    try:
        with path.open("rb") as file:
            data = file.read(CONFIG_BYTES + 1)
    except OSError as error:
        raise UnusableInputError(
            f"{path} cannot be read ({error.strerror or error}). Give the path of a config.json."
        ) from error
    if len(data) > CONFIG_BYTES:
        raise UnusableInputError(
            f"{path} has more than {CONFIG_BYTES} bytes, no config.json has. Give the model's config.json."
        )
    try:
        config = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnusableInputError(f"{path} is not JSON ({error}). Give the model's config.json.") from error
    if not isinstance(config, dict):
        raise UnusableInputError(
            f"{path} holds a JSON {type(config).__name__}, not an object. Give the model's config.json."
        )
    return config


def facts_from_config(config: Mapping[str, Any], *, name: str, weights_bytes: int | None) -> ModelFacts:
    """What a config.json alone tells of a model.

    Raises:
        UnusableInputError: It is an adapter's, which says nothing of the model below it.
    """
    if "peft_type" in config and "architectures" not in config:
        raise UnusableInputError(
            f"{name} is an adapter, and its base model decides where it runs. Give the adapter's MODEL_ID, "
            "or the base model's config.json."
        )
    return facts_of_config(config, model_id=name, weights_bytes=weights_bytes)


def name_of(config: Path) -> str:
    """What to call the model of a config.json: its folder, as in a checkout of the model, or the file."""
    path = config.absolute()
    return path.parent.name if path.name == "config.json" and path.parent.name else path.stem


def with_weights(facts: ModelFacts, weights_bytes: int) -> ModelFacts:
    """The same model with a size of its weights that goes before what the Hub says."""
    return replace(facts, weights_bytes=weights_bytes, weights_format=None, parameters=None)


def facts_from_hub(model_id: str, revision: str) -> ModelFacts:
    """Ask the Hub at ``HF_ENDPOINT``, else that of the stack which runs here, else the public one.

    Raises:
        UnusableInputError: No such name, model or revision, or no access to it.
        HubUnavailableError: Try again later.
    """
    from palmares.hub import Hub
    from palmares.leaderboard.errors import HubGatedError, HubNotFoundError

    endpoint, token = _hub()
    asked = f"model {model_id} at {revision}"
    try:
        validate_model_id(model_id)
        validate_revision(revision)
        hub = Hub(endpoint=endpoint, token=token)
        facts = hub.model_facts(model_id, revision)
        if facts.adapter is None or facts.config:
            return facts
        asked = base_of(facts)
        return join(facts, hub.model_facts(validate_model_id(asked), "main"))
    except RefusedError as error:
        raise UnusableInputError(error.refusal.message_en) from error
    except HubNotFoundError as error:
        raise UnusableInputError(
            f"{endpoint} has no {asked} that we may see ({error.what}). Check the spelling, HF_ENDPOINT and "
            "HF_TOKEN, or give its config.json with --config."
        ) from error
    except HubGatedError as error:
        raise UnusableInputError(
            f"{asked} is gated and HF_TOKEN has no access to it. Ask for access on its page, or give its "
            "config.json with --config."
        ) from error


def _hub() -> tuple[str, str | None]:
    """Address and token of the Hub to ask."""
    token = os.environ.get("HF_TOKEN") or None
    if endpoint := os.environ.get("HF_ENDPOINT"):
        return endpoint, token
    try:
        stack = local_stack(None)
    except StackError:  # it is down: the model may be on the public Hub
        stack = None
    return (stack["hub_endpoint"], stack["hub_token"]) if stack else (HUB, token)


def base_of(adapter: ModelFacts) -> str:
    """The model below an adapter, as its adapter_config.json names it.

    Raises:
        UnusableInputError: It names none.
    """
    base = (adapter.adapter or {}).get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise UnusableInputError(
            f"{adapter.model_id} is an adapter whose adapter_config.json names no base_model_name_or_path. "
            "Plan its base model."
        )
    return base


def precision_for(facts: ModelFacts, asked: str | None, settings: Settings) -> str:
    """The precision to plan for: the one asked for, else the model's own, else bfloat16.

    Raises:
        UnusableInputError: The leaderboard does not evaluate the one asked for.
    """
    allowed = settings.policies.precisions
    if asked is not None:
        if asked not in allowed:
            raise UnusableInputError(
                f"--precision is {asked[:40]!r}, and leaderboard.yaml allows {', '.join(allowed)}. "
                "Give one of them."
            )
        return asked
    config = facts.config or {}
    own = str(config.get("dtype") or config.get("torch_dtype") or "").removeprefix("torch.")
    # Submissions in float32 are asked for by name: vLLM too halves what is stored so.
    return own if own in allowed and own != "float32" else DEFAULT_PRECISION


def submission_of(
    facts: ModelFacts, suite: Suite, *, precision: str, limit_samples: int | None = None
) -> Submission:
    """A submission that nobody made: the planner reads its model, precision and limit only."""
    return Submission(
        request_path="",
        blob_oid="",
        model_id=facts.model_id,
        revision=facts.commit,
        requested_revision=facts.commit,
        precision=precision,
        weight_type="Original",
        use_chat_template=facts.has_chat_template,
        suite=suite.name,
        suite_hash="",
        limit_samples=limit_samples,
        seed=suite.seed,
        evaluator_version="",
    )
