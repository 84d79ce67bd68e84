"""Running the parts under supervisor 4: its configuration, its process, and its remote interface."""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from palmares.cli.interrupts import shielded
from palmares.leaderboard.errors import StackError

from devstack.supervisor.files import write_atomically
from devstack.supervisor.paths import StackPaths
from devstack.supervisor.processes import STACK_VARIABLE
from devstack.supervisor.programs import Program
from devstack.supervisor.running import tail
from devstack.supervisor.state import StackState, Supervisor

START_DEADLINE_S = 20.0
POLL_S = 0.05
STOPPED_STATES = frozenset({"STOPPED", "FATAL", "UNKNOWN"})
"""EXITED is not among them: every part is started again, at the latest a second later."""
_UMASK = "077"
"""Logs may quote what they should not: they are their owner's alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartStatus:
    """What the supervisor knows about one part."""

    name: str
    state: str
    """Supervisor's word: STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL, UNKNOWN."""
    pid: int
    """0: it does not run."""
    exit_status: int
    """Of the last end; -1 after a signal."""
    since: int
    """Seconds since the epoch when it last started."""
    log: Path

    @property
    def is_stopped(self) -> bool:
        return self.state in STOPPED_STATES


def configuration(paths: StackPaths, state: StackState, programs: Iterable[Program]) -> str:
    """The text of ``supervisord.conf``."""
    sections: list[tuple[str, dict[str, object]]] = [
        (
            "unix_http_server",
            {"file": paths.socket(state.stack_id), "chmod": "0700"},
        ),
        (
            "supervisord",
            {
                "nodaemon": "true",
                "silent": "true",
                **({"user": "root"} if os.geteuid() == 0 else {}),  # it warns unless told
                "umask": _UMASK,
                "directory": paths.home,
                "logfile": paths.logs / "supervisor.log",
                "logfile_maxbytes": "5MB",
                "logfile_backups": 1,
                "pidfile": paths.run / "supervisor.pid",
                "childlogdir": paths.logs,
                "identifier": f"palmares-{state.stack_id}",
                "nocleanup": "true",
            },
        ),
        (
            "rpcinterface:supervisor",
            {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
        ),
    ]
    sections += [_section(program) for program in programs]
    return "\n".join(
        f"[{title}]\n" + "".join(f"{key} = {_unexpanded(key, value)}\n" for key, value in options.items())
        for title, options in sections
    )


def _section(program: Program) -> tuple[str, dict[str, object]]:
    variables = sorted(program.environment.items())
    return f"program:{program.name}", {
        "command": " ".join(_quoted_argument(part) for part in program.command),
        "environment": ",".join(f"{name}={_quoted_value(name, value)}" for name, value in variables),
        "directory": program.directory,
        "autostart": "false",
        "autorestart": "true",
        "startsecs": 2,
        "startretries": 5,
        "umask": _UMASK,
        "stopsignal": program.stop_signal,
        "stopwaitsecs": program.stop_wait_s,
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": program.log,
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": 1,
    }


def _unexpanded(key: str, value: object) -> str:
    text = str(value)
    if "\n" in text or " ;" in text or " #" in text:
        raise StackError(
            f"Supervisor's configuration cannot hold {key}={text!r}. "
            f"Rename the folder or the variable that it comes from."
        )
    return text.replace("%", "%%")  # supervisor expands %(…)s


def _quoted_argument(argument: str) -> str:
    # Supervisor splits commands with shlex in POSIX mode.
    return "'" + argument.replace("'", "'\"'\"'") + "'"


def _quoted_value(name: str, value: str) -> str:
    # Supervisor splits environments with shlex in its other mode, where nothing can be escaped, and strips
    # both kinds of quotes from both ends.
    quote = '"' if '"' not in value else "'"
    if quote in value or value.strip("'\"") != value:
        raise StackError(f"{name}={value!r} mixes quotes: supervisor cannot pass it on. Change the variable.")
    return f"{quote}{value}{quote}"


class SupervisorClient:
    """Calls to a running supervisor over its unix socket."""

    def __init__(self, paths: StackPaths, state: StackState) -> None:
        self._paths = paths
        self._socket = paths.socket(state.stack_id)

    def _call(self, method: str, *arguments: object) -> Any:
        # Of the embedded stack only: the production image has `palmares`, and no supervisor.
        from supervisor.xmlrpc import SupervisorTransport

        # One connection a call: supervisor closes idle ones.
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            raise StackError(
                f"The supervisor does not answer ({error}). Log: {self._paths.logs / 'supervisor.log'}. "
                f"Run: palmares down, then palmares up"
            ) from error
        finally:
            transport.close()

    def is_answering(self) -> bool:
        try:
            return bool(self._call("getSupervisorVersion"))
        except StackError:
            return False

    def parts(self) -> list[PartStatus]:
        """The status of every part."""
        return [
            PartStatus(
                name=info["name"],
                state=info["statename"],
                pid=info["pid"],
                exit_status=info["exitstatus"],
                since=info["start"],
                log=Path(info["stdout_logfile"]),
            )
            for info in self._call("getAllProcessInfo")
        ]

    def start(self, names: Sequence[str]) -> None:
        """Ask for parts to be started; does not wait."""
        for name in names:
            with _tolerate("ALREADY_STARTED"):
                self._call("startProcess", name, False)

    def stop(self, names: Sequence[str], *, deadline_s: float) -> list[str]:
        """Stop parts side by side; return those that still run at the deadline."""
        deadline = time.monotonic() + deadline_s
        while remaining := [one for one in self.parts() if one.name in names and not one.is_stopped]:
            if time.monotonic() > deadline:
                break
            for part in remaining:
                # Again and again: a part that has just crashed cannot be stopped before it is started again.
                if part.state in ("STARTING", "RUNNING", "BACKOFF"):
                    with _tolerate("NOT_RUNNING"):
                        self._call("stopProcess", part.name, False)
            time.sleep(POLL_S)
        return [part.name for part in remaining]

    def shut_down(self) -> None:
        self._call("shutdown")


@contextlib.contextmanager
def _tolerate(fault: str) -> Any:
    try:
        yield
    except xmlrpc.client.Fault as error:
        if not error.faultString.startswith(fault):
            raise StackError(f"The supervisor refused: {error.faultString}") from error


def launch(paths: StackPaths, state: StackState, programs: Iterable[Program]) -> StackState:
    """Start the supervisor with every part stopped; the returned state is saved and names its process.

    Raises:
        StackError: It did not come up.
    """
    config = paths.run / "supervisord.conf"
    write_atomically(config, configuration(paths, state, programs))
    paths.socket(state.stack_id).unlink(missing_ok=True)
    log = paths.logs / "supervisord.out"
    log.touch(mode=0o600)
    with shielded(), log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # What a part needs is in its own section: the supervisor itself needs nothing.
            env={STACK_VARIABLE: state.stack_id, "PATH": os.environ.get("PATH", os.defpath)},
            cwd=paths.home,
            start_new_session=True,  # a Ctrl-C in the terminal is for us alone
            umask=int(
                _UMASK, 8
            ),  # supervisor opens the parts' logs itself, and heeds its own only as a daemon
        )
        create_time = psutil.Process(process.pid).create_time()
        state = state.model_copy(update={"supervisor": Supervisor(pid=process.pid, create_time=create_time)})
        state.save(paths)
    try:
        _wait_for_answer(SupervisorClient(paths, state), process, log)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return state


def _wait_for_answer(client: SupervisorClient, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    while not client.is_answering():
        if process.poll() is not None:
            raise StackError(f"The supervisor ended at once. Log: {log}\n{tail(log)}")
        if time.monotonic() > deadline:
            raise StackError(f"The supervisor did not answer in {START_DEADLINE_S:.0f} s. Log: {log}")
        time.sleep(POLL_S)
