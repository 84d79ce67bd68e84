"""Runs the embedded services in one process: ``python -m devstack.servers.serve --state-dir …``."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from palmares.leaderboard.errors import StackError

from devstack.servers.faults import CONTROL_PATH, TOKEN_VARIABLE, FaultInjector, Service

HUB_USER = "palmares-demo"
"""Whom the Hub's token belongs to."""

_HOST = "127.0.0.1"
_FAULTY: tuple[Service, ...] = ("clearml_api", "clearml_files", "hub")
# Clients close idle connections after 5 s; a server that does so first makes a commit fail now and then.
_KEEP_ALIVE_S = 75
_GRACE_S = 1
_BACKLOG = 512

log = logging.getLogger("palmares.embedded")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What clients must show, from the environment."""

    clearml_access_key: str
    clearml_secret_key: str
    jwt_secret: str
    hub_token: str
    faults_token: str | None = None
    """Who shows it may make the services fail; None: nobody may."""

    @classmethod
    def from_environment(cls) -> Credentials:
        """Read the credentials.

        Raises:
            StackError: One is missing or empty.
        """
        names = {
            "clearml_access_key": "PALMARES_CLEARML_ACCESS_KEY",
            "clearml_secret_key": "PALMARES_CLEARML_SECRET_KEY",
            "jwt_secret": "PALMARES_JWT_SECRET",
            "hub_token": "PALMARES_HUB_TOKEN",
        }
        missing = [name for name in names.values() if not os.environ.get(name)]
        if missing:
            raise StackError(
                f"The environment has no {', '.join(missing)}. `palmares up` sets them; "
                "to start the services alone, source the env file of the state folder first."
            )
        given = {field: os.environ[name] for field, name in names.items()}
        return cls(**given, faults_token=os.environ.get(TOKEN_VARIABLE) or None)


def bound_socket(port: int, *, what: str) -> socket.socket:
    """Return a listening socket on 127.0.0.1; port 0 takes a free one.

    Raises:
        StackError: The port is taken, or may not be used.
    """
    # asyncio sets TCP_NODELAY only on sockets that name their protocol; without it each answer on a kept
    # connection waits 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise StackError(
            f"Port {port} on {_HOST} cannot be used for {what}: {error.strerror}. "
            "Stop what listens there, or choose another port."
        ) from error
    listener.setblocking(False)
    return listener


class _Server(uvicorn.Server):
    """A server that leaves the process's signals to `_run`: of several, only the last would hear of them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def server_of(app: Any) -> uvicorn.Server:
    """Return a server for *app*, to be run on sockets of ours."""
    return _Server(
        uvicorn.Config(
            app,
            access_log=False,
            log_level="warning",
            log_config=None,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_GRACE_S,
            backlog=_BACKLOG,
            http="httptools",
            ws="none",
            server_header=False,
        )
    )


async def _run(servers: Sequence[tuple[uvicorn.Server, socket.socket]]) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for server, _ in servers:
            server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    async with asyncio.TaskGroup() as group:
        for server, listener in servers:
            group.create_task(server.serve(sockets=[listener]))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m devstack.servers.serve", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True, help="folder of all state")
    for name in ("clearml-api", "clearml-files", "clearml-web", "hub"):
        parser.add_argument(f"--{name}-port", type=int, required=True, help="on 127.0.0.1; 0: a free one")
    return parser.parse_args(arguments)


def _servers(options: argparse.Namespace) -> list[tuple[uvicorn.Server, socket.socket]]:
    from devstack.servers.clearml.app import create_api_app, create_files_app, create_web_app
    from devstack.servers.hub.app import create_app

    credentials = Credentials.from_environment()
    # Ports first: they are what fails, and nothing is on disk yet.
    ports = {
        name: bound_socket(getattr(options, f"{name}_port"), what=name.replace("_", " "))
        for name in ("clearml_api", "clearml_files", "clearml_web", "hub")
    }
    clearml_dir: Path = options.state_dir / "clearml"
    hub_dir: Path = options.state_dir / "hub"
    for folder in (clearml_dir, hub_dir):
        folder.mkdir(parents=True, exist_ok=True)
    apps: dict[str, Any] = {
        "clearml_api": create_api_app(
            clearml_dir,
            access_key=credentials.clearml_access_key,
            secret_key=credentials.clearml_secret_key,
            jwt_secret=credentials.jwt_secret,
        ),
        "clearml_files": create_files_app(clearml_dir, jwt_secret=credentials.jwt_secret),
        "clearml_web": create_web_app(clearml_dir),
        "hub": create_app(hub_dir, tokens={credentials.hub_token: HUB_USER}),
    }
    served = apps | _with_faults(apps, credentials.faults_token)
    servers = {name: server_of(app) for name, app in served.items()}
    for name, listener in ports.items():
        log.info("%s on http://%s:%d", name, _HOST, listener.getsockname()[1])
    return [(servers[name], ports[name]) for name in apps]


def _with_faults(apps: dict[str, Any], token: str | None) -> dict[str, Any]:
    """The applications that can be made to fail, or none."""
    if token is None:
        return {}
    log.warning(
        "%s is set: clients that have it may make the services fail, at %s", TOKEN_VARIABLE, CONTROL_PATH
    )
    return {name: FaultInjector(apps[name], service=name, token=token) for name in _FAULTY}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        servers = _servers(options)
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"The state folder {options.state_dir} cannot be used: {error}", file=sys.stderr)
        return 1
    asyncio.run(_run(servers))
    log.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
