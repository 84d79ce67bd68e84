"""What earlier runs leave, provoked with real processes."""

from __future__ import annotations

import os
import socket

import psutil
import pytest

from devstack.supervisor import lifecycle
from devstack.supervisor.checks import examine
from devstack.supervisor.checks.leftovers import (
    leftover_postgres,
    ports,
    stack_file,
    stale_stack,
    state_folder,
)
from devstack.supervisor.lifecycle import stop_stack
from devstack.supervisor.paths import StackPaths
from devstack.supervisor.processes import stack_processes
from devstack.supervisor.state import StackState, Supervisor, prepare_home


def test_a_new_folder_has_nothing_to_tell(paths):
    names = {finding.name: finding.level for finding in examine(paths)}
    assert names["state-folder"] == names["stack-file"] == names["stale-stack"] == "ok"
    assert names["leftover-postgres"] == names["ports"] == "ok"
    assert not paths.home.exists(), "looking makes nothing"


def test_a_file_in_the_way_of_the_state_folder_is_an_error(paths):
    paths.home.write_text("")
    assert "not a folder" in state_folder(paths).message


def test_a_state_folder_that_cannot_be_written_is_an_error(paths):
    if os.geteuid() == 0:  # Permissions do not stop root; a file system of the kernel does.
        finding = state_folder(
            StackPaths(root=paths.root, home=paths.home.parent.__class__("/proc/palmares"))
        )
    else:
        paths.home.mkdir(mode=0o500)
        finding = state_folder(paths)
    assert finding.level == "error"
    assert "cannot be written" in finding.message
    assert "PALMARES_HOME" in finding.fix


def test_a_broken_stack_file_is_an_error(paths):
    prepare_home(paths)
    paths.state_file.write_text("{")
    finding = stack_file(paths)
    assert finding.level == "error"
    assert "make clean" in finding.fix
    assert [one.level for one in examine(paths) if one.name == "stack-file"] == ["error"]


def test_a_stack_whose_supervisor_is_gone_is_stale(paths):
    prepare_home(paths)
    state = StackState(supervisor=Supervisor(pid=2**22 - 1, create_time=1.0))
    finding = stale_stack(paths, state)
    assert finding.level == "warning"
    assert "carries on" in finding.fix


def test_a_port_in_use_is_an_error_when_it_was_set_and_a_warning_when_not(paths):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        state = StackState(ports={"airflow": port}, pinned_ports=("airflow",))
        (pinned,) = ports(paths, state)
        (moving,) = ports(paths, state.model_copy(update={"pinned_ports": ()}))
    assert pinned.level == "error"
    assert f"Port {port}, set for airflow" in pinned.message
    assert "--port-airflow" in pinned.fix
    assert moving.level == "warning"


def test_a_lock_of_a_killed_server_is_told(paths):
    paths.postgres_data.mkdir(parents=True)
    (paths.postgres_data / "postmaster.pid").write_text(f"{os.getpid()}\n")
    finding = leftover_postgres(paths, StackState())
    assert finding.level == "warning"
    assert f"process {os.getpid()} is now {psutil.Process().name()}" in finding.message


@pytest.mark.stack
def test_processes_of_a_dead_supervisor_are_told_and_ended(new_small_stack, monkeypatch):
    paths, state = new_small_stack
    psutil.Process(state.supervisor.pid).kill()
    psutil.wait_procs([psutil.Process(state.supervisor.pid)], timeout=10)
    stale, leftover = stale_stack(paths, state), leftover_postgres(paths, state)
    assert "live on" in stale.message
    assert "palmares down" in stale.fix
    assert "PostgreSQL server of a dead stack" in leftover.message
    monkeypatch.setattr(lifecycle, "LOCK_DEADLINE_S", 1)
    assert stop_stack(paths, lambda _: None)
    assert stack_processes(paths, state) == []
    assert not stop_stack(paths, lambda _: None)
