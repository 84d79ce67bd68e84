"""What one stack remembers between starts: its name, ports, keys, and the supervisor that runs it."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path
from typing import Literal

from palmares.leaderboard.errors import StackError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from devstack.supervisor.files import write_atomically
from devstack.supervisor.paths import StackPaths

PortName = Literal["airflow", "clearml_api", "clearml_files", "clearml_web", "hub", "site", "postgres"]
PORT_NAMES: tuple[PortName, ...] = (
    "airflow",
    "clearml_api",
    "clearml_files",
    "clearml_web",
    "hub",
    "site",
    "postgres",
)


def _token(prefix: str = "") -> str:
    # Letters and digits only: safe in URLs, in supervisor's configuration and in a shell.
    return prefix + secrets.token_hex(20)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


class Keys(BaseModel):
    """Secrets made once; all of them are letters, digits, ``-``, ``_`` and ``=``."""

    model_config = ConfigDict(frozen=True)

    postgres_password: str = Field(default_factory=_token)
    airflow_db_password: str = Field(default_factory=_token)
    palmares_db_password: str = Field(default_factory=_token)
    fernet_key: str = Field(default_factory=_fernet_key)
    airflow_jwt_secret: str = Field(default_factory=_token)
    airflow_api_secret: str = Field(default_factory=_token)
    airflow_admin_password: str = Field(default_factory=lambda: secrets.token_urlsafe(12))
    clearml_access_key: str = Field(default_factory=lambda: secrets.token_hex(10).upper())
    clearml_secret_key: str = Field(default_factory=_token)
    embedded_jwt_secret: str = Field(default_factory=_token)
    hub_token: str = Field(default_factory=lambda: _token("hf_"))
    site_secret: str = Field(default_factory=_token)
    """Signs the forms of the public site."""
    submission_token: str = Field(default_factory=lambda: secrets.token_urlsafe(12))
    """Lets whoever has it submit a model on the public site."""


class ClearMLServer(BaseModel):
    """A ClearML server that is not the embedded one."""

    model_config = ConfigDict(frozen=True)

    api: str
    files: str
    web: str
    access_key: str
    secret_key: str


class HubServer(BaseModel):
    """A Hub that is not the embedded one."""

    model_config = ConfigDict(frozen=True)

    url: str
    token: str


class Elsewhere(BaseModel):
    """Services that the stack uses instead of its own; None: its own."""

    model_config = ConfigDict(frozen=True)

    clearml: ClearMLServer | None = None
    hub: HubServer | None = None
    store_url: str | None = None


class Supervisor(BaseModel):
    """The process that runs the parts; its id alone could be anybody's after a reboot."""

    model_config = ConfigDict(frozen=True)

    pid: int
    create_time: float
    """Seconds since the epoch, from the kernel: tells a reused process id."""


class StackState(BaseModel):
    """``stack.json``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: Literal[1] = 1
    stack_id: str = Field(default_factory=lambda: secrets.token_hex(6))
    ports: dict[PortName, int] = Field(default_factory=dict)
    pinned_ports: tuple[PortName, ...] = ()
    """Ports that a person set: never replaced by another free one."""
    agents: int = 2
    elsewhere: Elsewhere = Field(default_factory=Elsewhere)
    keys: Keys = Field(default_factory=Keys)
    migrated: str = ""
    """Fingerprint of the code that the databases were last migrated with; empty: never."""
    supervisor: Supervisor | None = None
    """None: nothing was started, or it was stopped in order."""

    def save(self, paths: StackPaths) -> None:
        write_atomically(paths.state_file, self.model_dump_json(indent=2) + "\n", mode=0o600)

    def url(self, port: PortName) -> str:
        """Where the service is that the stack uses, its own or another."""
        clearml, hub = self.elsewhere.clearml, self.elsewhere.hub
        if clearml is not None and port in ("clearml_api", "clearml_files", "clearml_web"):
            return str(getattr(clearml, port.removeprefix("clearml_")))
        if hub is not None and port == "hub":
            return hub.url
        return f"http://127.0.0.1:{self.ports[port]}"

    @property
    def clearml_keys(self) -> tuple[str, str]:
        """Access key and secret key of the ClearML server in use."""
        keys = self.elsewhere.clearml or self.keys
        if isinstance(keys, ClearMLServer):
            return keys.access_key, keys.secret_key
        return keys.clearml_access_key, keys.clearml_secret_key

    @property
    def hub_token(self) -> str:
        """Of the Hub in use."""
        return self.elsewhere.hub.token if self.elsewhere.hub else self.keys.hub_token

    @property
    def store_url(self) -> str:
        """Of Palmarès' database in use."""
        return self.elsewhere.store_url or self.database_url("palmares")

    def database_url(self, database: Literal["airflow", "palmares"], *, scheme: str = "postgresql") -> str:
        """URL of one of the two databases; each has an owner of the same name."""
        password = self.keys.airflow_db_password if database == "airflow" else self.keys.palmares_db_password
        return f"{scheme}://{database}:{password}@127.0.0.1:{self.ports['postgres']}/{database}"


def load_state(paths: StackPaths) -> StackState | None:
    """Read ``stack.json``; None where no stack was ever made.

    Raises:
        StackError: The file is not what this version writes.
    """
    try:
        text = paths.state_file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        return StackState.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise StackError(
            f"{paths.state_file}: {'.'.join(map(str, first['loc'])) or 'content'}: {first['msg']}. "
            f"Restore it, or start afresh: make clean (forgets the demo's results)."
        ) from error


def prepare_home(paths: StackPaths) -> None:
    """Make the state folder and its parts, for this user only.

    As root the folder itself stays searchable, so that PostgreSQL's own user reaches its part.

    Raises:
        StackError: The folder cannot be made or written.
    """
    try:
        paths.home.mkdir(parents=True, exist_ok=True)
        paths.home.chmod(0o711 if os.geteuid() == 0 else 0o700)
        # The agents' keys, artifacts and private datasets: their files are readable to all who reach them.
        open_files = (paths.agent(0).parent, paths.embedded / "clearml", paths.embedded / "hub")
        for folder in (paths.run, paths.logs, paths.airflow, paths.storage, paths.demo, *open_files):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)
    except OSError as error:
        raise StackError(
            f"{error.filename or paths.home}: {error.strerror}. Make the state folder writable, "
            f"or point PALMARES_HOME at one that is."
        ) from error


def remove_stale_temporaries(folder: Path) -> None:
    """Remove what an interrupted `write_atomically` may have left (only SIGKILL or a power cut does)."""
    for leftover in folder.glob(".stack.json.*"):
        leftover.unlink(missing_ok=True)
