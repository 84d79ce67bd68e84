"""Where the Hub and our database are: given, in the environment, or those of the embedded stack."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from palmares.leaderboard.errors import LeaderboardError

if TYPE_CHECKING:
    from palmares.steps.services import Services

HUB_CONNECTION = "AIRFLOW_CONN_HUGGINGFACE_HUB"
STORE_CONNECTION = "AIRFLOW_CONN_PALMARES_DB"
PUBLIC_HUB = "https://huggingface.co"
LOCAL_STACK = "palmares.local_stack"
"""Entry-point group: functions that tell where the parts of a stack on this machine are."""

HubOption = Annotated[
    str | None,
    typer.Option(
        "--hub", help="Address of the Hub. Its token is read from HF_TOKEN.", show_default="see below"
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option("--store", help="Address of our database, postgresql://…", show_default="see below"),
]
WHERE = (
    "Works with --store and --hub, else with the database of AIRFLOW_CONN_PALMARES_DB and the Hub of "
    "AIRFLOW_CONN_HUGGINGFACE_HUB or HF_ENDPOINT, else with the embedded stack. What runs is asked of the "
    "ClearML server of CLEARML_API_HOST, with CLEARML_API_ACCESS_KEY and CLEARML_API_SECRET_KEY."
)


class UnusableInputError(LeaderboardError):
    """What was given cannot be used: exit status 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """What `Services.at` takes."""

    hub_endpoint: str
    hub_token: str | None
    store_url: str
    storage_url: str | None = None
    """Of the embedded stack; None: the settings' own."""
    clearml_api: str | None = None
    """Of ClearML's API; None: ClearML is not asked."""
    clearml_keys: tuple[str, str] = ("", "")

    def __repr__(self) -> str:
        return f"Addresses({self.hub_endpoint})"  # the others hold secrets


def find_addresses(
    *,
    hub: str | None,
    store: str | None,
    home: Path | None,
    environment: Mapping[str, str] | None = None,
) -> Addresses:
    """Find the services of a deployment, or of the embedded stack.

    Args:
        hub: ``--hub``.
        store: ``--store``.
        home: ``--home``; given, it goes before the environment.
        environment: None: this process's.

    Raises:
        UnusableInputError: There is neither, or an address is unusable.
    """
    given = os.environ if environment is None else environment
    if store is None and home is None:
        store = given.get(STORE_CONNECTION) or None
    if store is not None:
        if home is not None:
            raise UnusableInputError(
                "--home names an embedded stack, --store a deployment. Give one of them."
            )
        endpoint, token = _hub_of(given)
        return Addresses(
            hub_endpoint=_checked(hub or endpoint),
            hub_token=given.get("HF_TOKEN") or (None if hub else token),
            store_url=store,
            clearml_api=given.get("CLEARML_API_HOST") or None,
            clearml_keys=(
                given.get("CLEARML_API_ACCESS_KEY", ""),
                given.get("CLEARML_API_SECRET_KEY", ""),
            ),
        )
    return _embedded(hub, home)


def hub_address(hub: str | None, home: Path | None, environment: Mapping[str, str] | None = None) -> str:
    """Find the Hub that is read without our database.

    Args:
        hub: ``--hub``, which goes before all others.
        home: ``--home``: the Hub of the embedded stack there.
        environment: With Airflow's connection or HF_ENDPOINT; None: this process's.

    Returns:
        Its address; without any of these that of the embedded stack, if there is one, else the public Hub's.

    Raises:
        UnusableInputError: An address is unusable, or there is no stack in *home*.
    """
    given = os.environ if environment is None else environment
    if hub is not None:
        return _checked(hub)
    if home is None and (given.get(HUB_CONNECTION) or given.get("HF_ENDPOINT")):
        return _checked(_hub_of(given)[0])
    try:
        return _embedded(None, home).hub_endpoint
    except UnusableInputError:
        if home is not None:
            raise
        return PUBLIC_HUB


def open_services(addresses: Addresses) -> Services:
    """Open them; close by leaving the ``with`` block.

    Raises:
        SettingsError: The configuration is wrong.
        StoreError: Our database is unreachable or not migrated.
    """
    from palmares.leaderboard.settings import STORAGE_URL_VARIABLE
    from palmares.steps.services import Services

    if addresses.storage_url is not None:
        os.environ[STORAGE_URL_VARIABLE] = addresses.storage_url
    return Services.at(
        hub_endpoint=addresses.hub_endpoint,
        hub_token=addresses.hub_token,
        store_url=addresses.store_url,
    )


def _hub_of(given: Mapping[str, str]) -> tuple[str, str | None]:
    """The Hub of the environment: Airflow's connection as JSON, else HF_ENDPOINT.

    Raises:
        UnusableInputError: The connection is no JSON object.
    """
    text = given.get(HUB_CONNECTION)
    if not text:
        return given.get("HF_ENDPOINT") or PUBLIC_HUB, None
    try:
        connection = json.loads(text)
        host, token = connection.get("host"), connection.get("password")
    except (ValueError, AttributeError):
        # Not the text itself: it holds the token.
        raise UnusableInputError(
            f"{HUB_CONNECTION} is no JSON object. Give --hub, or write it as "
            '{"conn_type": "generic", "host": …, "password": …}.'
        ) from None
    return str(host or PUBLIC_HUB), str(token) if token else None


def _checked(endpoint: str) -> str:
    if not endpoint.startswith(("http://", "https://")) or not endpoint.isprintable() or " " in endpoint:
        raise UnusableInputError(f"The Hub's address {endpoint[:80]!r} is none. Give http://… or https://…")
    return endpoint


def local_stack(home: Path | None) -> Mapping[str, str] | None:
    """Addresses and keys of the stack on this machine; None: there is none.

    Raises:
        StackError: It is down.
    """
    for finder in entry_points(group=LOCAL_STACK):
        stack: Mapping[str, str] | None = finder.load()(home)
        if stack is not None:
            return stack
    return None


def _embedded(hub: str | None, home: Path | None) -> Addresses:
    """The stack of this checkout, if a distribution that has one is installed."""
    if (stack := local_stack(home)) is not None:
        return Addresses(
            hub_endpoint=_checked(hub or stack["hub_endpoint"]),
            hub_token=os.environ.get("HF_TOKEN") if hub else stack["hub_token"],
            store_url=stack["store_url"],
            storage_url=stack["storage_url"],
            clearml_api=stack["clearml_api"],
            clearml_keys=(stack["clearml_access_key"], stack["clearml_secret_key"]),
        )
    where = f" in {home}" if home else ""
    raise UnusableInputError(
        f"There is no stack{where}. Start one (palmares up), or name a deployment: "
        f"--store and --hub, or {STORE_CONNECTION}."
    )
