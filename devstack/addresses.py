"""Where the parts of this checkout's stack are, for commands that work on a running leaderboard."""

from __future__ import annotations

from pathlib import Path

from palmares.leaderboard.errors import StackError

from devstack.supervisor.paths import StackPaths
from devstack.supervisor.processes import supervisor_process
from devstack.supervisor.settings import storage_url
from devstack.supervisor.state import load_state


def stack_addresses(home: Path | None) -> dict[str, str] | None:
    """``hub_endpoint``, ``hub_token``, ``store_url`` and ``storage_url``; None: no stack was ever started.

    Args:
        home: State folder; None: that of the environment or the checkout.

    Raises:
        StackError: The stack is down.
    """
    paths = StackPaths.locate(home)
    state = load_state(paths)
    if state is None or not {"hub", "postgres"} <= state.ports.keys():
        return None
    if supervisor_process(state) is None:
        raise StackError(f"The stack in {paths.home} is down. Start it: palmares up")
    return {
        "hub_endpoint": state.url("hub"),
        "hub_token": state.hub_token,
        "store_url": state.store_url,
        "storage_url": storage_url(paths),
    }
