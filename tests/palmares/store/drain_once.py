"""A process that drains one repository, and is killed right after its commit if the test wants it so."""

from __future__ import annotations

import os
import signal
import sys

from palmares.hub import Hub
from palmares.store.outbox.writer import drain_outbox
from palmares.store.store import Store


class Killed(Hub):
    """Dies as by the kernel's hand: nothing is closed, nothing is noted."""

    def commit_files(self, *args, **options):
        when = os.environ["KILL"]
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        oid = super().commit_files(*args, **options)
        if when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return oid


def main() -> None:
    """Drain; addresses come from the environment, the repository is the argument."""
    hub = Killed(endpoint=os.environ["HUB"], token=os.environ["HUB_TOKEN"])
    with Store.connect(os.environ["STORE"]) as store:
        drain_outbox(store, hub, sys.argv[1])


if __name__ == "__main__":
    main()
