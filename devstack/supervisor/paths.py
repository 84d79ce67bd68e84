"""Where the embedded stack keeps everything: one state folder, named here once."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import devstack

HOME_VARIABLE = "PALMARES_HOME"
EVALUATOR_VARIABLE = "PALMARES_EVALUATOR_VENV"
SOCKET_PATH_BYTES = 100
"""A unix socket's address holds 108 bytes (unix(7)), and supervisor appends its pid while it binds."""


@dataclass(frozen=True, slots=True)
class StackPaths:
    """Every path of one stack, derived from the checkout and the state folder."""

    root: Path
    """The checkout: dags, plugins, include."""
    home: Path
    """The state folder; removing it forgets the stack."""

    @classmethod
    def locate(cls, home: Path | None = None) -> StackPaths:
        """Find the checkout, and the state folder: *home*, else ``PALMARES_HOME``, else ``.palmares``."""
        root = Path(devstack.__path__[0]).resolve().parent
        chosen = home or Path(os.environ.get(HOME_VARIABLE) or root / ".palmares")
        return cls(root=root, home=chosen.expanduser().absolute())

    @property
    def state_file(self) -> Path:
        return self.home / "stack.json"

    @property
    def lock_file(self) -> Path:
        return self.home / "lock"

    @property
    def env_file(self) -> Path:
        return self.home / "env"

    @property
    def run(self) -> Path:
        """The supervisor's configuration, socket and pid."""
        return self.home / "run"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def postgres(self) -> Path:
        return self.home / "postgres"

    @property
    def postgres_data(self) -> Path:
        return self.postgres / "data"

    @property
    def airflow(self) -> Path:
        return self.home / "airflow"

    @property
    def embedded(self) -> Path:
        """State of the embedded services; they make ``clearml/`` and ``hub/`` in it."""
        return self.home

    @property
    def storage(self) -> Path:
        return self.home / "storage"

    @property
    def demo(self) -> Path:
        return self.home / "demo"

    def agent(self, number: int) -> Path:
        """HOME of one agent: two agents of one machine must not share it."""
        return self.home / "agent" / str(number)

    @property
    def pools_file(self) -> Path:
        return self.root / "include" / "config" / "pools.json"

    @property
    def python_bin(self) -> Path:
        """The ``bin`` folder of the Airflow environment, which is the one this command runs in."""
        return Path(sys.executable).parent

    @property
    def evaluator_bin(self) -> Path:
        return Path(os.environ.get(EVALUATOR_VARIABLE) or self.root / ".venv-evaluator") / "bin"

    def socket(self, stack_id: str) -> Path:
        """The supervisor's socket; in the system's temporary folder where this one's path is too long."""
        preferred = self.run / "supervisor.sock"
        if len(os.fsencode(preferred)) <= SOCKET_PATH_BYTES:
            return preferred
        return Path(tempfile.gettempdir()) / f"palmares-{stack_id}.sock"
