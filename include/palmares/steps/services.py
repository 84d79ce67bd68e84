"""What a step works with: settings, store, Hub and raw outputs, opened at the addresses it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from palmares.hub import Hub
from palmares.leaderboard.settings import Settings, load_settings
from palmares.store.raw_outputs import RawOutputs
from palmares.store.store import Store

PROJECT_ROOT = Path(__file__).resolve().parents[3]

HUB_CONNECTION = "huggingface_hub"
STORE_CONNECTION = "palmares_db"


class ConnectionLike(Protocol):
    """The part of an Airflow connection that addresses need."""

    host: str | None
    password: str | None

    def get_uri(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Services:
    """Open handles; close them by leaving the ``with`` block."""

    settings: Settings
    store: Store
    hub: Hub
    raw: RawOutputs

    @classmethod
    def open(cls, get_connection: Callable[[str], ConnectionLike]) -> Services:
        """Open everything at the addresses of two connections (docs/reference/formats.md, "Connections").

        Raises:
            SettingsError: The configuration is wrong.
            StoreError: Our database is unreachable or not migrated.
        """
        hub = get_connection(HUB_CONNECTION)
        return cls.at(
            hub_endpoint=hub.host or "https://huggingface.co",
            hub_token=hub.password,
            store_url=get_connection(STORE_CONNECTION).get_uri(),
        )

    @classmethod
    def at(cls, *, hub_endpoint: str, hub_token: str | None, store_url: str) -> Services:
        """Open everything at these addresses."""
        settings = load_settings()
        store = Store.connect(store_url)
        return cls(
            settings=settings,
            store=store,
            hub=Hub(endpoint=hub_endpoint, token=hub_token, blobs=store.request_files),
            raw=RawOutputs(settings.storage_url),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.store.close()
