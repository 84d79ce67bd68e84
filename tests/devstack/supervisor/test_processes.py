"""Knowing the processes of a stack from all others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from devstack.supervisor.processes import (
    STACK_VARIABLE,
    kill_all,
    memory_of,
    stack_processes,
    supervisor_process,
    wait_for_end,
)
from devstack.supervisor.state import StackState, Supervisor, prepare_home
from tests.devstack.conftest import wait_until


def sleeper(state: StackState | None = None, **options: Any) -> subprocess.Popen[bytes]:
    environment = {"PATH": os.defpath} | ({STACK_VARIABLE: state.stack_id} if state else {})
    return subprocess.Popen(["sleep", "600"], env=environment, **options)


def end(*processes: subprocess.Popen[bytes]) -> None:
    for process in processes:
        process.kill()
        process.wait()


def test_a_process_belongs_by_its_environment_wherever_it_went(paths):
    state = StackState()
    ours, others = sleeper(state, start_new_session=True, cwd="/"), sleeper(StackState())
    try:
        wait_until(lambda: [one.pid for one in stack_processes(paths, state)] == [ours.pid], "only ours")
    finally:
        end(ours, others)


@pytest.mark.parametrize("leader", ["alive", "zombie", "gone"])
def test_a_process_that_rewrote_its_environment_belongs_by_its_session(paths, leader):
    prepare_home(paths)
    rename = (
        "import setproctitle, time; setproctitle.setproctitle('x' * 4000); print(flush=True); time.sleep(60)"
    )
    lead = (
        f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {rename!r}]); time.sleep(60)"
    )
    supervisor = subprocess.Popen(
        [sys.executable, "-c", lead], cwd=paths.home, start_new_session=True, stdout=subprocess.PIPE
    )
    assert supervisor.stdout is not None
    supervisor.stdout.readline()
    process = psutil.Process(supervisor.pid)
    state = StackState(supervisor=Supervisor(pid=process.pid, create_time=process.create_time()))
    (child,) = process.children()
    try:
        if leader != "alive":
            process.kill()
            wait_until(lambda: process.status() == psutil.STATUS_ZOMBIE, "killed")
        if leader == "gone":
            supervisor.wait()
        found = {one.pid for one in stack_processes(paths, state)}
        assert found == ({child.pid, process.pid} if leader == "alive" else {child.pid})
        assert (supervisor_process(state) is not None) == (leader == "alive")
    finally:
        kill_all([child])
        end(supervisor)
        supervisor.stdout.close()


def test_a_shell_that_stands_in_the_state_folder_does_not_belong(paths):
    prepare_home(paths)
    shell = sleeper(cwd=paths.home)
    try:
        assert stack_processes(paths, StackState()) == []
    finally:
        end(shell)


def test_another_process_with_the_supervisors_number_is_not_the_supervisor(paths):
    prepare_home(paths)
    other = sleeper(start_new_session=True, cwd=paths.home)
    try:
        state = StackState(supervisor=Supervisor(pid=other.pid, create_time=1.0))
        assert supervisor_process(state) is None
        assert stack_processes(paths, state) == []
    finally:
        end(other)


def test_a_process_that_ignores_sigterm_is_killed():
    code = "import signal as s, time; s.signal(s.SIGTERM, s.SIG_IGN); print(flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    assert kill_all([psutil.Process(process.pid)], grace_s=0.1) == []
    process.wait()
    process.stdout.close()
    assert not psutil.pid_exists(process.pid)


TEST_RUN = """
import os, subprocess, sys
from pathlib import Path
from tests.fixtures.stack_end import stack_ends_with_this_process
home = sys.argv[1]
with stack_ends_with_this_process(Path(home)):
    command = subprocess.Popen(
        ["sleep", "600"], env={**os.environ, "PALMARES_HOME": home}, start_new_session=True
    )
    print(command.pid, flush=True)
    sys.stdin.read()
"""


def test_a_test_run_that_is_killed_takes_its_stack_along(paths):
    prepare_home(paths)
    state = StackState()
    state.save(paths)
    part = sleeper(state, start_new_session=True)
    run = subprocess.Popen(
        [sys.executable, "-c", TEST_RUN, paths.home],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert run.stdout is not None
        command = psutil.Process(int(run.stdout.readline()))
        assert part.poll() is None
        run.kill()
        assert wait_for_end([command], timeout_s=60) == []
        wait_until(lambda: part.poll() is not None, "the part has ended")
    finally:
        run.communicate()
        end(run, part)


def test_memory_is_counted_once_however_often_it_is_shared():
    (mine,) = memory_of([psutil.Process()])
    assert 0 < mine.pss_bytes <= psutil.Process().memory_info().rss
    assert Path(f"/proc/{mine.pid}").exists()
