"""From an Airflow connection of type `clearml` to addresses and keys."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from clearml_provider.exceptions import ClearMLConfigError
from clearml_provider.redaction import shown_url

API_PORT, WEB_PORT, FILES_PORT = 8008, 8080, 8081
"""Ports of a stock ClearML server; the other two are derived from the first, as ClearML's SDK does."""


class AirflowConnection(Protocol):
    """What is read of a connection, whichever of Airflow's classes it is."""

    @property
    def conn_id(self) -> Any: ...
    @property
    def host(self) -> str | None: ...
    @property
    def login(self) -> str | None: ...
    @property
    def password(self) -> str | None: ...
    @property
    def schema(self) -> str | None: ...
    @property
    def port(self) -> int | None: ...
    @property
    def extra(self) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearMLSettings:
    """Where the server is and how to sign in; URLs have no trailing slash."""

    api_host: str
    files_host: str
    web_host: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    verify_tls: bool = True
    ca_file: str | None = None
    """PEM file with the certificate authorities to trust; None: the system's."""
    timeout_s: float = 30.0
    """Of one request; a call with its retries may last longer."""
    retry_budget_s: float = 60.0
    """Of one call with all its tries."""

    @classmethod
    def from_airflow(cls, conn: AirflowConnection) -> ClearMLSettings:
        """Read a connection: host, login, password; ``extra`` holds the rest.

        Raises:
            ClearMLConfigError: Something is missing or is not of its type.
        """
        where = f"Airflow connection {conn.conn_id!r}"
        try:
            extra = json.loads(conn.extra) if conn.extra else {}
        except ValueError as error:
            raise ClearMLConfigError(f"{where}: its extra is not JSON ({error}).") from error
        if not isinstance(extra, dict):
            raise ClearMLConfigError(f"{where}: its extra is {type(extra).__name__}, expected a JSON object.")
        if not conn.host:
            raise ClearMLConfigError(f"{where} has no host: set it to ClearML's API server, http://…:8008.")
        if not conn.login or not conn.password:
            raise ClearMLConfigError(
                f"{where} has no {'login' if not conn.login else 'password'}: "
                f"set login to the access key and password to the secret key (ClearML: Settings, Workspace)."
            )
        _refuse_keys(conn.host, where, "host")
        host = conn.host if "://" in conn.host else f"{conn.schema or 'https'}://{conn.host}"
        if conn.port and urlsplit(host).port is None:
            host = f"{host.rstrip('/')}:{conn.port}"
        api_host = _url(host, where, "host")
        return cls(
            api_host=api_host,
            files_host=_url(extra.get("files_host") or _sibling(api_host, "files"), where, "files_host"),
            web_host=_url(extra.get("web_host") or _sibling(api_host, "app"), where, "web_host"),
            access_key=conn.login,
            secret_key=conn.password,
            verify_tls=_boolean(extra, "verify_tls", where, default=True),
            ca_file=_ca_file(extra, where),
            timeout_s=_positive(extra, "timeout_s", where, default=30.0),
            retry_budget_s=_positive(extra, "retry_budget_s", where, default=60.0),
        )

    def ssl_verify(self) -> ssl.SSLContext | bool:
        """What httpx wants as ``verify``.

        Raises:
            ClearMLConfigError: The CA file holds no certificates.
        """
        if not self.verify_tls or not self.ca_file:
            return self.verify_tls
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (ssl.SSLError, OSError) as error:
            raise ClearMLConfigError(
                f"ca_file {self.ca_file!r} cannot be used ({error}). "
                f"It has to be a readable PEM file: -----BEGIN CERTIFICATE----- …"
            ) from error

    def task_url(self, task_id: str, project_id: str | None) -> str:
        """The task's page in ClearML's web UI (``*`` stands for "in whatever project")."""
        return f"{self.web_host}/projects/{project_id or '*'}/experiments/{task_id}/execution"

    def log_url(self, task_id: str, project_id: str | None) -> str:
        """The task's console in ClearML's web UI."""
        return f"{self.web_host}/projects/{project_id or '*'}/experiments/{task_id}/output/log"

    def queues_url(self) -> str:
        """Queues and agents in ClearML's web UI."""
        return f"{self.web_host}/workers-and-queues/queues"


def _sibling(api_host: str, name: str) -> str:
    """The web or file server that belongs to an API server: ``api.`` → ``app.``, port 8008 → 8080."""
    if "://api." in api_host:
        return api_host.replace("://api.", f"://{name}.", 1)
    port = {"app": WEB_PORT, "files": FILES_PORT}[name]
    return api_host.replace(f":{API_PORT}", f":{port}", 1)


def _url(value: Any, where: str, key: str) -> str:
    _refuse_keys(value, where, key)
    parts = urlsplit(str(value))
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ClearMLConfigError(
            f"{where}: {key} is {shown_url(str(value))!r}, expected an address such as http://host:8008."
        )
    return str(value).rstrip("/")


def _refuse_keys(value: Any, where: str, key: str) -> None:
    """Addresses are shown in logs, messages and links: nothing secret may be in them."""
    if "@" in str(value):
        raise ClearMLConfigError(
            f"{where}: {key} has a user or password before an @. Give the address alone, the access key as "
            f"login, and the secret key as password."
        )


def _boolean(extra: Mapping[str, Any], key: str, where: str, *, default: bool) -> bool:
    value = extra.get(key)
    if value is None or value == "":
        return default
    if isinstance(value, bool):
        return value
    if str(value).lower() in {"true", "1", "false", "0"}:
        return str(value).lower() in {"true", "1"}
    raise ClearMLConfigError(f"{where}: {key} is {value!r}, expected true or false.")


def _positive(extra: Mapping[str, Any], key: str, where: str, *, default: float) -> float:
    value = extra.get(key)
    if value is None or value == "":
        return default
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = 0.0
    if not 0 < number < float("inf"):
        raise ClearMLConfigError(f"{where}: {key} is {value!r}, expected a positive number of seconds.")
    return number


def _ca_file(extra: Mapping[str, Any], where: str) -> str | None:
    value = extra.get("ca_file") or None
    if value is not None and not Path(value).is_file():
        raise ClearMLConfigError(f"{where}: ca_file {value!r} is not a file on this machine.")
    return value
