"""Services that a stack uses instead of its embedded ones: addresses are given, keys in the environment."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from palmares.leaderboard.errors import StackError

from devstack.supervisor.state import ClearMLServer, Elsewhere, HubServer

_CLEARML_OPTIONS = ("--clearml-api", "--clearml-files", "--clearml-web")


def find_elsewhere(
    *,
    clearml: tuple[str | None, str | None, str | None],
    hub: str | None,
    store: str | None,
    environment: Mapping[str, str],
) -> Elsewhere | None:
    """Put together what a person gave; None: nothing.

    Args:
        clearml: Addresses of the API, of the file server and of the pages; all or none.
        hub: Address of a Hub.
        store: URL of a PostgreSQL database for Palmarès.
        environment: Where the keys are.

    Raises:
        StackError: An address is unusable or missing, or a key is not in the environment.
    """
    if not any((*clearml, hub, store)):
        return None
    return Elsewhere(
        clearml=_clearml(clearml, environment),
        hub=HubServer(url=_checked(hub, "--hub"), token=_key("HF_TOKEN", environment)) if hub else None,
        store_url=_store(store),
    )


def _clearml(
    addresses: tuple[str | None, str | None, str | None], environment: Mapping[str, str]
) -> ClearMLServer | None:
    if not any(addresses):
        return None
    missing = [option for option, address in zip(_CLEARML_OPTIONS, addresses, strict=True) if not address]
    if missing:
        raise StackError(f"A ClearML server has three addresses. Give {', '.join(missing)} too.")
    api, files, web = (
        _checked(address or "", option) for option, address in zip(_CLEARML_OPTIONS, addresses, strict=True)
    )
    return ClearMLServer(
        api=api,
        files=files,
        web=web,
        access_key=_key("CLEARML_API_ACCESS_KEY", environment),
        secret_key=_key("CLEARML_API_SECRET_KEY", environment),
    )


def _checked(address: str, option: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise StackError(f"{option} {address[:80]!r} is no address of a server. Give http://… or https://…")
    return address.rstrip("/")


def _store(url: str | None) -> str | None:
    if url is not None and not url.startswith("postgresql://"):
        raise StackError("--store is no postgresql://… URL.")  # not the URL itself: it may hold a password
    return url


def _key(name: str, environment: Mapping[str, str]) -> str:
    value = environment.get(name)
    if not value:
        raise StackError(f"The environment has no {name}. Set it to the key of the server that you named.")
    return value
