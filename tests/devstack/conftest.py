"""A state folder for each test, and small stacks with a real supervisor."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack.supervisor import postgres
from devstack.supervisor.lifecycle import stop_stack
from devstack.supervisor.paths import StackPaths
from devstack.supervisor.ports import choose_ports
from devstack.supervisor.programs import POSTGRES, stack_programs
from devstack.supervisor.state import StackState, prepare_home
from devstack.supervisor.supervision import SupervisorClient, launch

DEADLINE_S = 300.0


def wait_until(check: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Poll until *check* holds."""
    deadline = time.monotonic() + deadline_s
    while not check():
        assert time.monotonic() < deadline, f"not within {deadline_s} s: {what}"
        time.sleep(0.02)


@pytest.fixture
def paths() -> Iterator[StackPaths]:
    """A state folder below one of mode 0700, as in a home: the hard case for PostgreSQL as root."""
    yield from _new_paths()


def _new_paths() -> Iterator[StackPaths]:
    with tempfile.TemporaryDirectory(prefix="palmares-test-") as folder:
        yield StackPaths.locate(Path(folder) / "state")


@pytest.fixture(scope="module")
def small_stack() -> Iterator[tuple[StackPaths, StackState]]:
    """A stack of PostgreSQL alone, under a real supervisor, shared by a module's tests."""
    for paths in _new_paths():
        yield from _run_small_stack(paths)


@pytest.fixture
def new_small_stack(paths: StackPaths) -> Iterator[tuple[StackPaths, StackState]]:
    """The same, for a test that breaks it."""
    yield from _run_small_stack(paths)


def _run_small_stack(paths: StackPaths) -> Iterator[tuple[StackPaths, StackState]]:
    prepare_home(paths)
    state, _ = choose_ports(StackState(), {})
    state.save(paths)
    server = postgres.find_server(paths)
    postgres.ensure_cluster(paths, state, server)
    programs = [one for one in stack_programs(paths, state, server) if one.name == POSTGRES]
    state = launch(paths, state, programs)
    SupervisorClient(paths, state).start([POSTGRES])
    wait_until(lambda: postgres.is_ready(state), "PostgreSQL answers")
    try:
        yield paths, state
    finally:
        stop_stack(paths, lambda _: None)
