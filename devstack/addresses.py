"""Where the parts of this checkout's stack are, for commands that work on a running leaderboard."""

from __future__ import annotations

from pathlib import Path

from palmares.leaderboard.errors import StackError

from devstack.supervisor.paths import StackPaths
from devstack.supervisor.processes import supervisor_process
from devstack.supervisor.settings import storage_url
from devstack.supervisor.state import load_state


def stack_addresses(home: Path | None) -> dict[str, str] | None:
    """Addresses and keys of the Hub, the store and ClearML, by name; None: no stack was ever started.

    Args:
        home: State folder; None: that of the environment or the checkout.

    Raises:
        StackError: The stack is down.
    """
    paths = StackPaths.locate(home)
    state = load_state(paths)
    if state is None or not {"hub", "postgres", "clearml_api"} <= state.ports.keys():
        return None
    if supervisor_process(state) is None:
        raise StackError(f"The stack in {paths.home} is down. Start it: palmares up")
    return {
        "hub_endpoint": state.url("hub"),
        "hub_token": state.hub_token,
        "store_url": state.store_url,
        "storage_url": storage_url(paths),
        "clearml_api": state.url("clearml_api"),
        "clearml_access_key": state.clearml_keys[0],
        "clearml_secret_key": state.clearml_keys[1],
    }
